# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the definition in a backup, and what an earlier run noted of restoring one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DEFINITION_FILE = "domain.xml"


def journal_of(folder: str, target: str) -> Path:
    """The file in which it is noted what is made of a backup for a VM."""
    return Path(folder, f".restore-{target}.json")


def read_definition(folder: str, backup: str) -> str:
    """The text; empty where it cannot be read."""
    try:
        return Path(folder, backup, DEFINITION_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def read_journal(folder: str, target: str) -> dict[str, Any]:
    """What is noted; nothing without a file, or where it cannot be read."""
    try:
        said = json.loads(journal_of(folder, target).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
