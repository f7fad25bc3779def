# SPDX-License-Identifier: GPL-3.0-or-later
"""What has a start of the host see that a switch is whole. Decides nothing."""

from __future__ import annotations

from ...host import switch_files, units
from .switch import links_unit
from .switch.seen import Switch


def keep(bridge: str, will: Switch, of_linux: bool) -> None:
    """Have the unit of a switch, where systemd starts the host."""
    to_be = links_unit.files_of(bridge, will, of_linux) if units.are_started() else {}
    switch_files.write_units(to_be, links_unit.of_bridge(switch_files.read_units(), bridge))


def forget(bridge: str) -> None:
    """Have it no more."""
    keep(bridge, Switch(), True)
