# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a storage volume, and what it has beside that.

Source of the paths: https://libvirt.org/formatstorage.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...engine import xmltree
from ...engine.codecs import Codec, choice, integer, presence, size
from ...engine.fields import Field, Rows, values_of
from ...engine.keys import Values, key_of
from ...engine.traits import GONE, Traits, state_codec, state_of
from ...engine.units import format_size, parse_size
from ...engine.xmltree import Element
from ..storage_pool.table import HIGHEST_ID, mode


def _cluster_size() -> Codec:
    def parse(given: Any) -> str:
        number = parse_size(given)
        if not SMALLEST_CLUSTER <= number <= LARGEST_CLUSTER or number & (number - 1):
            least, most = format_size(SMALLEST_CLUSTER), format_size(LARGEST_CLUSTER)
            raise ValueError(f"{given} is no power of two from {least} to {most}")
        return format_size(number)

    return replace(size(), parse=parse)


# After docs/interop/qcow2.txt of QEMU, and what its qemu-img makes if nothing is said.
SMALLEST_CLUSTER, LARGEST_CLUSTER = 512, parse_size("2MiB")
USUAL_CLUSTER = "64KiB"
SMALLEST_OF_EXTENDED_L2 = "16KiB"  # a cluster has 32 parts, none smaller than 512 bytes

# By which of libvirt's secrets a volume or a disk is encrypted; its name and UUID are none.
_SECRET = {"type": "str", "no_log": False}
ENCRYPTION: dict[str, Any] = {
    "type": "dict",
    "options": {"secret": _SECRET, "secret_uuid": _SECRET},
}


def encrypted_by(given: Any) -> dict[str, str]:
    """The secret of an option `encryption`. ValueError where it names none, or two."""
    if not isinstance(given, dict):
        raise ValueError(f"{given!r} is no dictionary")
    said = {name: str(text) for name, text in given.items() if text}
    if len(said) != 1:
        raise ValueError("needs the name of a secret of type volume (secret), or its UUID")
    return {name: text.lower() if name == "secret_uuid" else text for name, text in said.items()}


def secret_element(said: Mapping[str, Any]) -> Element:
    """The `<secret>` of what is encrypted by a secret."""
    at = {"usage": said.get("secret"), "uuid": said.get("secret_uuid")}
    known = {name: str(text) for name, text in at.items() if text}
    return Element("secret", {"type": "passphrase", **known})


# How a qcow2 image is laid out, from the time when it is made.
LAYOUT_ROWS: Rows = (
    Field("cluster_size", "target/clusterSize", _cluster_size()),
    Field("lazy_refcounts", "target/features/lazy_refcounts", presence()),
    Field("extended_l2", "target/features/extended_l2", presence()),
)
CLUSTER_SIZE, LAZY_REFCOUNTS, EXTENDED_L2 = (key_of(row.name) for row in LAYOUT_ROWS)

# Whose its file is. libvirt gives it to QEMU for as long as a VM runs on it.
PERMISSION_ROWS: Rows = (
    Field("permissions.mode", "target/permissions/mode", mode()),
    Field("permissions.owner", "target/permissions/owner", integer(0, HIGHEST_ID)),
    Field("permissions.group", "target/permissions/group", integer(0, HIGHEST_ID)),
)
MODE, OWNER, GROUP = (key_of(row.name) for row in PERMISSION_ROWS)

ROWS: Rows = (
    Field("capacity", "capacity", size()),
    Field("format", "target/format/@type", choice("qcow2", "raw")),
    *LAYOUT_ROWS,
    *PERMISSION_ROWS,
)


def layout_of(tree: Element) -> Values:
    """How a volume is laid out. libvirt tells no size of clusters of a qcow2 that it has made
    itself without one, as QEMU does usually, and those of raw ones that somebody wrote there."""
    found = values_of(LAYOUT_ROWS, tree)
    if xmltree.get(tree, "target/format/@type") != "qcow2":
        return {CLUSTER_SIZE: None, LAZY_REFCOUNTS: False, EXTENDED_L2: False}
    return {**found, CLUSTER_SIZE: found[CLUSTER_SIZE] or USUAL_CLUSTER}


def is_too_small(cluster_size: str) -> bool:
    """Whether clusters are too small to be divided (extended L2 entries)."""
    return parse_size(cluster_size) < parse_size(SMALLEST_OF_EXTENDED_L2)


PRESENT = "present"
_STATES = state_codec(PRESENT, GONE, default=PRESENT)

TRAITS: Traits = (state_of(_STATES, new=PRESENT),)
