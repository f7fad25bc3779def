# SPDX-License-Identifier: GPL-3.0-or-later
"""A storage pool as a module tells of it: what one could declare, and what is beside that."""

from __future__ import annotations

from typing import Any

from ...engine import told, xmltree
from ...engine.errors import Mistakes
from ...engine.keys import Values, nested
from ...engine.plan import Have
from ...engine.traits import GONE
from ...engine.xmltree import Element
from .rules import check_options
from .table import ROWS, TYPES, option_of, values_in

# What libvirt writes by itself into every definition, and what is told under another name.
KNOWN: told.Known = {
    "name": (),
    "uuid": (),
    "capacity": (),
    "allocation": (),
    "available": (),
}


def shown(have: Have) -> dict[str, Any]:
    """A pool as modules return it, sizes in bytes."""
    if have.stored is None:
        return {"name": have.name, "state": GONE}
    tree = have.live if have.live is not None else have.stored
    values = nested({k: v for k, v in _sayable(have.stored).items() if v not in (None, "")})
    source = values.get("source", {})
    for option, key in (("hosts", "name"), ("devices", "path")):
        if option in source:
            source[option] = [_item(key, name, of) for name, of in source[option].items()]
    sizes = {
        f"{name}_bytes": int(xmltree.get(tree, name) or 0)
        for name in ("capacity", "allocation", "available")
        if have.live is not None and tree.find(name) is not None
    }
    return {
        "name": have.name,
        "uuid": xmltree.get(have.stored, "uuid"),
        **{fact: have.facts[fact] for fact in ("state", "autostart", "persistent")},
        **values,
        **sizes,
    }


def _sayable(pool: Element) -> Values:
    """The values that a declaration of this pool can say."""
    values, known = told.sayable(ROWS, values_in(pool)), TYPES.get(pool.get("type", ""))
    if known is None:
        return {}
    mistakes = Mistakes()
    check_options(pool.get("type", ""), values, mistakes)
    refused = {error.field for error in mistakes.errors}
    return {key: value for key, value in values.items() if option_of(key) not in refused}


def unmanaged(pool: Element) -> list[str]:
    """The paths of what a definition says and no option does."""
    said = {option_of(key) for key in _sayable(pool)}
    rows = tuple(row for row in ROWS if row.name in said)
    found = told.unmanaged(rows, pool, KNOWN)
    source = pool.find("source")
    is_bare = source is not None and not len(source)  # as libvirt writes it of a directory
    return [path for path in found if path != "source" or not is_bare]


def _item(key: str, name: str, fields: Any) -> dict[str, Any]:
    """A thing in a list as a user would write it; one without fields is just there."""
    return {key: name, **(fields if isinstance(fields, dict) else {})}
