# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes, changes and removes the switch beneath a vswitch, as it was decided elsewhere."""

from __future__ import annotations

import subprocess
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...host.connection import Host
from ...host.live import machine_of
from ...host.open_vswitch import read_open_vswitch, transact
from .ports import is_linux_bridge
from .switch import commands
from .switch.overlay import Overlay
from .switch.seen import Switch, of_bridge, of_facts


def guard(host: Host, plan: Plan) -> None:
    """Have the host set the switch back as it is, unless somebody confirms the change."""
    from ...host import checkpoint
    from . import rollback  # the program that does, which is loaded to be taken along
    from .switch import at_risk
    from .switch.makers import LINUX

    will = of_facts(plan.after.facts)
    if will is None:
        raise LookupError("a plan with this step has a switch")
    bridge = xmltree.get(plan.after.definition, "bridge/@name") or ""
    of_linux, machine = is_linux_bridge(plan.after.definition), machine_of(host)
    found = {"links": machine.links} if of_linux else at_risk.found(machine)
    seen = LINUX.seen(machine) if of_linux else found["open_vswitch"]
    saved = at_risk.saved(bridge, of_linux, of_bridge(seen, bridge), will, found)
    timeout_s = plan.wanted.options["confirm_timeout_s"] or at_risk.TIMEOUT_S
    checkpoint.take(saved, plan.resource, timeout_s, rollback.__name__)


def wire(host: Host, plan: Plan) -> None:
    """Make the switch what it is to be, whatever a run that was interrupted left of it."""
    will = of_facts(plan.after.facts)
    if will is None:
        raise LookupError("a plan with this step has a switch")
    bridge = xmltree.get(plan.after.definition, "bridge/@name") or ""
    if is_linux_bridge(plan.after.definition):
        from . import applier_linux

        applier_linux.wire(bridge, will, plan.resource)
        return
    wire_open_vswitch(machine_of(host).open_vswitch, bridge, will, plan.resource)


def wire_open_vswitch(seen: Any, bridge: str, will: Switch, resource: str) -> None:
    """The same of Open vSwitch, of which this was `seen`."""
    was = of_bridge(seen, bridge) or Switch()
    transact(commands.making(seen, bridge, will), resource)
    for command in commands.usual_mtus(was, will):
        subprocess.run(command, capture_output=True, check=False)
    for nic in will.nics:
        # Open vSwitch leaves an uplink down that is down.
        subprocess.run(["ip", "link", "set", nic, "up"], capture_output=True, check=False)
    if will.owner:
        from .applier_networkd import keep_beside

        keep_beside(bridge, was, will, resource)
    if will.overlay is not None:
        refuse_broken(seen, bridge, will.overlay, resource)


def refuse_broken(was: Any, bridge: str, will: Overlay, resource: str) -> None:
    """Open vSwitch stores a tunnel that it cannot make. The plan says of one that was so before."""
    from .switch.overlay_commands import in_error

    before = in_error(was, bridge, will)
    new = {p: e for p, e in in_error(read_open_vswitch(), bridge, will).items() if p not in before}
    if new:
        said = "; ".join(f"to {peer}: {error}" for peer, error in new.items())
        raise FleetError(f"tunnels are stored as declared, but do not work: {said}", resource)


def unwire(host: Host, plan: Plan) -> None:
    """Remove the bridge, with the uplinks on it; from one of others the tunnels alone."""
    bridge = xmltree.get(plan.have.definition, "bridge/@name") or ""
    was = of_facts(plan.have.facts)
    if was is not None and not was.owner:
        from .switch import overlay_commands

        seen = machine_of(host).open_vswitch
        transact(overlay_commands.making(seen, bridge, None), plan.resource)
        return
    if is_linux_bridge(plan.have.definition):
        from . import applier_linux

        applier_linux.unwire(bridge, plan.resource)
        return
    transact(commands.removing(bridge), plan.resource)
    if was is not None:
        from .applier_networkd import forget_beside

        forget_beside(bridge, plan.resource)
