# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of who keeps a switch over the starts of its host. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ....engine.keepers import BY_NETWORK_MANAGER
from ....engine.keys import named
from ....engine.switch_facts import SwitchFacts
from . import network_manager_rules, rules
from .makers import waiting, why_no_addresses, why_no_backend
from .options import BACKEND
from .seen import Switch

if TYPE_CHECKING:
    from .planned import Beneath


def check(beneath: Beneath, now: Switch, will: Switch, new: Iterable[str]) -> None:
    """Who keeps a bridge of Linux, and what that cannot keep."""
    draft, host = beneath.draft, beneath.draft.world.host
    draft.mistakes.extend(rules.of_another_keeper(now, will))
    if will.backend != BY_NETWORK_MANAGER:
        draft.warnings += waiting(SwitchFacts(host).keeper)
        return
    why = why_no_backend(host, will.backend)
    if why:
        draft.mistakes.add(f"cannot be what is declared: {why}", named(BACKEND))
    told = SwitchFacts(host).network_manager
    draft.mistakes.extend(network_manager_rules.check(will, new, told, host.links))
    draft.warnings += network_manager_rules.left_aside(new, told)


def check_addresses(beneath: Beneath, now: Switch, will: Switch) -> None:
    """Who keeps those of host ports on Open vSwitch."""
    draft, host = beneath.draft, beneath.draft.world.host
    draft.mistakes.extend(rules.of_another_keeper(now, will))
    stays = now.backend if now.backend == BY_NETWORK_MANAGER else ""
    why = why_no_addresses(host, str(beneath.declared.get(BACKEND, stays)))
    if why:
        draft.mistakes.add(f"cannot be what is declared: {why}", "host_ports")
    elif will.backend == BY_NETWORK_MANAGER:
        told = SwitchFacts(host).network_manager
        draft.warnings += network_manager_rules.left_aside(will.nics, told)
    else:
        draft.warnings += waiting(SwitchFacts(host).keeper, of_linux=False)
