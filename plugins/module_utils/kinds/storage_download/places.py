# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file is as long as it is not whole."""

from __future__ import annotations

PARTIAL = ".partial"


def partial_of(path: str) -> str:
    """The file that becomes another one once it is whole."""
    return f"{path}{PARTIAL}"
