# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes VMs in libvirt: the definition, what runs, and the power. Decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...engine import xmltext, xmltree
from ...engine.changes import HOTPLUG, LIVE, RESTART, Change
from ...engine.errors import FleetError
from ...engine.fields import Items, edit, items_of
from ...engine.keys import ABSENT
from ...engine.plan import CREATE, DELETE, Plan
from ...engine.steps import defines
from ...engine.units import parse_size
from ...engine.xmltree import Element
from ...host.connection import Host, libvirt, patiently, wait_until
from ...host.live import machine_of
from . import extra, port_groups, power, table, tree
from .applier_removal import remove
from .applier_start import resume, start
from .reader import live_definition, power_state
from .schema import is_beyond_schema
from .states import CRASHED, STOPPED

# How long a guest may take to let an unplugged device go (ACPI and PCIe ask it, and wait).
UNPLUG_TIMEOUT_S = 20.0
# A guest that boots misses the power button, so it is pressed again until the deadline.
ASK_AGAIN_S = 10.0
DEVICES: dict[str, Items] = {
    row.name: row for row in (table.DISKS, table.CDROMS, table.NICS, table.CHANNELS)
}


def apply(host: Host, plan: Plan) -> None:
    """Make a plan true: one define, each live change, then the power."""
    if plan.action == DELETE:
        remove(host, plan, shut_down)
        return
    dom = _define(host, plan)
    fields = {change.field[0] for change in plan.changes}
    if "autostart" in fields:
        dom.setAutostart(int(plan.after.facts["autostart"]))
    now, after = plan.have.facts.get("state", STOPPED), plan.after.facts["state"]
    if power.wakes(now, after):  # first, since only a guest that is awake lets devices go
        for step in power.steps(now, after):
            _step(host, dom, step, plan)
        now = after
    Live(dom, plan).apply()
    if fields & {"state", "power"}:
        _power(host, dom, plan, now)


def _define(host: Host, plan: Plan) -> Any:
    if not defines(plan, (power.POWER,)):
        return host.conn.lookupByName(plan.wanted.name)
    if plan.action != CREATE:
        _refuse_stale(host, plan)
    definition = xmltree.serialise(plan.after.definition)
    has_extra = any(change.field == ("extra_xml",) for change in plan.changes)
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
    definition = xmltree.parse(settled.XMLDesc(flags))
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
    patiently(lambda: host.conn.defineXMLFlags(xmltree.serialise(definition), 0))


