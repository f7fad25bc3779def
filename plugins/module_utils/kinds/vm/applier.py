# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes VMs in libvirt: the definition, what runs, and the power. Decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ...engine import xmltree
from ...engine.changes import Beside, Mended, Restarted, Stepped
from ...engine.errors import FleetError
from ...engine.plan import CREATE, DELETE, END, Plan
from ...engine.steps import defines
from ...host.connection import Host, libvirt, patiently, wait_until
from ...host.live import machine_of
from ..vswitch.changes import FiltersMade
from . import applier_ports, applier_promise, extra, noted_vlans, power
from .applier_live import bring
from .applier_removal import end, remove
from .applier_start import resume, start
from .applier_vlans import as_taken
from .changes import Grown
from .definition import restarting
from .made_from import MADE
from .reader import live_definition, power_state
from .schema import is_beyond_schema
from .seeded import seeds
from .states import CRASHED, STOPPED

# A guest that boots misses the power button, so it is pressed again until the deadline.
ASK_AGAIN_S = 10.0


def apply(host: Host, plan: Plan) -> None:
    """Make a plan true: one define, each live change, then the power."""
    if plan.action in (END, DELETE):
        (end if plan.action == END else remove)(host, plan, shut_down)
        return
    if plan.wanted.options.get(MADE) and plan.action == CREATE:
        from .applier_made_from import prepare

        prepare(host, plan)
    if any(isinstance(change, FiltersMade) for change in plan.changes):
        from ..vswitch.applier_filters import make

        make(host, plan)
    dom = _seeded(host, plan) if seeds(plan) else _define(host, plan)
    if any(isinstance(change, Beside) for change in plan.changes):
        dom.setAutostart(int(plan.after.facts["autostart"]))
    way = power.way_of(plan)
    for step in way.waking:  # first, since only a guest that is awake lets devices go
        _step(host, dom, step, plan)
    bring(dom, plan)
    if moved := applier_ports.moved(plan):
        applier_ports.settle(host, dom, plan, moved)
    if any(isinstance(change, (Stepped, Restarted, Mended)) for change in plan.changes):
        _power(host, dom, plan, way.then)
    if applier_promise.is_concerned(plan):
        applier_promise.settle(host, dom, plan)
    if seeds(plan):
        from .cloud_init import applier

        applier.settle(host, dom, plan)


def _seeded(host: Host, plan: Plan) -> Any:
    from .cloud_init.applier import seeded

    with seeded(host, plan) as filled:
        return _define(host, filled)


def _define(host: Host, plan: Plan) -> Any:
    if not defines(plan):
        return host.conn.lookupByName(plan.wanted.name)
    if plan.action != CREATE:
        _refuse_stale(host, plan)
    definition = xmltree.serialise(as_taken(host, plan.after.definition))
    has_extra = any(change.is_of("extra_xml") for change in plan.changes)
    # Without validation libvirt drops elements that it does not know, silently.
    validates = has_extra and not is_beyond_schema(plan.have.stored, machine_of(host))
    flags = libvirt.VIR_DOMAIN_DEFINE_VALIDATE if validates else 0
    dom = patiently(lambda: host.conn.defineXMLFlags(definition, flags))
    if extra.is_open(plan.after.definition):
        _record_extra(host, dom, plan)
    return dom


def _record_extra(host: Host, dom: Any, plan: Plan) -> None:
    """Note beside extra_xml what libvirt made of it, by which it is found from now on."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    # Read again, libvirt puts in its place what it added as it read it first, a console say.
    settled = patiently(lambda: host.conn.defineXMLFlags(dom.XMLDesc(flags), 0))
    definition = noted_vlans.parse(settled.XMLDesc(flags))
    others = {key for key in plan.wanted.values if key[0] not in extra.BRING_NO_DEVICE}
    alone = plan.action != CREATE and not any(change.field in others for change in plan.changes)
    lost = extra.close(definition, plan.after.definition, alone)
    if lost:
        raise FleetError(
            f"is stored, but libvirt left out {', '.join(lost)}; write it as `virsh dumpxml` would "
            "show it, or leave it out",
            plan.resource,
            "extra_xml",
        )
    text = xmltree.serialise(as_taken(host, definition))
    patiently(lambda: host.conn.defineXMLFlags(text, 0))


def _refuse_stale(host: Host, plan: Plan) -> None:
    """A definition that changed since the plan was made would be overwritten unseen."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    now = noted_vlans.parse(host.conn.lookupByName(plan.wanted.name).XMLDesc(flags))
    if plan.have.stored is not None and not xmltree.same(now, plan.have.stored):
        raise FleetError(
            "was changed by somebody else since the plan was made; run again", plan.resource
        )


