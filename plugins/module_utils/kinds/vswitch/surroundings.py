# SPDX-License-Identifier: GPL-3.0-or-later
"""What is around a vswitch: the VMs on it, and what an interrupted run left of it."""

from __future__ import annotations

from collections.abc import Iterable

from ...engine import vlans, xmltree
from ...engine.changes import LIVE, Change
from ...engine.errors import FleetError
from ...engine.host import HostFacts
from ...engine.plan import Have, Wanted
from ...engine.traits import GONE
from ...engine.world import World
from ...engine.xmltree import Element
from . import leftovers as network_leftovers
from .attached import Nic, attached
from .changes import Cleared
from .leftovers import Left
from .table import RUN_BY_LIBVIRT, TYPE
from .tree import values_of

LEFT = ("leftovers",)


def has_bridge(network: Element, name: str, host: HostFacts) -> bool | None:
    """Whether a host has the bridge of a network, be it Open vSwitch's; None where nobody can see.

    A network on a device of the host needs none.
    """
    if not name or (vlans.is_on_open_vswitch(network) and host.has_interface(name)):
        return True
    return host.has_bridge(name)


def left_of(have: Have, network: Element, world: World, thoroughly: bool) -> Left:
    """What an interrupted start or stop left of a network that does not run."""
    if have.live is not None or values_of(network)[TYPE] not in RUN_BY_LIBVIRT:
        return Left()

    def taps() -> set[str]:
        return {nic.target for nic in attached_to(have, world) if nic.target}

    return network_leftovers.find(world.host, network, taps, thoroughly)


def leftovers(resource: str, left: Left) -> list[Change]:
    """The change that ends and removes it."""
    note = "as a start or stop left it that was interrupted; ended, with its firewall rules"
    return [Cleared(resource, LEFT, str(left), GONE, LIVE, note=note)] if left else []


def attached_to(have: Have, world: World) -> list[Nic]:
    """The NICs on a vswitch as it runs, or else as it is stored."""
    tree = have.live if have.live is not None else have.stored
    bridge = None if tree is None else xmltree.get(tree, "bridge/@name")
    return attached(world.everything("vm"), have.name, bridge)


def refuse_while_in_use(wanted: Wanted, running: list[Nic]) -> None:
    """Raise if VMs that run would lose their network."""
    if running and wanted.pruned:
        raise FleetError(
            f"would go by prune while running VMs are attached: {named_nics(running)}; declare "
            "it, and it stays",
            wanted.resource,
        )
    if running:
        raise FleetError(
            f"cannot be {wanted.state} while running VMs are attached: {named_nics(running)}; "
            "shut them down, or move their NICs to another vswitch",
            wanted.resource,
            "state",
        )


def named_nics(nics: Iterable[Nic]) -> str:
    """NICs as a plan names them."""
    return ", ".join(f"{nic.vm} ({nic.mac})" for nic in nics)
