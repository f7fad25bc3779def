# SPDX-License-Identifier: GPL-3.0-or-later
"""What has NetworkManager keep a bridge of Linux. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...engine.errors import FleetError
from ...host import network_manager
from ...host.connection import wait_until
from . import applier_unit
from .switch import network_manager_files as files
from .switch.linux_files import of_bridge
from .switch.seen import Switch

ACTIVATE_TIMEOUT_S, LEAVE_TIMEOUT_S = 20, 20.0
NOT_RUNNING, NOT_THERE = 8, 10  # what nmcli ends with (nmcli(1))


def begin(bridge: str, will: Switch, mac: str, resource: str) -> None:
    """Have it know all that is on the bridge; it takes off by itself what goes. The file with the
    note stays as it is: a run that is interrupted here is made once more."""
    are, main = _files(bridge), files.main_of(bridge)
    to_be = {**files.files_of(bridge, will, mac)}
    del to_be[main]
    if main in are:
        to_be[main] = are[main]
    _write(to_be, are, resource)


def keep(bridge: str, will: Switch, mac: str, resource: str, again: Sequence[str]) -> None:
    """Have it know the bridge itself, with the note, and activate what is not active, or has to
    become so `again`."""
    to_be = files.files_of(bridge, will, mac)
    connections = files.connections_in(to_be)
    network_manager.forget_for_now({*connections.values()})
    _write(to_be, _files(bridge), resource)
    for name, number in connections.items():
        # One that is activated may take others along, so each is looked at in its turn.
        now = network_manager.read_network_manager()["connections"]
        if name in again or not now.get(number, ["", ""])[0]:
            wait = ["--wait", str(ACTIVATE_TIMEOUT_S)]
            _told([*wait, "connection", "up", "uuid", number], resource)


def leave_alone(bridge: str, will: Switch, resource: str) -> None:
    """Have it nothing to do with the host ports and the uplinks of a bridge of Open vSwitch, or
    again with what it had before. It takes addresses off what it leaves."""
    are, to_be = _files(bridge), files.files_beside(bridge, will)
    if are != to_be:
        network_manager.write_files(to_be, are)
        _told(["general", "reload", "conf"], resource, (0, *([] if to_be else [NOT_RUNNING])))
    if to_be and not wait_until(lambda: _leaves(will.nics), LEAVE_TIMEOUT_S):
        raise FleetError(
            f"NetworkManager does not leave {', '.join(will.nics)} alone, as {next(iter(to_be))} "
            "says; look for unmanaged-devices in its other settings (NetworkManager "
            "--print-config), and whether nmcli device set NIC managed yes was said",
            resource,
        )


def _leaves(nics: Sequence[str]) -> bool:
    told = network_manager.read_network_manager()
    return not {*nics} & {*told["active"]}


def becoming_active(bridge: str, will: Switch, mac: str) -> list[str]:
    """The connections that are activated, be they active, as they become others."""
    return files.anew(_files(bridge), files.files_of(bridge, will, mac))


def forget(bridge: str, resource: str) -> bool:
    """Take all files away, and with them what they made; whether it had any. The bridge itself is
    the last, of which NetworkManager takes both at once; what others made for the uplinks it
    activates then."""
    are, main = _files(bridge), files.main_of(bridge)
    if not are:
        return False
    its_own = {main: are[main]} if main in are else {}
    _write(its_own, are, resource)
    applier_unit.forget(bridge)
    for number in files.connections_in(its_own).values():
        _told(["connection", "delete", "uuid", number], resource, (0, NOT_THERE))
    _write({}, _files(bridge), resource)
    return True


def _files(bridge: str) -> dict[str, str]:
    return of_bridge(network_manager.read_files(), bridge)


def _write(will: Mapping[str, str], are: Mapping[str, str], resource: str) -> None:
    network_manager.write_files(will, are)
    settings = {name for name in {*are, *will} if name.endswith(files.SETTINGS)}
    if any(are.get(name) != will.get(name) for name in settings):
        _told(["general", "reload", "conf"], resource)
    _told(["connection", "reload"], resource)


def _told(command: Sequence[str], resource: str, good: Sequence[int] = (0,)) -> None:
    done = network_manager.called(["nmcli", *command])
    if done is None:
        raise FleetError("the host has no nmcli", resource)
    if done.returncode not in good:
        why = (done.stderr or done.stdout).strip().split("\n")[0]
        raise FleetError(f"nmcli {' '.join(command)} says: {why}", resource)
