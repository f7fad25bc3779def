# SPDX-License-Identifier: GPL-3.0-or-later
"""Which volumes of seeds go, which wait and which stay: those that a note of the VM names, and only
those. What a clone has by a copied note is another VM's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ....engine import xmltree
from ....engine.changes import Change, Kept, Lost
from ....engine.codecs import Value
from ....engine.errors import Mistakes
from ....engine.keys import UNION, Key
from ....engine.plan import Have
from ....engine.xmltree import Element
from ...storage_volume.design import check_pool
from ...storage_volume.volumes import HALF_MADE, UNSEEN, pool_of
from ..seeded import CLOUD_INIT, DRIVE, FORMER, VOLUME, volume_field
from ..snapshots import has_disk, snapshots_with
from .note import Note, copied_note_of, note_of, put

if TYPE_CHECKING:
    from ..draft import VmDraft

SOURCE: Key = (*DRIVE, UNION)


@dataclass
class Planned:
    """The seed of one VM as a plan has it."""

    salt: str
    had: Note | None
    note: Note | None = None
    makes: str = ""  # why a volume is made; empty where none is
    goes: list[str] = field(default_factory=list)  # the volumes, POOL/NAME, that are removed
    kept: dict[str, str] = field(default_factory=dict)  # those that have to stay, and why
    waits: dict[str, str] = field(default_factory=dict)  # those that go later, and after what
    # What is known of its instance-ids, also where it has no seed.
    before: Note = field(default_factory=lambda: Note({}))
    is_new_id: bool = False  # whether an instance-id is made that it never had
    again: str = ""  # the instance-id that a guest may have run with before there was a note

    def put(self, tree: Element) -> None:
        """Note it in a definition."""
        put(tree, self.note)


def set_former(draft: VmDraft, want: dict[Key, Value], plan: Planned) -> None:
    """Of the volumes that were the seed, those that go, and those that wait until nobody needs
    them: they are noted, and go by a later run."""
    had = plan.had or Note({})
    replaced = [had.volume] if had.volume and had.volume != want[VOLUME] else []
    for name in dict.fromkeys([*had.former, *replaced]):
        volume = draft.world.was("storage_volume", name)
        why = _why_waits(draft, name, volume, name in had.former)
        if why:
            plan.waits[name] = why
        elif no_pool := _no_pool(draft, name):
            plan.kept[name] = no_pool
        elif _is_to_go(draft, name, volume, draft.mistakes):
            plan.goes.append(name)
    want[FORMER] = [*plan.waits]


def _why_waits(draft: VmDraft, name: str, volume: Have, is_former: bool) -> str:
    """Why a volume cannot go yet, and the next run looks again; empty where it can."""
    if _runs_with(draft, volume):
        return "what runs has it"
    if is_former and _is_asleep(draft, name):
        return f"pool {pool_of(name)} is not active"
    own = _snapshots_with(draft, draft.wanted.name, volume)
    if len(own) == 1:
        return f"snapshot {own[0]} has it, and it stays until that is gone"
    if own:
        return f"snapshots {', '.join(own)} have it, and it stays until those are gone"
    return _used_too(draft, volume)


def waits_for(plan: Planned, names: Value) -> str:
    """Why the volumes that are noted as former stay; by name where there are several."""
    told = [(name, plan.waits.get(name, "")) for name in names]
    return told[0][1] if len(told) == 1 else "; ".join(f"{name}: {why}" for name, why in told)


def _runs_with(draft: VmDraft, volume: Have) -> bool:
    """Whether what runs has it in the drive, and will have it when the run is done."""
    runs, path = draft.live, _path_of(volume)
    has = runs is not None and bool(path) and runs.get(SOURCE) == {"file": path}
    return has and draft.changes_wait


def _used_too(draft: VmDraft, volume: Have) -> str:
    others = users_of(draft, volume) if volume.exists else []
    return f"{', '.join(others)} uses it too" if others else ""


def _no_pool(draft: VmDraft, name: str) -> str:
    """Why a volume stays for good; empty where its pool is there."""
    if any(pool.exists for pool in _pools(draft, name)):
        return ""
    return f"there is no pool {pool_of(name)} by which it could be removed"


def _is_to_go(draft: VmDraft, name: str, volume: Have, mistakes: Mistakes) -> bool:
    """Whether a volume is there to be removed. What is in the way of that is a mistake."""
    asleep = _is_asleep(draft, name)
    is_there = volume.exists or volume.facts.get(HALF_MADE) or (asleep and volume.facts.get(UNSEEN))
    if is_there and asleep:
        found = Mistakes(draft.wanted.resource)
        check_pool(_pools(draft, name)[1], draft.world, found, draft.warnings)
        for error in found.errors:
            mistakes.add(f"{name} is to go, and {error.message}", CLOUD_INIT)
    return bool(is_there)


def _is_asleep(draft: VmDraft, name: str) -> bool:
    """Whether the pool of a volume is there, and not active while the plan is carried out."""
    pools = _pools(draft, name)
    return any(one.exists for one in pools) and all(one.live is None for one in pools)


def _pools(draft: VmDraft, name: str) -> tuple[Have, Have]:
    """The pool of a volume, as it is and as it will be: it is started first, and stopped last."""
    world, pool = draft.world, pool_of(name)
    return world.was("storage_pool", pool), world.will_be("storage_pool", pool)


def users_of(draft: VmDraft, volume: Have) -> list[str]:
    """The other VMs that have a volume as a medium, clones of this one, or go back to it with one
    of their snapshots."""
    path = _path_of(volume)
    found = []
    for name, have in (draft.world.everything("vm") if path else {}).items():
        if name == draft.wanted.name:
            continue
        if any(has_disk(tree, path) for tree in (have.stored, have.live) if tree is not None):
            found.append(name)
        else:
            snapshots = _snapshots_with(draft, name, volume)
            found += [f"{name} (snapshot {', '.join(snapshots)})"] if snapshots else []
    return sorted(found)


def _snapshots_with(draft: VmDraft, vm: str, volume: Have) -> list[str]:
    """The snapshots of a VM that have a volume as a medium: who goes back to them needs it."""
    path = _path_of(volume)
    return snapshots_with(draft.world.host, vm, path) if path else []


def _path_of(volume: Have) -> str:
    return (xmltree.get(volume.stored, "target/path") or "") if volume.stored is not None else ""


# ---- of another VM


def of_another(draft: VmDraft) -> Mapping[str, str]:
    """The seed that a clone has in its drive by the note that it was copied with; why it stays.

    It never goes with the clone: where its VM is not on this host, it may be on another that has
    the same storage.
    """
    found = copied_note_of(draft.have.stored)
    if found is None or not found[1].volume:
        return {}
    uuid, name = found[0], found[1].volume
    volume = draft.world.was("storage_volume", name)
    path = _path_of(volume)
    if not path or draft.stored.get(SOURCE) != {"file": path}:
        return {}
    every = draft.world.everything("vm").items()
    owner = next((vm for vm, have in every if _uuid_of(have) == uuid), "")
    if owner:
        return {name: f"it was made as the seed of {owner}"}
    used = _used_too(draft, volume)
    none = "it was made as the seed of a VM that is not on this host, and no run removes it"
    return {name: used or none}


def _uuid_of(have: Have) -> str | None:
    return xmltree.get(have.definition, "uuid") if have.exists else None


# ---- as the plan says it


def beside(resource: str, plan: Planned) -> Iterator[Change]:
    """The volumes that go, and those that have to stay."""
    for name in plan.goes:
        yield Lost(resource, volume_field(name), name, note="the seed that it was")
    for name, why in plan.kept.items():
        yield Kept(resource, volume_field(name), name, note=why)


def goes_with(draft: VmDraft) -> Iterator[Change]:
    """Of a VM that goes: its seed, which is of no use to anybody, and what it was before."""
    note, resource = note_of(draft.have.stored), draft.wanted.resource
    for name in filter(None, [*note.former, note.volume] if note is not None else []):
        volume = draft.world.was("storage_volume", name)
        why_kept = _used_too(draft, volume) or _no_pool(draft, name)
        if why_kept:
            yield Kept(resource, volume_field(name), name, note=why_kept)
        elif _is_to_go(draft, name, volume, draft.mistakes):
            yield Lost(resource, volume_field(name), name, note="its seed goes with it")
    for name, why in of_another(draft).items():
        yield Kept(resource, volume_field(name), name, note=why)
    draft.mistakes.raise_any()
