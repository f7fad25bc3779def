# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes volumes from images by URL, by way of a library of what was fetched and verified.

The library is a folder of the machine on which this runs. An image in it is named by its checksum,
as it came from its server, and is compared with that each time before it becomes anything. So one
fetch is enough for all volumes of one image, and the folder may be emptied at any time.

What comes has its name in the library only once it is whole and is what was said. Until then it is
NAME.part, which a later run goes on with. Nothing stands in a pool before that.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.looked_at import Image
from ...engine.plan import Plan
from ...engine.units import format_size
from ...host import unpacking
from ...host.connection import Host
from ...host.fetching import Fetching, free_in
from ...host.files import note_made_from
from ...host.library import folder_of
from ...host.turns import in_turn
from . import applier
from .fetched import Order, order_of
from .volumes import FILE_POOLS, capacity_of, format_of, pool_of

ALGORITHMS = ("sha256", "sha512")
LONGEST_FETCH_S = 24 * 3600.0  # for which another run that fetches the same is waited for


class AtHand(NamedTuple):
    """An image in the library."""

    file: Path
    checksums: Mapping[str, str]  # by their algorithms
    told: Mapping[str, Any]


def make(host: Host, plan: Plan) -> Mapping[str, Any]:
    """Fetch an image, see that it is what was said, make a volume of it. What is told of that."""
    order = order_of(plan.wanted.options, plan.after.facts.get("checksum", ""))
    with _in_library(order) as folder, _at_hand(order, folder) as there:
        form = format_of(plan.after)
        image, found = unpacking.prepared(there.file, form, order.shown)
        try:
            own_plan = _by_file(plan, image, found, order.shown)
            _check_room(host, own_plan, image)
            _make(host, own_plan, there)
        finally:
            if image != there.file:
                image.unlink(missing_ok=True)
    return there.told


def _make(host: Host, plan: Plan, there: AtHand) -> None:
    with host.errors(plan.resource, "make it"):
        own = applier.begin(host, plan)
        if own is None:
            return
        path = xmltree.get(plan.after.definition, "target/path") or ""
        if host.is_local and plan.after.facts["pool_type"] in FILE_POOLS:
            said = " ".join(f"{name}:{digits}" for name, digits in there.checksums.items())
            note_made_from(path, said)
        applier.end(host, plan, own)


def _by_file(plan: Plan, image: Path, found: Image, shown: str) -> Plan:
    """The plan for an image that is a file of this machine. FleetError if it is too big."""
    wanted = capacity_of(plan.after)
    if wanted and wanted < found.capacity:
        raise FleetError(
            f"{format_size(wanted)} is less than the {format_size(found.capacity)} of {shown}; "
            "declare as much, or leave it out",
            plan.resource,
            "capacity",
        )
    tree = xmltree.clone(plan.after.definition)
    xmltree.put(tree, "capacity", str(wanted or found.capacity))
    options = {**plan.wanted.options, "image": str(image)}
    return replace(
        plan,
        wanted=replace(plan.wanted, options=options),
        after=replace(plan.after, stored=tree),
    )


def _check_room(host: Host, plan: Plan, image: Path) -> None:
    """That there is room for the volume, where the pool is a folder that is seen from here."""
    folder = Path(xmltree.get(plan.after.definition, "target/path") or "").parent
    if not host.is_local or plan.after.facts["pool_type"] not in FILE_POOLS or not folder.is_dir():
        return
    takes, free = image.stat().st_blocks * 512, free_in(folder)
    if takes > free:
        raise FleetError(
            f"takes {format_size(takes)}, and pool {pool_of(plan.wanted.name)} has "
            f"{format_size(free)} free in {folder}",
            plan.resource,
            "image",
        )


# ---- the library


@contextmanager
def _in_library(order: Order) -> Iterator[Path]:
    """The folder of the library, in which nobody else works on the same image."""
    folder = folder_of(order.how.get("library") or "")
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise FleetError(
            f"cannot make the library {folder}: {error.strerror}", field="download.library"
        ) from error
    lock = folder / f".{order.key}.lock"
    with in_turn(lock, f"fetch {order.shown}", LONGEST_FETCH_S):
        yield folder


@contextmanager
def _at_hand(order: Order, folder: Path) -> Iterator[AtHand]:
    """An image of the library, fetched where it is not there. Without a checksum it is not kept."""
    file, began = folder / order.key, time.monotonic()
    unpacking.remove_left_of(file)
    had = _checksums(file) if order.checksum and file.exists() else {}
    if _is_it(order, had):
        size = file.stat().st_size
        yield AtHand(file, had, {"bytes": size, "fetched_bytes": 0, "from_library": str(file)})
        return
    fetching = Fetching(order.url, order.shown, order.how, folder / f"{order.key}.part")
    checksums = _verified(order, fetching)
    fetching.part.replace(file)
    fetching.mark.unlink(missing_ok=True)
    told = {
        "bytes": file.stat().st_size,
        "fetched_bytes": fetching.fetched,
        "resumed_at_bytes": fetching.resumed_at,
        "seconds": round(time.monotonic() - began, 1),
        "checksum": f"sha256:{checksums['sha256']}",
    }
    try:
        yield AtHand(file, checksums, told)
    finally:
        if not order.checksum:
            file.unlink(missing_ok=True)


def _verified(order: Order, fetching: Fetching) -> Mapping[str, str]:
    """Fetch until it is what was said. What was put together of two parts is fetched anew once."""
    fetching.whole()
    found = _checksums(fetching.part)
    if not _is_it(order, found) and fetching.resumed_at:
        fetching.forget()
        fetching.whole()
        found = _checksums(fetching.part)
    if _is_it(order, found):
        return found
    fetching.forget()
    algorithm = order.checksum.partition(":")[0]
    raise FleetError(
        f"what came from {order.shown} has {algorithm}:{found[algorithm]}, not {order.checksum}; "
        "nothing of it is kept",
        field="checksum",
    )


def _is_it(order: Order, found: Mapping[str, str]) -> bool:
    algorithm, _colon, digits = order.checksum.partition(":")
    return bool(found) and (not order.checksum or found[algorithm] == digits)


def _checksums(file: Path) -> Mapping[str, str]:
    """The checksums of a file by all algorithms in which one may be declared."""
    hashed = {name: hashlib.new(name) for name in ALGORITHMS}
    with file.open("rb") as opened:
        while True:
            block = opened.read(2**20)
            if not block:
                return {name: one.hexdigest() for name, one in hashed.items()}
            for one in hashed.values():
                one.update(block)
