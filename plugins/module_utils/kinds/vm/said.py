# SPDX-License-Identifier: GPL-3.0-or-later
"""What is only said of a VM, and is nothing that it has, does or needs.

Where nothing else changes, no rule has anything to ask, and nothing is imported for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...engine.codecs import Value
from ...engine.keys import Key, Values
from ...engine.plan import Plan

ONLY_SAID = ("title", "description", "tags", "protected", "scope", "group")


def only_said(keys: Iterable[Key]) -> bool:
    """Whether options are all of this kind."""
    return all(key[0] in ONLY_SAID for key in keys)


def only_differs(stored: Values, after: Values, want: Mapping[Key, Value]) -> bool:
    """Whether what will be stored is about the same VM, of which something else is said."""
    values = (pair for of in (after, want) for pair in of.items())
    others = [key for key, value in values if stored.get(key) != value]
    return only_said(others) and stored.keys() <= after.keys()


def only_says(plan: Plan) -> bool:
    """Whether a plan changes nothing else: each edit of a definition is of a change in its plan."""
    return plan.have.exists and only_said(change.field for change in plan.changes)
