# SPDX-License-Identifier: GPL-3.0-or-later
"""What is special about plans for volumes: they are made once, and can only grow.

Of a volume that exists only the capacity can change, and only upwards. What it is made from counts
when it is made, and never again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from ...engine import xmltree
from ...engine.changes import LIVE, Change, Removed
from ...engine.checksums import is_digits, is_url
from ...engine.codecs import Value
from ...engine.comparing import EffectOf
from ...engine.errors import FleetError
from ...engine.keys import ABSENT, Key, Values
from ...engine.plan import Have
from ...engine.planner import Draft, Removal
from ...engine.texts import why_no_file
from ...engine.traits import STATE
from ...engine.units import format_size, parse_size
from ...engine.xmltree import Element
from .layouts import is_copy_of_fetched
from .removal import check_empty, check_wipe
from .resizing import why_it_stays, why_too_small
from .table import GROUP, LAZY_REFCOUNTS, MODE, OWNER, ROWS, TRAITS, layout_of
from .volumes import (
    AS_ORIGIN,
    FILE_POOLS,
    GROWS_VOLUMES,
    HALF_MADE,
    HOLDS,
    KIB,
    UNREADABLE,
    UNSEEN,
    ZERO,
    backing_of,
    capacity_of,
    fits,
    format_of,
    image_in,
    is_encrypted,
    mark_of,
    name_in_pool,
    pool_of,
    type_of,
    volume_path,
)

CAPACITY, FORMAT = ("capacity",), ("format",)
# How it is made or goes, of which no plan tells as of an option.
MANNER = ("download", "existing", "of_disk", "held", "shrink", "wipe")
UNSIZED = "the run compares it with the size, not known before, of"

# Of 255 bytes, with what its mark has beside the name.
LONGEST_NEW_NAME = 255 - len(mark_of(""))


def _check_pool(draft: VolumeDraft) -> None:
    """What is to be said of the pool of a volume that changes or goes. Or FleetErrors."""
    if draft.pool.live is None:
        from .design import check_pool

        check_pool(draft.pool, draft.world, draft.mistakes, draft.warnings)
    draft.mistakes.raise_any()


def _used_by(draft: VolumeDraft) -> None:
    _check_pool(draft)
    host, resource = draft.world.host, draft.wanted.resource
    check_wipe(draft.have, draft.pool, draft.wanted.options.get("wipe"), host, draft.mistakes)
    draft.mistakes.raise_any()
    check_empty(draft.have, host, resource)
    clones = clones_of(draft)
    if clones:
        raise FleetError(
            f"is what {', '.join(clones)} stands on, which would be lost with it; remove the "
            "linked clones first",
            resource,
        )


def clones_of(draft: VolumeDraft) -> list[str]:
    """The volumes that stand on one."""
    tree, have = draft.have.stored, draft.have
    path = xmltree.get(tree, "target/path") if tree is not None else ""
    return [
        name
        for name, other in (draft.world.everything(have.kind).items() if path else ())
        if name != have.name and backing_of(other) == path
    ]


class VolumeDraft(Draft):
    """A plan for one volume in the making."""

    rows = ROWS
    traits = TRAITS
    removal = Removal(used_by=_used_by)

    made: Element  # a new one
    checksum = ""  # that the image of a new one has to have
    holds = 0  # the bytes of the disk in that image, where they are known
    unsized = ""  # what a new one is made from, of which the size is not known

    @cached_property
    def pool(self) -> Have:
        """The pool that it is in."""
        return self.world.will_be("storage_pool", pool_of(self.wanted.name))

    @cached_property
    def was(self) -> Values:
        if self.wanted.state == ABSENT and self.have.facts.get(HALF_MADE):
            return {STATE: HALF_MADE}
        return {STATE: "present"} if self.have.exists else {STATE: str(ABSENT)}

    @cached_property
    def live(self) -> Values | None:
        """What is stored is what there is: it grows at once."""
        return self.stored if self.have.exists else None

    def resolve(self) -> Values:
        self._check_readable()
        values = self._growth() if self.have.exists else self._design()
        said = self.wanted.values.get(CAPACITY)
        # What others made, or copied whole, may have any size.
        number = parse_size(said) if said and CAPACITY in values else KIB
        if number == 0 or number % KIB:
            message = f"{said} is no multiple of 1KiB above zero, by which libvirt counts"
            self.mistakes.add(message, "capacity")
        return values

    def _check_readable(self) -> None:
        """What is there, and libvirt knows no more of, is nobody's to make or remove."""
        why = self.have.facts.get(UNREADABLE)
        if why:
            message = f"is there, and {why}"
            raise FleetError(message, self.wanted.resource, "name")

    def new(self) -> Element:
        return self.made

    def edited(self, definition: Element, want: Mapping[Key, Value]) -> Element:
        return super().edited(definition, want) if self.have.exists else definition

    def check(self) -> None:
        self.mistakes.raise_any()
        if self.have.exists and self.want:
            _check_pool(self)

    def effects(self) -> EffectOf:
        return lambda *_: LIVE

    def explained(self, change: Change) -> Change:
        if isinstance(change, Removed):
            return replace(change, final="what was in it is lost", note=self._wiped(change.note))
        if self.have.exists and change.field == CAPACITY:
            shrinks = parse_size(str(change.after)) < parse_size(str(change.before))
            note = f"it shrinks, and what is beyond {change.after} is lost" if shrinks else ""
            return replace(change, final="a volume that shrinks loses data", note=note)
        if change.field == CAPACITY and self.unsized:
            return replace(change, note=f"{UNSIZED} {self.unsized}")
        return change

    def _wiped(self, note: str) -> str:
        """What is said of a volume that is overwritten before it goes."""
        by = self.wanted.options.get("wipe")
        if not by:
            return note
        sparse = by == ZERO and type_of(self.pool) in FILE_POOLS
        how = "; of a sparse file libvirt frees the blocks, and overwrites none" if sparse else ""
        return f"wiped before it goes ({by}){how}"

    def facts(self) -> Mapping[str, Any]:
        if self.have.exists:
            return self.have.facts
        holds = {HOLDS: self.holds} if self.holds else {}
        like = {AS_ORIGIN: True} if is_copy_of_fetched(self.wanted, self.world) else {}
        return {"pool_type": type_of(self.pool), "checksum": self.checksum, **holds, **like}

    # ---- what is there

    def _growth(self) -> Values:
        """What of a volume that is there can change, where it is not so yet."""
        self._check_kept()
        return {**self._resized(), **self._permissions()}

    def _resized(self) -> Values:
        capacity, before = self.wanted.values.get(CAPACITY), capacity_of(self.have)
        if capacity is None or fits(before, parse_size(capacity), type_of(self.pool)):
            return {}
        self._check_growth(before, capacity, type_of(self.pool))
        shrinks = parse_size(capacity) < before
        asked = not shrinks or self.wanted.options.get("shrink")
        why = why_it_stays(self.have, self.world) if asked else ""
        if asked and not why and (shrinks or not self._runs()):
            why = why_too_small(self.have, capacity)
        if why:
            verb = "shrink" if shrinks else "grow"
            self.mistakes.add(f"{why} and cannot {verb} to {capacity}", "capacity")
        return {CAPACITY: capacity}

    def _permissions(self) -> Values:
        """Whose it is to be, and is not. The owner of what a VM runs on is libvirt's to say."""
        rows = (MODE, OWNER, GROUP)
        said = {key: one for key in rows if (one := self.wanted.values.get(key)) is not None}
        has = self.values_in(self.have.definition)
        differ = {key: value for key, value in said.items() if value != has[key]}
        if {OWNER, GROUP} & set(differ) and self._runs():
            differ = {key: value for key, value in differ.items() if key == MODE}
        if differ and type_of(self.pool) not in FILE_POOLS:
            message = f"are for pools of files, and it is of type {type_of(self.pool)}"
            self.mistakes.add(message, "permissions")
        elif differ and not self.world.host.is_local:
            self.mistakes.add(
                "libvirt changes them on no volume that is there, and the host is not this "
                "machine; run it on the host",
                "permissions",
            )
        return differ

    def _runs(self) -> bool:
        """Whether a VM runs on it, or on what stands on it."""
        from ..images.one_writer import Images

        images, path = Images([], self.world), image_in(self.have.stored)
        users = images.at(path) if path else []
        return any(use.user.startswith("vm/") and images.runs(use) for use in users)

    def _check_growth(self, before: int, capacity: str, pool_type: str) -> None:
        has = format_size(before)
        shrinks = parse_size(capacity) < before
        if shrinks and not self.wanted.options.get("shrink"):
            self.mistakes.add(
                f"it has {has} and would shrink to {capacity}, which cuts off data; make a new "
                "volume of that size and copy inside the guest, or say shrink: true of the volume "
                "where what is beyond may be lost",
                "capacity",
            )
        elif pool_type not in GROWS_VOLUMES:
            self.mistakes.add(
                f"it has {has} and libvirt cannot {'shrink' if shrinks else 'grow'} a volume of a "
                f"{pool_type} pool to {capacity}; do it with the tools of that storage (such as "
                "lvextend), refresh the pool and run again",
                "capacity",
            )

    def _check_kept(self) -> None:
        """What cannot change on a volume that exists."""
        found, said = format_of(self.have), self.wanted.values.get(FORMAT, format_of(self.have))
        if found != said:
            message = f"is {found} and cannot become {said}; copy it to a new volume"
            self.mistakes.add(message, "format")
        backing, now = self.wanted.options.get("backing"), backing_of(self.have)
        path = self._path_of(backing) if backing else ""
        if path and path != now:
            stands_on = f"stands on {now}" if now else "is no linked clone"
            message = f"it {stands_on} and cannot be moved to {path}; make a new volume"
            self.mistakes.add(message, "backing")
        seen = not self.have.facts.get(UNSEEN) and self.pool.live is not None
        if self.wanted.options.get("encryption") and seen and not is_encrypted(self.have):
            self.mistakes.add("it is not, and cannot become so; make a new volume", "encryption")
        self._check_layout(found)
        if is_url(self.wanted.options.get("image")):
            self._check_image()

    def _check_layout(self, form: str) -> None:
        """How a qcow2 is laid out, which libvirt changes on none that is there."""
        if self.have.stored is None:
            return
        has = layout_of(self.have.stored)
        said = {key: value for key in has if (value := self.wanted.values.get(key)) is not None}
        differ = [key for key in said if said[key] != has[key]]
        for key in differ if form != "qcow2" else ():
            self.mistakes.add(f"is for qcow2, and it is {form}; copy it to a new volume", key[0])
        if form != "qcow2":
            return
        for key in (key for key in differ if key != LAZY_REFCOUNTS):
            message = f"is {_word(has[key])} and cannot become {_word(said[key])}; copy it to a new"
            self.mistakes.add(f"{message} volume (copy_of)", key[0])
        if LAZY_REFCOUNTS in differ:
            self.mistakes.add(
                _how_refcounts_change(self.have, said[LAZY_REFCOUNTS]), "lazy_refcounts"
            )

    def _check_image(self) -> None:
        """Another image by URL than the one that a volume was made from, as far as that is noted.

        A disk's own volume holds what its guest made of it, and the image is for new ones. Others
        are there to be stood on: who declares another image is to get that, or be told.
        """
        path = xmltree.get(self.have.definition, "target/path") or ""
        declared = str(self.wanted.options.get("checksum") or "").lower()
        algorithm = f"{declared.partition(':')[0]}:"
        seen = self.world.host.is_local and path.startswith("/") and is_digits(declared)
        noted = self.world.host.made_from(path).split() if seen else []
        was = next((one for one in noted if one.startswith(algorithm)), declared)
        if was == declared:
            return
        if self.wanted.options.get("of_disk"):
            self.warnings.append(f"it was made from {was} and stays so; {declared} is for new VMs")
            return
        clones = clones_of(self)
        verb = "stands" if len(clones) == 1 else "stand"
        stand = f", and {', '.join(clones)} {verb} on it" if clones else ""
        self.mistakes.add(
            f"it was made from {was}, not {declared}{stand}; nothing is written over, so name "
            "another volume for the other image",
            "checksum",
        )

    def _path_of(self, backing: Mapping[str, Any]) -> str:
        if "file" in backing:
            return str(backing["file"])
        pool = self.world.will_be("storage_pool", pool_of(backing["volume"]))
        return volume_path(pool, name_in_pool(backing["volume"]))

    # ---- what is new

    def _design(self) -> Values:
        """All that was said of a new volume, and what follows from it."""
        from .design import design

        name = name_in_pool(self.wanted.name)
        if why_no_file(name, LONGEST_NEW_NAME):
            self.mistakes.add(why_no_file(name, LONGEST_NEW_NAME), "name")
        if type_of(self.pool) == "disk":
            from .partitions import why_none

            why = why_none(self.wanted.name, self.pool, self.world)
            if why:
                self.mistakes.add(why, "name")
        new = design(self.wanted, self.world, self.mistakes)
        if not self.mistakes.errors:
            self._check_room(new.tree)
        self.made, self.checksum = new.tree, new.checksum
        self.holds, self.unsized = new.holds, new.unsized
        self.warnings += new.warnings
        if self.have.facts.get(HALF_MADE):
            self.warnings.append("an interrupted run left it half-made; it is made anew")
        if self.have.facts.get(UNSEEN):
            message = "its pool is not active yet; if the volume is there already, it is kept"
            self.warnings.append(message)
        said = {key: value for key, value in self.wanted.options.items() if key not in MANNER}
        given: Values = {(key,): value for key, value in said.items() if value is not None}
        return {**given, **new.values}

    def _check_room(self, new: Element) -> None:
        from .room import why_short

        short = why_short(self.wanted, new, self.world)
        if short is not None and short.is_sure:
            self.mistakes.add(short.message, "capacity")
        elif short is not None:
            self.warnings.append(short.message)

    # ---- what goes

    def not_there(self) -> None:
        self._check_readable()
        if self.have.facts.get(UNSEEN):
            self.warnings.append("its pool is not active, so whether it is there cannot be seen")


def _word(value: Value) -> str:
    return value if isinstance(value, str) else "on" if value else "off"


def _how_refcounts_change(have: Have, wanted: bool) -> str:
    """What a user can do about lazy refcounts; libvirt sees it when it looks at the pool anew."""
    tree = have.definition
    new, path = _word(wanted), xmltree.get(tree, "target/path")
    is_old = xmltree.get(tree, "target/compat") != "1.1"
    why = "has compat 0.10, in which there are none" if is_old else f"is {_word(not wanted)}"
    options = f"{'compat=1.1,' if is_old else ''}lazy_refcounts={new}"
    return (
        f"{why}, and libvirt cannot turn it {new}; while no VM uses it, run qemu-img amend -f "
        f"qcow2 -o {options} {path} and virsh pool-refresh {pool_of(have.name)}"
    )