# ---- power


def _power(host: Host, dom: Any, plan: Plan, steps: Sequence[str]) -> None:
    """Take the steps. A VM that is off between two of them is marked, should the run end there."""
    marked = restarting(plan.have.stored) if plan.have.stored is not None else None
    if any(change.restarts for change in plan.changes):
        marked = plan.after.facts["state"]
        _mark_restart(dom, f"<restart to='{marked}'/>")
    try:
        for step in steps:
            _step(host, dom, step, plan)
    finally:
        is_off = power_state(dom) in (STOPPED, CRASHED)
        if marked and not (is_off and plan.wanted.state == power.PRESENT):
            _mark_restart(dom, None)


def _mark_restart(dom: Any, mark: str | None) -> None:
    """Put the mark into what is stored, which outlives a run and its libvirtd; None removes it."""
    flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
    if mark is None and dom.isActive():
        flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE  # it was started with the mark
    kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    dom.setMetadata(kind, mark, "fleet-restart", xmltree.RESTART_NS, flags)


def _step(host: Host, dom: Any, step: str, plan: Plan) -> None:
    call, verb = POWER[step]
    if step in (power.START, power.START_PAUSED) and any(
        isinstance(c, Grown) for c in plan.changes
    ):
        from .applier_pages import grow

        grow(host, plan)
    with host.errors(plan.resource, f"{verb} it"):
        patiently(lambda: call(dom, plan))


def shut_down(dom: Any, plan: Plan) -> None:
    """Have the guest end. One that starts anew when it is shut down must not, for this once."""
    anew = power.starts_anew(live_definition(dom))
    if anew:
        unless_ended(dom, lambda: _on_poweroff(dom, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY))
    try:
        _shut_down(dom, plan)
    finally:
        if anew and dom.isActive():
            restart = libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_RESTART
            unless_ended(dom, lambda: _on_poweroff(dom, restart))


def _on_poweroff(dom: Any, action: int) -> None:
    when = libvirt.VIR_DOMAIN_LIFECYCLE_POWEROFF
    dom.setLifecycleAction(when, action, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _shut_down(dom: Any, plan: Plan) -> None:
    """Ask the guest to shut down and wait; after the deadline do what the user wrote."""
    how = plan.wanted.options["shutdown"]
    deadline = time.monotonic() + how["timeout_s"]
    while (left := deadline - time.monotonic()) > 0:
        unless_ended(dom, dom.shutdown)
        if wait_until(lambda: not dom.isActive(), min(left, ASK_AGAIN_S)):
            return
    if how["on_timeout"] == "power_off":
        unless_ended(dom, dom.destroy)
        return
    advice = "declare it with state: absent and" if plan.wanted.pruned else "with"
    raise FleetError(
        f"did not shut down within {how['timeout_s']} s; {advice} shutdown.on_timeout: power_off, "
        "and it is switched off then",
        plan.resource,
        "state",
    )


def unless_ended(dom: Any, call: Callable[[], Any]) -> None:
    """Make a call of libvirt that a VM needs no more once its guest has ended by itself."""
    try:
        call()
    except libvirt.libvirtError:
        if dom.isActive():
            raise


# What each step of its power calls, and what an error says that it was to do.
POWER: dict[str, tuple[Callable[[Any, Plan], Any], str]] = {
    power.START: (lambda dom, _plan: start(dom), "start"),
    power.START_PAUSED: (
        lambda dom, _plan: dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED),
        "start",
    ),
    power.SUSPEND: (lambda dom, _plan: dom.suspend(), "suspend"),
    power.RESUME: (lambda dom, _plan: resume(dom), "resume"),
    power.SAVE: (lambda dom, _plan: dom.managedSave(0), "save"),
    power.SHUTDOWN: (shut_down, "shut down"),
    power.SWITCH_OFF: (lambda dom, _plan: unless_ended(dom, dom.destroy), "switch off"),
}
