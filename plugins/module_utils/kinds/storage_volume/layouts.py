# SPDX-License-Identifier: GPL-3.0-or-later
"""How a qcow2 image is laid out: as it is seen and told, and one that is to be like another."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.fields import edit
from ...engine.keys import Values
from ...engine.looked_at import Layout
from ...engine.units import format_size, parse_size
from ...engine.xmltree import Element
from .table import CLUSTER_SIZE, EXTENDED_L2, LAYOUT_ROWS, LAZY_REFCOUNTS, layout_of

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
