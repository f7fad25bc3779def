# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes and removes a bridge of Linux with its uplinks: what runs, and the files for the next
start of the host. What is to be done is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from ...engine.errors import FleetError
from ...engine.keepers import NETWORKD
from ...host import linux_bridges
from ...host.connection import wait_until
from . import tree
from .switch import linux_commands, linux_files, linux_names, linux_seen
from .switch.seen import Switch

MAKE_TIMEOUT_S = 5.0
ROUNDS, SETTLE_TIMEOUT_S = 3, 8.0  # for networkd, which sets by and by what it has been told


def wire(bridge: str, will: Switch, resource: str) -> None:
    """Make a bridge what it is to be, from whatever is there."""
    found = linux_bridges.read_linux_bridges()
    links, mac = found["links"], tree.derived_mac(will.owner)
    was = linux_files.stored_in(found["files"]).get(bridge, Switch())
    _run(linux_commands.releasing(links, bridge, was, will), resource)
    # From here on what is stored is what will be: an interrupted run is taken up by that.
    linux_bridges.write_files(
        linux_files.files_of(bridge, will, mac), linux_files.of_bridge(found["files"], bridge)
    )
    is_kept = found["keeper"] == NETWORKD
    if is_kept:
        # It sets back what differs from the files that it knows, so these come first.
        _reload(resource)
        wait_until(lambda: _is_made(bridge, will), MAKE_TIMEOUT_S)
    for _round in range(ROUNDS if is_kept else 1):
        links = linux_bridges.read_linux_bridges()["links"]
        _run(linux_commands.making(links, bridge, will, mac, bool(was.mtu)), resource)
        # What networkd sets back meanwhile is set once more: it has read the files by then.
        if is_kept and wait_until(lambda: not _astray(bridge, will, mac), SETTLE_TIMEOUT_S):
            return
    if is_kept:
        _say_what_differs(bridge, will, mac, resource)


def _is_made(bridge: str, will: Switch) -> bool:
    """Whether networkd has made what it makes; what it has not, iproute2 does."""
    names = {bridge, *([linux_names.bond_of(bridge)] if len(will.nics) > 1 else [])}
    return names <= {*linux_bridges.read_linux_bridges()["links"]}


def _astray(bridge: str, will: Switch, mac: str) -> dict[str, str]:
    """What is not as it is to be."""
    return linux_seen.astray(linux_bridges.read_linux_bridges(), bridge, will, mac)[0]


def _say_what_differs(bridge: str, will: Switch, mac: str, resource: str) -> None:
    found = _astray(bridge, will, mac)
    if found:
        said = ", ".join(f"{of}: {how}" for of, how in found.items())
        raise FleetError(
            f"systemd-networkd does not leave {bridge} as it is to be: {said}; look at "
            "journalctl -u systemd-networkd, and for other files that match these interfaces",
            resource,
        )


def unwire(bridge: str, resource: str) -> None:
    """Take a bridge and its bond away, then its files, that with the note last."""
    found = linux_bridges.read_linux_bridges()
    _run(linux_commands.removing(found["links"], bridge), resource)
    linux_bridges.write_files({}, linux_files.of_bridge(found["files"], bridge))
    if found["keeper"] == NETWORKD:
        _reload(resource)


def _reload(resource: str) -> None:
    _run([["networkctl", "reload"]], resource)


def _run(commands: Iterable[list[str]], resource: str) -> None:
    for command in commands:
        done = linux_bridges.called(command)
        if done is None:
            raise FleetError(f"the host has no {command[0]}", resource)
        if done.returncode:
            why = (done.stderr or done.stdout).strip().split("\n")[0]
            raise FleetError(f"{' '.join(command)} says: {why}", resource)
