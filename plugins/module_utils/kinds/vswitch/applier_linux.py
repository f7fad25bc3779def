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
from .switch import linux_commands, linux_files, linux_seen
from .switch.seen import Switch

SETTLE_TIMEOUT_S = 20.0  # for networkd, which sets by and by what it has been told


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
    _run(linux_commands.making(links, bridge, will, mac, bool(was.mtu)), resource)
    if found["keeper"] == NETWORKD:
        _reload(resource)
        _settle(bridge, will, mac, resource)


def _settle(bridge: str, will: Switch, mac: str, resource: str) -> None:
    """Wait until networkd has taken up the files. It sets the same, and must not be met midway."""

    def is_settled() -> bool:
        before, _after = linux_seen.astray(linux_bridges.read_linux_bridges(), bridge, will, mac)
        return not before

    if not wait_until(is_settled, SETTLE_TIMEOUT_S, 0.2):
        found = linux_seen.astray(linux_bridges.read_linux_bridges(), bridge, will, mac)[0]
        said = ", ".join(f"{of}: {how}" for of, how in found.items())
        raise FleetError(
            f"systemd-networkd does not make {bridge} what it is to be: {said}; look at "
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
