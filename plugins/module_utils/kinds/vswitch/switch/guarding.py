# SPDX-License-Identifier: GPL-3.0-or-later
"""Which changes of a switch are set back by the host unless they are confirmed. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....engine.changes import LIVE, Change
from ....engine.errors import FleetError
from ..changes import Guarded
from ..table import OPENVSWITCH, TYPE
from . import at_risk
from .seen import Switch

if TYPE_CHECKING:
    from ..draft import VswitchDraft
    from .planned import Beneath

FIELD = ("checkpoint",)
OPTION = "confirm_timeout_s"


def guarded(beneath: Beneath, will: Switch) -> Iterator[Change]:
    """The checkpoint with which a switch is changed. FleetError where the host cannot keep one, or
    has another that nobody has confirmed."""
    draft, host = beneath.draft, beneath.draft.world.host
    declared = draft.wanted.options[OPTION]
    way_in = host.way_in
    if way_in["unconfirmed"] and not draft.world.verifies:
        raise FleetError(
            f"a change of {way_in['unconfirmed']} is not confirmed yet, or set back; run again "
            "once it is",
            draft.wanted.resource,
            "",
        )
    why = _why(beneath, will, way_in["address"])
    if declared == 0 or not (why or declared):
        return
    if not way_in["systemd"]:
        raise FleetError(
            f"{why or 'what is declared'}, and without systemd the host sets nothing back by "
            "itself; declare 0 to do without",
            draft.wanted.resource,
            OPTION,
        )
    after = f"set back after {declared or at_risk.TIMEOUT_S} s unless confirmed"
    yield Guarded(beneath.resource, FIELD, None, after, LIVE, note=why)


def _why(beneath: Beneath, will: Switch, address: str) -> str:
    now, of_linux = beneath.now or Switch(), beneath.draft.after[TYPE] != OPENVSWITCH
    links = beneath.draft.world.host.links
    return at_risk.why(now, will, (beneath.bridge, of_linux), address, links)


def refuse_to_go(draft: VswitchDraft, was: Switch, bridge: str, of_linux: bool) -> None:
    """A bridge does not go with the host port by which Ansible came."""
    if not was.host_ports:
        return
    host = draft.world.host
    by = at_risk.way_by_port(was, (bridge, of_linux), host.way_in["address"], host.links)
    if by:
        raise FleetError(
            f"cannot go: {by}; move that address to another interface first, or come by another",
            draft.wanted.resource,
            "host_ports",
        )
