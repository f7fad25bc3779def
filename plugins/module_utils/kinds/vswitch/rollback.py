# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets switches back as they were when nobody has confirmed a change. A program of its own, which a
host runs without Ansible; what it does is what a run does that declares the former state."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ...engine.errors import FleetError
from ...engine.keepers import BY_NETWORK_MANAGER
from ...host import checkpoint, linux_bridges
from ...host.connection import wait_until
from ...host.links import read_links
from ...host.open_vswitch import read_open_vswitch, transact
from . import applier_linux, applier_networkd
from .switch import commands_back
from .switch.seen import Switch, of_facts

RETURN_TIMEOUT_S = 8.0  # for whoever keeps it, to give an uplink its addresses again


def main() -> None:
    """`check` that all is there, or `restore` what is pending."""
    if sys.argv[1:] == ["restore"]:
        raise SystemExit(restore())


def restore() -> int:
    """Set back what is pending; whether something failed."""
    with checkpoint.locked():
        found = checkpoint.pending()
        if found is None:
            return 0
        checkpoint.end_of(found["process"])
        errors = [error for one in reversed(found["saved"]) for error in _restored(one)]
        if not errors:
            checkpoint.rolled_back(found, errors)
    for error in errors:
        sys.stderr.write(f"{error}\n")  # into the journal
    if not errors:
        checkpoint.disarm()
    return len(errors)


def _restored(saved: Mapping[str, Any]) -> list[str]:
    errors = []
    for step in (_switch, _uplinks):
        try:
            step(saved)
        except (FleetError, OSError) as error:
            errors.append(f"{saved['bridge']}: {error}")
    return errors


def _switch(saved: Mapping[str, Any]) -> None:
    bridge = saved["bridge"]
    was = None if saved["was"] is None else of_facts(saved["was"])
    if not saved["of_linux"]:
        transact(commands_back.leading_back(read_open_vswitch(), saved), bridge)
        applier_networkd.told(commands_back.mtus(saved, read_links()), bridge)
        will = of_facts(saved["will"]) or Switch()
        applier_networkd.keep_beside(bridge, will, was or Switch(), bridge)
    elif was is None or not was.owner:
        applier_linux.unwire(bridge, bridge)
    else:
        applier_linux.wire(bridge, was, bridge)


def _uplinks(saved: Mapping[str, Any]) -> None:
    """The addresses of uplinks: their keeper sets them by its files, or else they are set here."""
    uplinks = saved["uplinks"]
    if not uplinks:
        return
    if wait_until(lambda: not _missing(uplinks), RETURN_TIMEOUT_S):
        return
    by_network_manager = saved["will"].get("backend") == BY_NETWORK_MANAGER
    how = ["nmcli", "device", "connect"] if by_network_manager else ["networkctl", "reconfigure"]
    for nic in uplinks:
        linux_bridges.called([*how, nic])
    if not wait_until(lambda: not _missing(uplinks), RETURN_TIMEOUT_S):
        applier_networkd.told(commands_back.addresses(uplinks), saved["bridge"])


def _missing(uplinks: Mapping[str, Any]) -> list[str]:
    return commands_back.missing(uplinks, read_links())
