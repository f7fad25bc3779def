# SPDX-License-Identifier: GPL-3.0-or-later
"""What the unit file of a resource pool says of whose it is."""

from __future__ import annotations

import json

from ...engine import xmltree
from ...engine.plan import Have
from .table import OURS, yes_no
from .unit import FILE, HEADER


def is_managed(have: Have) -> bool:
    """Whether this collection says what it holds, whoever made it."""
    return bool(have.facts.get("managed"))


def is_made_here(have: Have) -> bool:
    """Whether the collection made it, and under this name: a copy of its file says another."""
    file = have.definition.get(FILE)
    return is_managed(have) and (file is None or json.loads(file).startswith(HEADER))


def is_protected(have: Have) -> bool:
    """Whether it is not to go."""
    return bool(yes_no().decode(xmltree.get(have.definition, f"{OURS}/Protected")))


def scope_of(have: Have) -> str:
    """The set of declarations that it belongs to."""
    return xmltree.get(have.definition, f"{OURS}/Scope") or ""
