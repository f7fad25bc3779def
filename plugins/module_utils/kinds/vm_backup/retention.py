# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups go. A chain, a whole backup with all that stand on it, goes as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .case import Case
from .manifest import Backup, above, why_not_whole

DAY_MS = 86_400_000


class Chain(NamedTuple):
    """A whole backup, and all that stand on it."""

    root: str
    members: tuple[Backup, ...]  # the oldest first

    @property
    def newest(self) -> int:
        """When the last of them was made."""
        return self.members[-1].made


def chains_of(own: Iterable[Backup], by_id: Mapping[str, Backup]) -> list[Chain]:
    """The chains, the one that was added to last first."""
    found: dict[str, list[Backup]] = {}
    for one in own:
        root = [one, *above(one, by_id)][-1]
        found.setdefault(root.parent or root.id, []).append(one)
    chains = [Chain(root, tuple(members)) for root, members in found.items()]
    return sorted(chains, key=lambda chain: chain.newest, reverse=True)


class Going(NamedTuple):
    """A backup that goes, and why."""

    backup: Backup
    why: str


def going(case: Case, parent: str, makes: bool) -> list[Going]:
    """What goes once the backup that is to be made is whole, in the order in which it can.

    `parent` is the one that it will stand on; none where it begins a chain.
    """
    wanted = case.wanted
    if not (wanted.keep or wanted.keep_days):
        return []
    chains = chains_of(case.own, case.by_id)
    grows = next((one for one in chains if parent in {b.id for b in one.members}), None)
    stays = 1 if makes or chains else 0  # of those that are kept: the last one in any case
    found: list[Going] = []
    others = [one for one in chains if one is not grows] if makes else chains[1:]
    for chain in others:
        if _is_kept(case, chain):
            continue
        why = _why_it_goes(case, chain, stays)
        if not why:
            stays += 1
        found += [Going(one, why) for one in reversed(chain.members) if why]
    return found


def _is_kept(case: Case, chain: Chain) -> bool:
    """What a user named, what is broken and what has files of others stays, and counts for none.

    So does what libvirt has a checkpoint of, which it removes only while the VM runs.
    """
    return any(
        one.named
        or case.kept.others.get(one.id)
        or why_not_whole(one, case.by_id)
        or (one.checkpoint in case.checkpoints and not case.runs)
        for one in chain.members
    )


def _why_it_goes(case: Case, chain: Chain, stays: int) -> str:
    wanted = case.wanted
    days = (case.facts.now - chain.newest) // DAY_MS
    if wanted.keep and stays < wanted.keep:
        return ""
    if wanted.keep_days and days < wanted.keep_days:
        return ""
    reasons = []
    if wanted.keep:
        reasons.append(f"{wanted.keep} chains are kept (keep)")
    if wanted.keep_days:
        reasons.append(f"its chain ends {days} days ago (keep_days: {wanted.keep_days})")
    return " and ".join(reasons)


def standing_on(backup: Backup, own: Iterable[Backup]) -> list[str]:
    """The backups that would be of no use without one."""
    return [one.id for one in own if one.parent == backup.id]
