# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a vswitch that is to go."""

from __future__ import annotations

from ...engine.changes import LIVE, STORED, Change
from ...engine.errors import FleetError
from ...engine.plan import DELETE, NONE, Have, Plan, Wanted
from ...engine.world import GONE, World
from . import reader as networks
from .surroundings import attached_to, left_of, leftovers, refuse_while_in_use
from .table import PROTECTED
from .tree import values_of

STATE = ("state",)


def removal(wanted: Wanted, have: Have, world: World) -> Plan:
    """The plan for a vswitch that is to go."""
    after = Have(have.kind, have.name)
    if have.stored is None:
        return Plan(wanted, NONE, have, after)
    if values_of(have.stored)[PROTECTED]:
        raise FleetError("is protected; set protected to false first", wanted.resource, "state")
    nics = attached_to(have, world)
    refuse_while_in_use(wanted, [nic for nic in nics if nic.running])
    changes = [
        *leftovers(wanted.resource, left_of(have, have.stored, world, False)),
        Change(wanted.resource, STATE, have.facts["state"], GONE, LIVE),
        *_leases(wanted.resource, have, world),
    ]
    idle = sorted({nic.vm for nic in nics})
    warnings = (f"goes, and {', '.join(idle)} cannot start without it",) if idle else ()
    return Plan(wanted, DELETE, have, after, tuple(changes), warnings=warnings)


def _leases(resource: str, have: Have, world: World) -> list[Change]:
    """What DHCP gave to whom, which libvirt forgets with a network."""
    network = networks.look_up(world.host, have.name) if have.live is not None else None
    leases = [] if network is None else networks.leases_of(network)
    given = ", ".join(sorted(f"{lease['mac']} {lease['ipaddr']}" for lease in leases))
    note = "who asks again may get another address"
    return [Change(resource, ("leases",), given, GONE, STORED, note=note)] if given else []