def _refuse_stale(host: Host, plan: Plan) -> None:
    """A definition that changed since the plan was made would be overwritten unseen."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    now = xmltree.parse(host.conn.lookupByName(plan.wanted.name).XMLDesc(flags))
    if plan.have.stored is not None and not xmltree.same(now, plan.have.stored):
        raise FleetError(
            "was changed by somebody else since the plan was made; run again", plan.resource
        )


# ---- what runs


class Live:
    """Brings the live changes of one plan to a running domain."""

    def __init__(self, dom: Any, plan: Plan) -> None:
        self.dom = dom
        self.plan = plan
        self.after = plan.after.definition
        self.changes = [change for change in plan.changes if change.effect in (LIVE, HOTPLUG)]

    def apply(self) -> None:
        """Call each applier once, with all the changes that are its own."""
        appliers: dict[str, Callable[[list[Change]], None]] = {
            "metadata": self._metadata,
            "lifecycle": self._lifecycle,
            "vcpus": self._vcpus,
            "balloon": self._balloon,
            "balloon_stats": self._balloon_stats,
            "disk_limits": self._disk_limits,
            "media": self._devices_updated,
            "nic": self._devices_updated,
            "device": self._devices_plugged,
        }
        for name, applier in appliers.items():
            changes = [change for change in self.changes if change.applier == name]
            if changes:
                self._try(applier, changes)

    def _try(self, applier: Callable[[list[Change]], None], changes: list[Change]) -> None:
        try:
            applier(changes)
        except libvirt.libvirtError as error:
            if not self.dom.connect().isAlive():
                raise
            fields = ", ".join(".".join(change.field) for change in changes)
            raise FleetError(
                f"is stored, but libvirt refused to change it on the running VM: "
                f"{error.get_error_message()}; with apply: next_boot it waits for the next start",
                self.plan.resource,
                fields,
            ) from error

    def _metadata(self, changes: list[Change]) -> None:
        kinds = {
            "title": libvirt.VIR_DOMAIN_METADATA_TITLE,
            "description": libvirt.VIR_DOMAIN_METADATA_DESCRIPTION,
        }
        for change in changes:
            kind = kinds.get(change.field[0])
            if kind is not None:
                value = change.after or None
                self.dom.setMetadata(kind, value, None, None, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        if any(change.field[0] not in kinds for change in changes):
            resource = xmltree.find(self.after, "metadata/fleet:resource")
            text = None if resource is None else xmltree.serialise(_without_namespace(resource))
            element = libvirt.VIR_DOMAIN_METADATA_ELEMENT
            self.dom.setMetadata(
                element, text, "fleet", xmltree.FLEET_NS, libvirt.VIR_DOMAIN_AFFECT_LIVE
            )

    def _lifecycle(self, changes: list[Change]) -> None:
        types = {
            "on_poweroff": libvirt.VIR_DOMAIN_LIFECYCLE_POWEROFF,
            "on_reboot": libvirt.VIR_DOMAIN_LIFECYCLE_REBOOT,
            "on_crash": libvirt.VIR_DOMAIN_LIFECYCLE_CRASH,
        }
        actions = {
            "destroy": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY,
            "restart": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_RESTART,
            "preserve": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_PRESERVE,
            "coredump-destroy": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_COREDUMP_DESTROY,
            "coredump-restart": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_COREDUMP_RESTART,
        }
        for change in changes:
            when, then = types[change.field[0]], actions[change.after]
            self.dom.setLifecycleAction(when, then, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _vcpus(self, changes: list[Change]) -> None:
        self.dom.setVcpusFlags(changes[-1].after, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _balloon(self, changes: list[Change]) -> None:
        kib = parse_size(changes[-1].after) // 1024
        self.dom.setMemoryFlags(kib, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _balloon_stats(self, changes: list[Change]) -> None:
        self.dom.setMemoryStatsPeriod(changes[-1].after, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _disk_limits(self, changes: list[Change]) -> None:
        for name in dict.fromkeys(change.field[1] for change in changes):
            disk = items_of(table.DISKS, self.after)[name]
            names = ("total", "read", "write")
            limits = {f"{n}_{of}_sec": 0 for of in ("bytes", "iops") for n in names}
            limits.update(
                {i.tag: int(i.text or 0) for i in disk.findall("iotune/*") if i.tag in limits}
            )
            runs = items_of(table.DISKS, self.plan.have.running).get(name)
            for burst in runs.findall("iotune/*") if runs is not None else ():
                if limits.get(burst.tag.partition("_max")[0], 1) == 0 and "_max" in burst.tag:
                    limits[burst.tag] = 0  # libvirt refuses one without its limit
            target = xmltree.get(disk, "target/@dev")
            self.dom.setBlockIoTune(target, limits, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _devices_updated(self, changes: list[Change]) -> None:
        """The device as it runs, with just what changes set anew."""
        for at in dict.fromkeys(change.field[:2] for change in changes):
            row = DEVICES[at[0]]
            device = xmltree.clone(items_of(row, self._now())[at[1]])
            values = {c.field[2:]: c.after for c in changes if c.field[:2] == at}
            edit(row.rows, device, values)
            if ("source",) in values:
                _forget_runtime_source(device)
            if values.keys() & {("source",), ("port_group",)}:
                port_groups.forget_limits(device, items_of(row, self.after)[at[1]])
            self.dom.updateDeviceFlags(xmltree.serialise(device), libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _devices_plugged(self, changes: list[Change]) -> None:
        # What leaves makes room: for its target's name, its boot order, its PCI port.
        for change in sorted(changes, key=lambda change: change.after is not ABSENT):
            row, name = DEVICES[change.field[0]], change.field[1]
            if change.after is ABSENT:
                self._unplug(row, name)
            else:
                device = xmltree.clone(items_of(row, self.after)[name])
                _forget_unfit_address(device, self._now())
                self.dom.attachDeviceFlags(
                    xmltree.serialise(device), libvirt.VIR_DOMAIN_AFFECT_LIVE
                )

    def _unplug(self, row: Items, name: str) -> None:
        device = items_of(row, self._now()).get(name)
        if device is None:
            return
        self.dom.detachDeviceFlags(xmltree.serialise(device), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        if not wait_until(lambda: name not in items_of(row, self._now()), UNPLUG_TIMEOUT_S):
            raise FleetError(
                f"the guest did not let it go within {UNPLUG_TIMEOUT_S:.0f} s; what is stored "
                "is without it already; run again when the guest is done with it, or restart it",
                self.plan.resource,
                f"{row.name}.{name}",
            )

    def _now(self) -> Element:
        return live_definition(self.dom)


def _without_namespace(element: Element) -> Element:
    """libvirt puts the namespace in itself, and refuses an element that has it already."""
    plain = xmltree.clone(element)
    plain.attrib.pop("xmlns:fleet", None)
    for part in filter(xmltext.is_element, plain.iter()):
        part.tag = part.tag[len("fleet:") :] if part.tag.startswith("fleet:") else part.tag
    return plain


def _forget_runtime_source(device: Element) -> None:
    """Drop what libvirt noted about the former source; it would contradict the new one."""
    for source in device.findall("source"):
        for attribute in ("portid", "index"):
            source.attrib.pop(attribute, None)
        if device.get("type") == "network":
            source.attrib.pop("bridge", None)
    for element in device.findall("backingStore"):
        device.remove(element)


def _forget_unfit_address(device: Element, live: Element) -> None:
    """Drop an address that fits what is stored, but is another's in what runs, or not there."""
    address = device.find("address")
    if address is None:
        return
    taken = any(address.attrib == a.attrib for a in live.findall("devices/*/address"))
    buses = [int(c.get("index", "0")) for c in live.findall("devices/controller[@type='pci']")]
    if taken or (address.get("type") == "pci" and int(address.get("bus", "0"), 0) not in buses):
        device.remove(address)


