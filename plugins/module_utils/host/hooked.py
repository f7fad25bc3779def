# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this machine has the hook for promises, and its daemon calls it."""

from __future__ import annotations

from typing import Any

from .capacity import SYSTEM, Places
from .hook_files import HookFiles, state_of


def hook_of(places: Places = SYSTEM) -> dict[str, Any]:
    """Its version, and whether it is called."""
    called = f"{places.state}/called"
    return state_of(HookFiles(places.hook, places.daemon_hook, places.library, called, places.proc))
