# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret as a module tells of it: all but its value."""

from __future__ import annotations

from typing import Any

from ...engine import told, xmltree
from ...engine.fields import values_of
from ...engine.plan import Have
from ...engine.traits import GONE
from .table import AT_VALUE, NONE, ROWS, VALUE, parts_of


def shown(have: Have) -> dict[str, Any]:
    """A secret as modules return it, and whether it has a value, as far as libvirt says that."""
    usage_type, name = parts_of(have.name)
    if have.stored is None:
        return {"name": name, "type": usage_type, "state": GONE}
    values = told.sayable(ROWS, values_of(ROWS, have.stored))
    said = {key[0]: value for key, value in values.items() if key != VALUE and value != ""}
    return {
        "name": name,
        "type": usage_type,
        "state": have.facts["state"],
        **said,
        "has_value": None
        if have.stored.get("private") == "yes"
        else xmltree.get(have.stored, AT_VALUE) is not None,
    }


def is_declarable(have: Have) -> bool:
    """Whether it has a name: what is known by its UUID alone cannot be declared."""
    return parts_of(have.name)[0] not in (NONE, "other")
