# SPDX-License-Identifier: GPL-3.0-or-later
"""What has systemd-networkd keep a switch, and waits until it does. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ...engine.errors import FleetError
from ...engine.keepers import BY_NETWORK_MANAGER, NETWORKD, SERVICES
from ...host import linux_bridges, network_keeper, network_manager, switch_files, units
from ...host.connection import wait_until
from ...host.links import read_links
from . import applier_network_manager, applier_unit
from .switch import host_port_commands, host_port_seen, linux_files, linux_seen
from .switch.seen import Switch

ROUNDS, SETTLE_TIMEOUT_S = 3, 8.0  # for networkd, which sets by and by what it has been told


def settle(
    making: Callable[[], None],
    astray: Callable[[], Mapping[str, str]],
    bridge: str,
    resource: str,
    will: Switch,
) -> None:
    """Make it, and once more what its keeper sets back meanwhile, until all is as it is to be."""
    for _round in range(ROUNDS):
        making()
        if wait_until(lambda: not astray(), SETTLE_TIMEOUT_S):
            return
    found = astray()
    if found:
        said = ", ".join(f"{of}: {how}" for of, how in found.items())
        keeper = SERVICES[will.backend or NETWORKD]
        raise FleetError(
            f"{keeper} does not leave {bridge} as it is to be: {said}; look at "
            f"journalctl -u {keeper}, and for what else is kept of these interfaces",
            resource,
        )


def reload(resource: str) -> None:
    """Have networkd read its files, and follow those that are others."""
    told([["networkctl", "reload"]], resource)


def told(commands: Iterable[list[str]], resource: str, tries: bool = False) -> None:
    """Call programs. FleetError for one that fails, unless it is only tried: what networkd does in
    the same moment is done."""
    for command in commands:
        done = linux_bridges.called(command)
        if done is None:
            raise FleetError(f"the host has no {command[0]}", resource)
        if done.returncode and not tries:
            why = (done.stderr or done.stdout).strip().split("\n")[0]
            raise FleetError(f"{' '.join(command)} says: {why}", resource)


# ---- host ports on Open vSwitch


def keep_beside(bridge: str, was: Switch, will: Switch, resource: str) -> None:
    """Have the addresses of host ports on a bridge of Open vSwitch kept, and a start of the host
    see that it is whole."""
    applier_unit.keep(bridge, will, False)
    applier_network_manager.leave_alone(bridge, will, resource)
    are = linux_files.of_bridge(switch_files.read_files(), bridge)
    files = linux_files.files_beside(bridge, will)
    if are or files:
        switch_files.write_files(files, are)
    if not (was.host_ports or will.host_ports):
        return
    by_network_manager = BY_NETWORK_MANAGER in (was.backend, will.backend)
    is_kept = by_network_manager or network_keeper.read_keeper() == NETWORKD

    def addresses() -> None:
        raised = [["ip", "link", "set", nic, "up"] for nic in will.nics]
        told(raised if by_network_manager else [], resource, tries=True)
        told(
            host_port_commands.addressing(read_links(), bridge, was, will, False), resource, is_kept
        )

    if not is_kept:
        addresses()
        return
    if not by_network_manager:
        reload(resource)
    settle(addresses, lambda: _astray_beside(bridge, will), bridge, resource, will)


def _astray_beside(bridge: str, will: Switch) -> dict[str, str]:
    links = read_links()
    found = {of: was for of, was, _will in host_port_seen.astray(links, bridge, will, False)}
    if will.backend == BY_NETWORK_MANAGER:  # which sets down what it leaves
        found.update((nic, "down") for nic in will.nics if not links.get(nic, {"up": True})["up"])
    return found


def forget_beside(bridge: str, resource: str) -> None:
    """Take the files of a bridge of Open vSwitch away, if it has any."""
    keep_beside(bridge, Switch(), Switch(), resource)


# ---- host ports on a bridge of Linux


def release(bridge: str, was: Switch, will: Switch, resource: str) -> None:
    """Take away VLANs that go, or become others."""
    if was.host_ports:
        told(host_port_commands.releasing(read_links(), bridge, was, will), resource, tries=True)


def clear(bridge: str, was: Switch, will: Switch, resource: str) -> None:
    """Take away what NetworkManager leaves of host ports that become others."""
    if was.host_ports or will.host_ports:
        told(host_port_commands.clearing(read_links(), bridge, was, will), resource, tries=True)


def address(bridge: str, was: Switch, will: Switch, resource: str, is_kept: bool) -> None:
    """Make the VLANs of host ports, and give them their addresses."""
    if not (was.host_ports or will.host_ports):
        return
    told(host_port_commands.making(read_links(), bridge, will), resource, is_kept)
    told(host_port_commands.addressing(read_links(), bridge, was, will, True), resource, is_kept)


def astray(bridge: str, will: Switch, mac: str) -> dict[str, str]:
    """What of a bridge of Linux is not as it is to be."""
    by_it = will.backend == BY_NETWORK_MANAGER
    seen = {
        **linux_bridges.read_linux_bridges(),
        "starts": units.are_started(),
        "files": switch_files.read_switch_files(),
        "network_manager": network_manager.read_network_manager() if by_it else {},
    }
    found = linux_seen.astray(seen, bridge, will, mac)[0]
    if will.host_ports:
        ports = host_port_seen.astray(read_links(), bridge, will, True)
        found.update((of, was) for of, was, _will in ports)
    return found
