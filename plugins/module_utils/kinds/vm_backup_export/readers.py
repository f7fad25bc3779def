# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read for plans about exports; imported where it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...engine.facts import Reads
from ...host.connection import Host
from ..vm_backup.readers import FOR_PLANS as OF_BACKUPS


def _of_exports(name: str) -> Callable[..., Any]:
    def answer(host: Host, *of: str) -> Any:
        from . import reader

        return getattr(reader, name)(host, *of)

    return answer


EXPORTS = Reads(
    answers={
        name: _of_exports(f"read_{name}")
        for name in ("exported", "own_folder", "why_not_bound", "lacks_certificates")
    }
)
FOR_PLANS = (*OF_BACKUPS, EXPORTS)
