# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan asks of how a machine keeps its switches; each question for itself, since programs
are called for some, and most plans need few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .host import HostFacts


class SwitchFacts:
    """This machine, as far as a plan for a switch asks about it; of another nothing is known."""

    def __init__(self, host: HostFacts) -> None:
        self.host = host

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """Our files of switches, as host/switch_files.py has them."""
        return self._told("switch_files")

    @property
    def starts_units(self) -> bool:
        """Whether it is started by systemd."""
        return bool(self.host.way_in["systemd"])

    @property
    def keeper(self) -> dict[str, Any]:
        """Who keeps the network, as host/network_keeper.py has it."""
        return self._told("network_keeper")

    @property
    def network_manager(self) -> dict[str, Any]:
        """What NetworkManager tells, as host/network_manager.py has it."""
        return self._told("network_manager")

    def _told(self, asked: str) -> dict[str, Any]:
        here = self.host.is_this_machine
        return dict(self.host.facts.ask(asked, unknown={})) if here else {}
