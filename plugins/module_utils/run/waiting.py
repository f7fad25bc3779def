# SPDX-License-Identifier: GPL-3.0-or-later
"""After all is applied: waits until the guests that are to run have what was asked for.

All of them at once, each for its own time. What is not there in time fails its VM, which is made.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..engine import xmltree
from ..engine.errors import FleetError
from ..engine.plan import Have, Plan
from ..host.connection import Host
from ..kinds.vm import reader_addresses
from ..kinds.vm.arriving import Seen, given_up, reached
from ..kinds.vm.awaited import SSH, awaited_by, begins
from ..kinds.vm.reader import read_domains
from ..kinds.vm.reader_addresses import LEASE, Found, addresses_of
from ..kinds.vm.reserved import DECLARED, Reserved, declared_of, reserved_in
from ..kinds.vm.states import CRASHED, SAVED, STOPPED
from ..kinds.vswitch.reader import leases_of
from .done import Run

LOOK_AGAIN_S = 1.0
SSH_PORT, SSH_TIMEOUT_S, SSH_AT_ONCE = 22, 3.0, 16
SOURCES = (*reader_addresses.SOURCES, DECLARED)
ENDED = (STOPPED, CRASHED, SAVED, "absent")

Leases = Mapping[tuple[str, str], Any]  # by MAC and address when each ends


@contextmanager
def waiting(host: Host | None, run: Run) -> Iterator[None]:
    """Wait when what is in here is done; without a host only say what would be waited for."""
    plans = [plan for plan in run.plans if awaited_by(plan)]
    for plan in plans:
        asked = {"for": awaited_by(plan), "timeout_s": plan.wanted.options["wait_timeout_s"]}
        run.waits[plan.resource] = asked
    if host is None or not plans:
        yield
        return
    before = _leases(host) if any(begins(plan) for plan in plans) else {}
    yield
    left = [plan for plan in plans if plan.resource not in run.failed]
    if left:
        try:
            with host.errors("", "tell what its guests do"):
                _Waiting(host, run, before).wait(left)
        except FleetError as error:
            for plan in left:
                run.failed.setdefault(plan.resource, error.within(plan.resource))


class _Waiting:
    """One wait for all VMs of a run."""

    def __init__(self, host: Host, run: Run, before: Leases) -> None:
        self.host = host
        self.run = run
        self.before = before
        self.reserved = _reserved(host)
        self.began = time.monotonic()

    def wait(self, plans: Sequence[Plan]) -> None:
        left = list(plans)
        while left:
            looked = self._look(left)
            left = [plan for plan in left if not self._is_settled(plan, looked[plan.wanted.name])]
            if left:
                time.sleep(LOOK_AGAIN_S)

    def _is_settled(self, plan: Plan, seen: Seen) -> bool:
        """Whether nothing more is waited for: it is there, or does not come."""
        what, waited_s = awaited_by(plan), time.monotonic() - self.began
        there = reached(what, seen, SOURCES)
        timeout_s = plan.wanted.options["wait_timeout_s"]
        if there is None and seen.state not in ENDED and waited_s < timeout_s:
            return False
        self.run.waits[plan.resource].update(
            address=there.address if there else None,
            addresses=[dict(entry) for entry in seen.addresses],
            guest_agent=seen.agent,
            waited_s=round(waited_s, 1),
        )
        if there is None:
            said = given_up(what, seen, timeout_s)
            self.run.failed[plan.resource] = FleetError(said, plan.resource, "wait_for")
        return True

    def _look(self, plans: Sequence[Plan]) -> dict[str, Seen]:
        """Each VM as it is now."""
        haves = read_domains(self.host, [plan.wanted.name for plan in plans])
        running = [have for have in haves.values() if have.exists]
        found = reader_addresses.find(self.host, running, reader_addresses.SOURCES)
        now = _leases(self.host) if self.before else {}
        seen = {}
        for plan in plans:
            have = haves[plan.wanted.name]
            if not have.exists:
                seen[have.name] = Seen("absent")
                continue
            told = self._addresses(have, found[have.name], now if begins(plan) else {})
            seen[have.name] = Seen(have.facts["state"], found[have.name].agent, told)
        asked = [seen[plan.wanted.name] for plan in plans if awaited_by(plan) == SSH]
        tries = _tried({entry["address"] for one in asked for entry in one.addresses})
        return {name: _with(one, tries) for name, one in seen.items()}

    def _addresses(self, have: Have, found: Found, now: Leases) -> list[dict[str, Any]]:
        """All addresses of a VM, but for leases of an earlier start that are still remembered."""
        answers = dict(found.answers)
        answers[LEASE] = [
            lease for lease in answers.get(LEASE, ()) if not self._is_old(lease[:2], now)
        ]
        answers[DECLARED] = declared_of(have, self.reserved)
        return addresses_of(have, answers)

    def _is_old(self, lease: tuple[str, str], now: Leases) -> bool:
        """Whether nothing was asked for since before the guest began. What lasts has no end."""
        ends = now.get(lease)
        return bool(ends) and self.before.get(lease) == ends


def _with(seen: Seen, tries: Mapping[str, str]) -> Seen:
    own = [entry["address"] for entry in seen.addresses if entry["address"] in tries]
    return Seen(seen.state, seen.agent, seen.addresses, {one: tries[one] for one in own})


def _leases(host: Host) -> Leases:
    return {
        (lease["mac"], lease["ipaddr"]): lease["expirytime"]
        for network in _networks(host)
        for lease in leases_of(network)
    }


def _reserved(host: Host) -> dict[str, list[Reserved]]:
    networks = _networks(host)
    return {net.name(): reserved_in(xmltree.parse(net.XMLDesc(0))) for net in networks}


def _networks(host: Host) -> list[Any]:
    return [net for net in host.conn.listAllNetworks() if net.isActive()]


# ---- ssh


def _tried(addresses: set[str]) -> dict[str, str]:
    """By address why no sshd is there; nothing of one where there is."""
    if not addresses:
        return {}
    in_order = sorted(addresses)
    with ThreadPoolExecutor(SSH_AT_ONCE) as pool:
        return dict(zip(in_order, pool.map(why_no_sshd, in_order)))


def why_no_sshd(address: str, port: int = SSH_PORT) -> str:
    """Why no sshd answers there, as seen from this machine; empty if one does."""
    try:
        with socket.create_connection((address, port), SSH_TIMEOUT_S) as connection:
            said = connection.recv(4)
    except OSError as error:
        return error.strerror or str(error)
    return "" if said.startswith(b"SSH-") else "what answers there is no sshd"
