# SPDX-License-Identifier: GPL-3.0-or-later
"""A resource pool as modules return it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...engine import told
from ...engine.codecs import Value
from ...engine.fields import Field, values_of
from ...engine.keys import Values, key_of, named, nested
from ...engine.plan import Have
from ...engine.traits import GONE
from ...engine.xmltree import Element
from .naming import unit_of
from .paths import name_of, parent_of
from .table import NAME_OF, ROWS

NOTHING = (None, "", 0, "0B", False)
# What is in every file, and told otherwise.
KNOWN: told.Known = {"@file": (), "/".join(NAME_OF): ()}


def shown(have: Have) -> dict[str, Any]:
    """A pool as modules return it."""
    of = {"name": name_of(have.name), "parent": parent_of(have.name)}
    if have.stored is None:
        return {**of, "state": GONE}
    live = have.live
    values = told.sayable(ROWS, values_of(ROWS, have.stored))
    return {
        **of,
        "path": have.name,
        "unit": unit_of(have.name),
        "state": have.facts["state"],
        "managed": have.facts["managed"],
        "active": live is not None,
        **({} if live is None else {"used_memory_bytes": int(live.get("memory") or 0)}),
        **nested({key: value for key, value in values.items() if value not in NOTHING}),
        "shadowed": {named(key): value for key, value in beside(have).items()},
        "unmanaged": unmanaged(have.stored),
    }


def unsaid(have: Have) -> list[str]:
    """What no option can say, such as a part of the host's memory."""
    return told.unsaid(ROWS, values_of(ROWS, have.definition))


def beside(have: Have) -> Values:
    """What drop-ins of others say, which counts more than the unit file."""
    said: Mapping[str, Sequence[str]] = have.facts.get("shadowed", {})
    return {key_of(option): shown_beside(option, text) for option, (text, _file) in said.items()}


def shown_beside(option: str, text: str) -> Value:
    """What a drop-in says of an option, as the option says it."""
    row = next(row for row in ROWS if isinstance(row, Field) and row.name == option)
    return row.codec.decode(text)


def unmanaged(unit: Element) -> list[str]:
    """The settings of a unit file that no option says."""
    return told.unmanaged(ROWS, unit, KNOWN)
