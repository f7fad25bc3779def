# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disk of a VM a declaration means by its source, where snapshots and others moved it.

A snapshot puts an overlay over a disk's image, from then on the VM writes into that. The image that
was declared is below it, and to plan the disk back onto it would lose what was written since.
So a disk whose chain holds the declared image is as declared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from ...engine import xmltree
from ...engine.changes import Change
from ...engine.codecs import Value
from ...engine.errors import FleetError, Mistakes
from ...engine.fields import items_of
from ...engine.keys import ABSENT, PRESENT, Key, Values, named, within
from ...engine.plan import Have
from ...engine.world import World
from ...engine.xmltree import Element
from ..images.chains import Chains, Layer, image_of
from ..images.servers import name_of
from . import declared, moved, snapshots
from .disk_sources import is_one_image
from .snapshots import Snapshot
from .table import CDROMS, DISKS, device_of, option_of

ROWS = {row.name: row for row in (DISKS, CDROMS)}
Source = Mapping[str, str]


class Standing:
    """What the disks of one VM stand on; looked at only where another source is declared."""

    def __init__(self, have: Have, world: World, mistakes: Mistakes, warnings: list[str]) -> None:
        self.have = have
        self.mistakes = mistakes
        self.warnings = warnings
        self.chains = Chains(world)

    def adopt(self, values: dict[Key, Value], stored: Values) -> None:
        """A disk with the source of one that is there, under a name that is not, is that one.

        As a NIC is by its MAC: it goes by the name that it has, its target.
        """
        for key in [key for key in values if _is_new(key, values, stored)]:
            wanted = _source(key, values)
            found = self._holders(key, wanted, values, stored) if wanted else []
            if found and all(map(self._has_name, found)):
                self._check_second(key, found[0], values)
            elif len(found) > 1:
                names = ", ".join(named(one) for one in found)
                self.mistakes.add(
                    f"{_text(wanted)} is what {names} stand on; name the one that is meant",
                    named(key),
                )
            elif found:
                for field in within(values, key):
                    values[(*found[0], *option_of(field))] = values.pop(field)

    def _check_second(self, key: Key, other: Key, values: Mapping[Key, Value]) -> None:
        """An image under a second name. What is only read may be there twice."""
        is_read = key[0] == CDROMS.name or values.get((*key, "read_only"))
        if values[key] is PRESENT and not is_read:
            self.mistakes.add(
                f"{_text(_source(key, values))} is what the disk {other[1]} of this VM stands on; "
                f"declare it as {other[1]}, or give this disk another image",
                named(key),
            )

    def keep(self, values: dict[Key, Value], stored: Values) -> None:
        """Take the source out of what is wanted where a disk stands on it already."""
        for key in [key for key in values if key[0] in ROWS and len(key) == 2]:
            wanted, now = _source(key, values), _source(key, stored)
            if not wanted or key not in stored or wanted == now or values[key] is ABSENT:
                continue
            if is_one_image(wanted, now):
                continue  # by another way
            chain = self._chain(key)
            at = self._depth(chain, wanted)
            if at is None:
                self._check_other(key, chain, wanted)
            elif at > 0 or self._is_same_kind(wanted, now):
                if at > 0:
                    self._tell(key, chain, chain[at])
                    values.pop((*key, "format"), None)
                values.pop((*key, "source"))

    def check_going(self, values: Mapping[Key, Value], stored: Values) -> None:
        """What goes is missed by the snapshots that its image holds, or that stand on it."""
        for key in [key for key, value in values.items() if value is ABSENT]:
            if key[0] != DISKS.name or key not in stored:
                continue
            self._refuse_overlays(key)
            held = [one.name for one in self._snapshots if self._target(key) in one.internal]
            if held:
                self.warnings.append(
                    f"{named(key)} holds a part of the snapshots {', '.join(held)}, to which the "
                    "VM cannot be reverted without it"
                )

    @cached_property
    def _snapshots(self) -> list[Snapshot]:
        return snapshots.snapshots_of(self.chains.world.host, self.have.name)

    def _target(self, key: Key) -> str:
        return xmltree.get(self._element(key, self.have.definition), "target/@dev") or ""

    def _refuse_overlays(self, key: Key) -> bool:
        """Whether a disk is on an overlay, which is then neither left nor taken away."""
        overlays = self._overlays(key)
        if overlays:
            below = f", which stands on {overlays[-1].path}" if len(overlays) > 1 else ""
            self.mistakes.add(
                f"the VM writes to the overlay {overlays[0].path}{below}; to leave it, merge it "
                "first (virsh blockcommit), or remove the snapshots",
                named(key),
            )
        return bool(overlays)

    def _holders(self, key: Key, wanted: Source, values: Values, stored: Values) -> list[Key]:
        """The things of one list, not named in the declaration, that stand on a source."""
        others = [one for one in stored if len(one) == 2 and one[0] == key[0] and one not in values]
        as_written: list[Key] = [one for one in others if _source(one, stored) == wanted]
        return as_written or [
            one for one in others if self._depth(self._chain(one), wanted) is not None
        ]

    def _has_name(self, key: Key) -> bool:
        """Whether a user gave it its name. After a change of the bus a target is kept as a name."""
        name = xmltree.get(self._element(key, self.have.definition), "alias/@name") or ""
        return name.startswith("ua-") and not re.fullmatch("(x?v|s|h|f)d[a-z]+", key[1])

    def _element(self, key: Key, tree: Element) -> Element:
        return items_of(ROWS[key[0]], tree)[key[1]]

    def _chain(self, key: Key) -> list[Layer]:
        """The images below a disk; those of what runs where that is what is stored."""
        stored = self._element(key, self.have.definition)
        if self.have.live is None or key[1] not in items_of(ROWS[key[0]], self.have.live):
            return self.chains.of(stored)
        live = self.chains.of(self._element(key, self.have.live))
        tops = [layer.path for layer in (*self._top(stored), *live[:1])]
        return (
            live
            if len({self.chains.place(path) for path in tops}) < 2
            else [
                *self.chains.of(stored),
                *live,
            ]
        )

    def _top(self, disk: Element) -> Iterator[Layer]:
        source = disk.find("source")
        if source is not None:
            yield Layer(self.chains.source(disk.get("type", "file"), source))

    def _depth(self, chain: list[Layer], wanted: Source) -> int | None:
        """How far below a disk's own image a source is; None if it is not in the chain."""
        place = self.chains.place(image_of(wanted))
        places = [self.chains.place(layer.path) if layer.path else "" for layer in chain]
        return places.index(place) if place in places else None

    def _is_same_kind(self, wanted: Source, now: Source) -> bool:
        """Whether two paths to one image are said in one way; a device is more than its file."""
        return not now or "pool" in now or set(wanted) == set(now)

    def _tell(self, key: Key, chain: list[Layer], declared: Layer) -> None:
        self.warnings.append(
            f"{named(key)} stands on {declared.path} as declared, and the VM writes to the overlay "
            f"{chain[0].path}, as after a snapshot; it is left so"
        )

    def _check_other(self, key: Key, chain: list[Layer], wanted: Source) -> None:
        """Another image than a disk has: it may be that others moved it, not the declaration."""
        if self._refuse_overlays(key) or key[0] != DISKS.name or not chain:
            return
        now, path = chain[0].path, image_of(wanted)
        if self._was_moved_from(key, now, path):
            self._tell_moved(key, now, path)
            return
        below = [self.chains.place(one.path) for one in self.chains.below(Layer(path))]
        writes = self.have.live is not None or moved.is_outdated(path, now, self.chains)
        if self.chains.place(now) in below and writes:
            self.mistakes.add(
                f"{path} is an overlay of {now}, to which the VM wrote since, and does not fit it "
                "any more",
                named(key),
            )
        elif moved.is_made_empty(path, self.chains):
            self.mistakes.add(
                f"is on {now}, and {path} would be new and empty; if others moved the disk, "
                "declare where it is; if it is to begin anew, give the new disk another name",
                named(key),
            )
        else:
            self._check_moved(key, now, path)

    def _check_moved(self, key: Key, now: str, path: str) -> None:
        """Whether the declaration names another image than it did, or the VM got to another."""
        others_moved = self._was_put_on(key, path)
        is_its_own = moved.is_its_own(path, self.have.name, key[1], self.chains)
        stays = self._was_put_on(key, now)
        now, path = (moved.aged(one, self.chains) for one in (now, path))
        if others_moved:
            self.mistakes.add(
                f"is on {now}, and no more on {path}, onto which this declaration put it, as after "
                "virsh blockcopy or blockpull; declare where it is (file, or pool and volume), or "
                "to put it back take it away (state: absent) and declare it again",
                named(key),
            )
        elif is_its_own:
            self.mistakes.add(
                f"is on {now}, and no more on its own volume {path}, as after virsh blockcopy or "
                "blockpull; declare where it is (file, or pool and volume), or to put it back "
                "name that volume",
                named(key),
            )
        elif not stays:
            self.warnings.append(
                f"{named(key)} is on {now}, and is planned onto {path}, which is not below it; if "
                "others moved the disk (virsh blockcopy), declare where it is"
            )

    def _was_moved_from(self, key: Key, now: str, path: str) -> bool:
        """Whether a run of storage_migration brought the disk from there to where it is."""
        before = declared.moved_from(self.have.definition, key[1])
        same = bool(before) and self.chains.place(before) == self.chains.place(path)
        return same and self._was_put_on(key, now)

    def _tell_moved(self, key: Key, now: str, path: str) -> None:
        pool, _slash, volume = self.chains.world.host.volume_at(now).partition("/")
        where = f"pool: {pool}, volume: {volume}" if pool else f"its path, {now}"
        self.mistakes.add(
            f"is on {now}, to which kvm.fleet.storage_migration moved it from {path}; declare it "
            f"there ({where}), or move it back by that module first",
            named(key),
        )

    def _was_put_on(self, key: Key, path: str) -> bool:
        """Whether an image is the one that was declared before, so that the VM is another now."""
        noted = declared.noted(self.have.definition, key[1])
        return bool(noted) and self.chains.place(noted) == self.chains.place(path)

    def left_behind(self, pending: Sequence[Change]) -> list[FleetError]:
        """The disks that would go back below their overlay at the next start."""
        return [
            FleetError(
                f"the VM writes to the overlay {change.before['file']}, and is stored with "
                f"{change.after['file']} below it, onto which a start puts it back; merge it first "
                "(virsh blockcommit)",
                field=named(device_of(change.field)),
            )
            for change in pending
            if self._goes_back(change)
        ]

    def _goes_back(self, change: Change) -> bool:
        if not (change.is_of_union and change.is_of(DISKS.name)) or not self.have.live:
            return False
        disk = items_of(DISKS, self.have.live).get(change.thing_in(DISKS.name))
        if disk is None or "file" not in change.before or "file" not in change.after:
            return False
        return bool(self._depth(self.chains.of(disk), change.after))

    def _overlays(self, key: Key) -> list[Layer]:
        """The chain of a disk where a snapshot made it: libvirt has it stored, or a record."""
        stored = self._element(key, self.have.definition)
        made = {one.overlays.get(self._target(key)) for one in self._snapshots}
        top = [layer.path for layer in self._top(stored)]
        told = stored.find("backingStore/source") is not None
        return self.chains.of(stored) if told or made & set(top) else []


def _is_new(key: Key, values: Mapping[Key, Value], stored: Values) -> bool:
    return len(key) == 2 and key[0] in ROWS and key not in stored


def _source(key: Key, values: Mapping[Key, Value]) -> Source:
    """What a disk or drive stands on in these values; nothing for one that is empty."""
    source: Source = values.get((*key, "source")) or {}
    return source if any(source.values()) else {}


def _text(source: Source) -> str:
    return name_of(source) or "/".join(source.values())
