# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes and removes a bridge of Linux with its uplinks: what runs, and the files for the next
start of the host. What is to be done is decided elsewhere."""

from __future__ import annotations

from ...engine.keepers import BY_NETWORK_MANAGER, NETWORKD
from ...host import linux_bridges, network_keeper, switch_files
from ...host.connection import wait_until
from . import applier_network_manager, applier_networkd, applier_unit, tree
from .applier_networkd import settle, told
from .switch import linux_commands, linux_files, linux_names, linux_seen
from .switch.seen import Switch

MAKE_TIMEOUT_S = 5.0


def wire(bridge: str, will: Switch, resource: str) -> None:
    """Make a bridge what it is to be, from whatever is there."""
    was = linux_seen.stored_in(switch_files.read_switch_files()).get(bridge, Switch())
    mac = tree.derived_mac(will.owner, linux_bridges.read_linux_bridges()["host"])
    applier_unit.keep(bridge, will, True)
    by = _by_network_manager if will.backend == BY_NETWORK_MANAGER else _by_networkd
    is_kept = by(bridge, (was, will), mac, resource)

    def making() -> None:
        now = linux_bridges.read_linux_bridges()
        of = bridge, will, mac, bool(was.mtu), now["vlans"]
        told(linux_commands.making(now["links"], *of), resource)
        applier_networkd.address(bridge, was, will, resource, is_kept)

    if not is_kept:
        making()
        return
    settle(making, lambda: applier_networkd.astray(bridge, will, mac), bridge, resource, will)


def _by_networkd(bridge: str, of: tuple[Switch, Switch], mac: str, resource: str) -> bool:
    """Have networkd know it, and whether that has."""
    was, will = of
    links = linux_bridges.read_linux_bridges()["links"]
    told(linux_commands.releasing(links, bridge, was, will), resource)
    applier_networkd.release(bridge, was, will, resource)
    # From here on what is stored is what will be: an interrupted run is taken up by that.
    are = linux_files.of_bridge(switch_files.read_files(), bridge)
    switch_files.write_files(linux_files.files_of(bridge, will, mac), are)
    if network_keeper.read_keeper() != NETWORKD:
        return False
    # It sets back what differs from the files that it knows, so these come first.
    applier_networkd.reload(resource)
    wait_until(lambda: _is_made(bridge, will), MAKE_TIMEOUT_S)
    return True


def _by_network_manager(bridge: str, of: tuple[Switch, Switch], mac: str, resource: str) -> bool:
    """Have NetworkManager know it, which makes again what it knows and is taken away: so it knows
    first what will be."""
    was, will = of
    again = applier_network_manager.becoming_active(bridge, will, mac)
    applier_network_manager.begin(bridge, will, mac, resource)
    links = linux_bridges.read_linux_bridges()["links"]
    told(linux_commands.releasing(links, bridge, was, will), resource, tries=True)
    applier_networkd.release(bridge, was, will, resource)
    applier_network_manager.keep(bridge, will, mac, resource, again)
    applier_networkd.clear(bridge, was, will, resource)
    return True


def _is_made(bridge: str, will: Switch) -> bool:
    """Whether networkd has made what it makes; what it has not, iproute2 does."""
    names = {bridge, *([linux_names.bond_of(bridge)] if len(will.nics) > 1 else [])}
    names |= {linux_names.tunnel_of(bridge)} if will.overlay else set()
    return names <= {*linux_bridges.read_linux_bridges()["links"]}


def unwire(bridge: str, resource: str) -> None:
    """Take a bridge and its bond away, then its files, that with the note last. NetworkManager is
    told first: it would make again what is taken from it."""
    was_its = applier_network_manager.forget(bridge, resource)
    links = linux_bridges.read_linux_bridges()["links"]
    told(linux_commands.removing(links, bridge), resource, tries=was_its)
    applier_unit.forget(bridge)
    are = linux_files.of_bridge(switch_files.read_files(), bridge)
    switch_files.write_files({}, are)
    if are and network_keeper.read_keeper() == NETWORKD:
        applier_networkd.reload(resource)
