# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of the host that a VM shares: what is meant, and what must hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...engine.codecs import Value
from ...engine.errors import FleetError, Mistakes
from ...engine.fields import items_of
from ...engine.keys import PRESENT, Key, Values, named
from ...engine.xmltree import Element
from .shared_folder_rows import NINE_P, SHARED_FOLDERS, VIRTIOFS, is_virtiofs, shares_memory

# How files are to be seen where nothing is said: QEMU itself, which serves 9p, is not root.
ACCESS = {VIRTIOFS: "passthrough", NINE_P: "mapped"}


def resolve(values: dict[Key, Value], stored: Values) -> None:
    """What a new one has where nothing is said."""
    for key in [k for k in values if len(k) == 2 and k[0] == SHARED_FOLDERS.name]:
        if values[key] is PRESENT and key not in stored:
            values.setdefault((*key, "tag"), key[1])
            driver = values.setdefault((*key, "driver"), VIRTIOFS)
            values.setdefault((*key, "access_mode"), ACCESS.get(driver))


def check(after: Values, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """Each has a folder, and a tag of its own, by which the guest mounts it."""
    tags: dict[Value, Key] = {}
    for key in [k for k in after if len(k) == 2 and k[0] == SHARED_FOLDERS.name]:
        tag = after.get((*key, "tag"))
        for option in ("path", "tag"):
            if key in want and not after.get((*key, option)):
                mistakes.add("is needed", named((*key, option)))
        if tag and tag in tags and {key, tags[tag]} & want.keys():
            mistakes.add(f"is {tag}, which is that of {named(tags[tag])} too", named((*key, "tag")))
        tags.setdefault(tag, key)
        cache = want.get((*key, "cache"))
        if cache is not None and after.get((*key, "driver")) != VIRTIOFS:
            mistakes.add("is for the driver virtiofs; leave it out", named((*key, "cache")))


def wrong(domain: Element) -> Iterator[FleetError]:
    """virtiofs without the memory that it needs, which libvirt says in other words."""
    if shares_memory(domain):
        return
    for name, device in items_of(SHARED_FOLDERS, domain).items():
        if is_virtiofs(device):
            yield FleetError(
                "virtiofs needs memory that the guest shares with the host, and this VM has none; "
                "set memory.shared to true, which takes effect when the VM next starts, or the "
                "driver to 9p",
                field=f"{SHARED_FOLDERS.name}.{name}",
            )
