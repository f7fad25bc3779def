# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's records of snapshots as resources."""

from __future__ import annotations

from collections.abc import Iterable

from ...engine import xmltree
from ...engine.plan import Have

KIND = "vm_snapshot"


def have_of(prefix: str, records: Iterable[tuple[str, bool]]) -> list[Have]:
    """The snapshots of one VM, of which all names begin alike: `web/`."""
    return [
        Have(
            KIND,
            f"{prefix}{xmltree.get(tree, 'name')}",
            tree,
            None,
            {"state": "present", "current": is_current},
        )
        for tree, is_current in ((xmltree.parse(text), current) for text, current in records)
    ]