# ---- power


def _power(host: Host, dom: Any, plan: Plan, now: str) -> None:
    """Take the steps. A VM that is off between two of them is marked, should the run end there."""
    marked = tree.restarting(plan.have.stored) if plan.have.stored is not None else None
    target = power.target(now, plan.wanted.state, marked)
    steps = power.steps(now, target)
    if any(change.field == power.POWER and change.effect == RESTART for change in plan.changes):
        steps = power.restart(now, target)
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
    calls: dict[str, Callable[[], Any]] = {
        power.START: lambda: start(dom),
        power.START_PAUSED: lambda: dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED),
        power.SUSPEND: dom.suspend,
        power.RESUME: lambda: resume(dom),
        power.SAVE: lambda: dom.managedSave(0),
        power.SHUTDOWN: lambda: shut_down(dom, plan),
        power.SWITCH_OFF: dom.destroy,
    }
    words = {power.SHUTDOWN: "shut down", power.SWITCH_OFF: "switch off"}
    verb = words.get(step, step.partition("_")[0])
    with host.errors(plan.resource, f"{verb} it"):
        patiently(calls[step])


def shut_down(dom: Any, plan: Plan) -> None:
    """Have the guest end. One that starts anew when it is shut down must not, for this once."""
    anew = power.starts_anew(live_definition(dom))
    if anew:
        _on_poweroff(dom, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY)
    try:
        _shut_down(dom, plan)
    finally:
        if anew and dom.isActive():
            _on_poweroff(dom, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_RESTART)


def _on_poweroff(dom: Any, action: int) -> None:
    when = libvirt.VIR_DOMAIN_LIFECYCLE_POWEROFF
    dom.setLifecycleAction(when, action, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _shut_down(dom: Any, plan: Plan) -> None:
    """Ask the guest to shut down and wait; after the deadline do what the user wrote."""
    how = plan.wanted.options["shutdown"]
    deadline = time.monotonic() + how["timeout_s"]
    while (left := deadline - time.monotonic()) > 0:
        _ask_to_shut_down(dom)
        if wait_until(lambda: not dom.isActive(), min(left, ASK_AGAIN_S)):
            return
    if how["on_timeout"] == "power_off":
        dom.destroy()
        return
    advice = "declare it with state: absent and" if plan.wanted.pruned else "with"
    raise FleetError(
        f"did not shut down within {how['timeout_s']} s; {advice} shutdown.on_timeout: power_off, "
        "and it is switched off then",
        plan.resource,
        "state",
    )


def _ask_to_shut_down(dom: Any) -> None:
    try:
        dom.shutdown()
    except libvirt.libvirtError:
        if dom.isActive():  # otherwise it stopped by itself in the meantime
            raise
