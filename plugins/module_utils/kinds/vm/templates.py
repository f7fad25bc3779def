# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates: VMs that are never started and never written to, so that others can stand on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...engine.errors import FleetError
from ...engine.keys import ABSENT, Key, named
from ...engine.plan import Have
from ...engine.traits import AUTOSTART, STATE
from ...engine.world import World
from ..storage_volume.volumes import KIND as VOLUME
from ..storage_volume.volumes import backing_of
from ..together.references import uses_of
from .said import ONLY_SAID
from .seeded import CLOUD_INIT
from .states import STOPPED
from .table import TEMPLATE, device_of

if TYPE_CHECKING:
    from .draft import VmDraft

WAY_OUT = "set template: false first"


def check(draft: VmDraft) -> None:
    """What a template is not, and what of one does not change. Mistakes are the draft's."""
    state, mistakes = draft.will[STATE], draft.mistakes
    if state != STOPPED:
        mistakes.add(
            f"a template is never started, and this VM would be {state}; declare state: stopped, "
            "or template: false",
            named(STATE),
        )
    if draft.will[AUTOSTART]:
        mistakes.add("a template never starts with its host; set autostart: false", "autostart")
    if draft.stored.get(TEMPLATE):
        for field in dict.fromkeys(named(key) for key in _changed(draft)):
            mistakes.add(f"is a template's, of which nothing changes; {WAY_OUT}", field)


def _changed(draft: VmDraft) -> Iterator[Key]:
    """What would be another: devices as a whole, and what is no word about it."""
    before, after = draft.stored, draft.after
    for key in {**before, **after}:
        if before.get(key) != after.get(key) and key[0] not in ONLY_SAID and key != TEMPLATE:
            yield key[:1] if key[0] == CLOUD_INIT else key if len(key) < 3 else device_of(key)


# ---- what stands on one


def used_by(draft: VmDraft) -> None:
    """A template does not go as long as there is a linked clone of a disk that stays."""
    clones = [name for name in clones_of(draft.have, draft.world) if not _goes(name, draft.world)]
    if clones:
        raise FleetError(
            f"is a template, and linked clones stand on its disks: {', '.join(clones)}; remove "
            "them first",
            draft.wanted.resource,
            "state",
        )


def clones_of(template: Have, world: World) -> list[str]:
    """The volumes that stand on the disks of a VM, as POOL/NAME."""
    paths = {name for kind, name in uses_of(template) if kind == "path"}
    volumes = world.everything(VOLUME).items()
    return sorted(name for name, have in volumes if backing_of(have) in paths)


def _goes(volume: str, world: World) -> bool:
    declared = world.declared.get((VOLUME, volume))
    return declared is not None and declared.state == ABSENT
