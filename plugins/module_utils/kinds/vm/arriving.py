# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a guest that is waited for has come to what is awaited, and what is said if not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .awaited import ADDRESS, AGENT, SSH
from .reaching import address_of
from .states import RUNNING

CONNECTED = "connected"  # an agent that answered


@dataclass(frozen=True)
class Seen:
    """A VM as it was looked at."""

    state: str
    agent: str = ""
    addresses: Sequence[Mapping[str, Any]] = ()  # as kvm.fleet.vm_info tells them
    tries: Mapping[str, str] = field(default_factory=dict)  # by address why no sshd was there


@dataclass(frozen=True)
class Reached:
    """What was waited for is there."""

    address: str | None


def reached(what: str, seen: Seen, sources: Sequence[str]) -> Reached | None:
    """Whether a VM has what is awaited, and by which address it is reached."""
    usable = [entry for entry in seen.addresses if _is_proven(entry, what)]
    if what == SSH:
        answered = [e for e in usable if seen.tries.get(e["address"]) == ""]
        address = address_of(answered, (), sources)
    else:
        address = address_of(usable, (), sources)
    if what == AGENT:
        return Reached(address) if seen.agent == CONNECTED else None
    return Reached(address) if address is not None else None


def _is_proven(entry: Mapping[str, Any], what: str) -> bool:
    """Whether a guest has an address, and it is not only kept for it. Who answers there has it."""
    return what == SSH or any(source != "declared" for source in entry["sources"])


def given_up(what: str, seen: Seen, after_s: float) -> str:
    """What is said of a VM that did not come to it in time."""
    if seen.state != RUNNING:
        return (
            f"is made, and was to run; while {what} was waited for it became {seen.state}; see "
            "what its guest did, by its console or QEMU's log"
        )
    return (
        f"is made and runs, but {_called(what)} within {after_s:g} s; seen: "
        f"{'; '.join(_seen(seen))}; look at its console, or wait longer (wait_timeout_s)"
    )


def _called(what: str) -> str:
    said = {ADDRESS: "got no address", AGENT: "its guest agent did not answer"}
    return said.get(what, "its sshd did not answer")


def _seen(seen: Seen) -> Iterable[str]:
    agents = {
        "none": "it has no channel for a guest agent",
        "disconnected": "nobody in the guest opened the channel of the agent",
        "unresponsive": "the guest agent does not answer",
        CONNECTED: "the guest agent answers",
    }
    yield agents.get(seen.agent, seen.agent)
    yield (
        "no addresses"
        if not seen.addresses
        else "addresses "
        + ", ".join(
            f"{entry['address']} ({' and '.join(entry['sources'])})" for entry in seen.addresses
        )
    )
    yield from (f"{address} port 22: {why}" for address, why in seen.tries.items() if why)
