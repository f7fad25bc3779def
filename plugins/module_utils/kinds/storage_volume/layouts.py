# SPDX-License-Identifier: GPL-3.0-or-later
"""How a qcow2 image is laid out: as it is seen and told, and one that is to be like another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...engine import xmltree
from ...engine.checksums import is_url
from ...engine.errors import Mistakes
from ...engine.fields import edit
from ...engine.keys import Key, Values, key_of
from ...engine.looked_at import Layout
from ...engine.plan import Wanted
from ...engine.units import format_size, parse_size
from ...engine.world import World
from ...engine.xmltree import Element
from .table import (
    CLUSTER_SIZE,
    EXTENDED_L2,
    LAYOUT_ROWS,
    LAZY_REFCOUNTS,
    SMALLEST_OF_EXTENDED_L2,
    USUAL_CLUSTER,
    is_too_small,
    layout_of,
)

USUAL = Layout()


def layout_in(volume: Element) -> Layout:
    """The layout of a qcow2 as libvirt tells of the volume."""
    found = layout_of(volume)
    return Layout(
        3 if xmltree.get(volume, "target/compat") == "1.1" else 2,
        parse_size(found[CLUSTER_SIZE]),
        bool(found[LAZY_REFCOUNTS]),
        bool(found[EXTENDED_L2]),
    )


def values_of_layout(layout: Layout) -> Values:
    """A layout as the values of a volume's options."""
    return {
        CLUSTER_SIZE: format_size(layout.cluster_size),
        LAZY_REFCOUNTS: layout.lazy_refcounts,
        EXTENDED_L2: layout.extended_l2,
    }


def put_layout(volume: Element, layout: Layout) -> None:
    """Let a qcow2 that is to be made be laid out like another, in place."""
    values = values_of_layout(layout)
    if layout.cluster_size == USUAL.cluster_size:
        values[CLUSTER_SIZE] = None
    xmltree.put(volume, "target/compat", compat_of(layout))
    edit(LAYOUT_ROWS, volume, values)


def layout_of_new(
    wanted: Wanted, form: str, origin: tuple[str, Mapping[Key, Any]] | None, mistakes: Mistakes
) -> Values:
    """What is said of the layout of a new volume. A copy has that of its origin, as far as it can:
    how that is called, and its layout."""
    keys = [key_of(row.name) for row in LAYOUT_ROWS]
    said = {key: wanted.values[key] for key in keys if wanted.values.get(key) is not None}
    if form != "qcow2":
        for key in (key for key in said if said[key]):
            mistakes.add(f"is for qcow2, and it is {form}", key[0])
        return said
    called, layout = origin or ("", {})
    kept = {key: value for key, value in layout.items() if value and value != USUAL_CLUSTER}
    values = {**kept, **said}
    cluster_size = values.get(CLUSTER_SIZE) or USUAL_CLUSTER
    if values.get(EXTENDED_L2) and is_too_small(cluster_size):
        if EXTENDED_L2 not in said:
            del values[EXTENDED_L2]
        elif called and CLUSTER_SIZE not in said:
            mistakes.add(
                f"needs clusters of {SMALLEST_OF_EXTENDED_L2} or more, and those of {called} are "
                f"of {cluster_size}; declare another cluster_size",
                "extended_l2",
            )
    return values


def is_copy_of_fetched(wanted: Wanted, world: World) -> bool:
    """Whether it is a copy of a volume that the run makes of an image by URL: not before that is
    there is it known how it is laid out."""
    name = str(wanted.options.get("copy_of") or "")
    origin = world.declared.get((wanted.kind, name)) if name else None
    is_fetched = origin is not None and is_url(origin.options.get("image"))
    return is_fetched and not world.was(wanted.kind, name).exists


def compat_of(layout: Layout) -> str:
    """How libvirt and QEMU call the version of the format."""
    return "1.1" if layout.version >= 3 else "0.10"


def as_options(layout: Layout) -> str:
    """A layout as qemu-img takes it (`-o`)."""
    said = {"compat": compat_of(layout), "cluster_size": str(layout.cluster_size)}
    said.update(dict.fromkeys(_turned_on(layout), "on"))
    return ",".join(f"{name}={value}" for name, value in said.items())


def told(layout: Layout | None) -> str:
    """What is other than QEMU makes it; empty where nothing is, or where nobody can tell."""
    return ", ".join(_told(layout)) if layout is not None else ""


def _told(layout: Layout) -> Iterator[str]:
    if layout.version != USUAL.version:
        yield f"compat {compat_of(layout)}"
    if layout.cluster_size != USUAL.cluster_size:
        yield f"cluster_size {format_size(layout.cluster_size)}"
    yield from _turned_on(layout)


def _turned_on(layout: Layout) -> Iterator[str]:
    found = {"lazy_refcounts": layout.lazy_refcounts, "extended_l2": layout.extended_l2}
    return (name for name, is_on in found.items() if is_on)
