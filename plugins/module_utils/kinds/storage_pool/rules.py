# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a storage pool by itself: which options its type has, and which it needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...engine.errors import Mistakes
from ...engine.keys import Values
from ...engine.texts import why_no_file
from .table import ADAPTERS, OF_ADAPTERS, TYPES, option_of

if TYPE_CHECKING:
    from ...engine.codecs import Value
    from ...engine.looked_at import File

ADAPTER_TYPE = ("source", "adapter", "type")


def check_name(name: str, mistakes: Mistakes) -> None:
    if not name or name != name.strip() or re.search(r"[/\x00-\x1f]", name):
        mistakes.add(
            f"{name!r} is empty, has a slash or line end, or begins or ends with a space", "name"
        )
    if why_no_file(name):
        mistakes.add(why_no_file(name), "name")


def check_options(kind: str, values: Values, mistakes: Mistakes) -> None:
    """Options that a pool of this type does not have; libvirt would drop them without a word."""
    known = TYPES[kind]
    for option in dict.fromkeys(option_of(key) for key in values):
        if option not in ("type", *known.needs, *known.takes):
            mistakes.add(f"means nothing for a pool of type {kind}", option)
    said = values.get(("source", "format"))
    if said is not None and known.formats and said not in known.formats:
        mistakes.add(f"{said!r} is none of {', '.join(known.formats)}", "source.format")


def check_version(after: Values, mistakes: Mistakes) -> None:
    """A version of the protocol is for NFS (virStoragePoolDefParseSource)."""
    said = after.get(("source", "format"))
    if after.get(("source", "protocol_version")) and said in ("glusterfs", "cifs"):
        mistakes.add(f"is for NFS, and the format is {said}", "source.protocol_version")


def check_adapter(after: Values, was: Value, mistakes: Mistakes) -> None:
    """What libvirt would drop without a word; `was` is the type that the adapter has so far."""
    kind = after.get(ADAPTER_TYPE)
    if was not in (None, kind):
        mistakes.add(
            f"is {was} and cannot become {kind}; declare another pool", option_of(ADAPTER_TYPE)
        )
    elif kind is not None:
        known = ADAPTERS[str(kind)]
        said = [option_of(key) for key, value in after.items() if value not in (None, "")]
        for option in OF_ADAPTERS:
            if option in said and option not in (*known.needs, *known.takes):
                mistakes.add(f"means nothing for an adapter of type {kind}", option)


def check_unbuilt(found: File | None, values: Values, mistakes: Mistakes) -> None:
    """A directory that is not built keeps its permissions, and an active pool tells of those."""
    if found is None or not found.type:
        return
    for name, has in (("mode", found.mode), ("owner", found.owner), ("group", found.group)):
        if values.get(("permissions", name)) not in (None, has):
            mistakes.add(
                f"is {has} on the host, which build: false leaves so; change it there, or build",
                f"permissions.{name}",
            )


def check_needed(kind: str, values: Values, mistakes: Mistakes) -> None:
    """What libvirt must know of a new pool."""
    needs = [(option, f"a pool of type {kind}") for option in TYPES[kind].needs]
    if ADAPTER_TYPE in values:
        adapter = str(values[ADAPTER_TYPE])
        needs += [(one, f"an adapter of type {adapter}") for one in ADAPTERS[adapter].needs]
    given = {option_of(key) for key in values}
    for option, of_what in needs:
        if option not in given:
            mistakes.add(f"is needed for {of_what}", option)
