# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this machine has the hook that the role kvm_host installs, and its daemon calls it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .capacity import SYSTEM, Places, names_in, text_of
from .noted import VM_DAEMONS, process_mark


def hook_of(places: Places = SYSTEM) -> dict[str, Any]:
    """The version that is installed, empty without one, and whether a daemon that runs calls it."""
    return {"installed": _version(places), "called": _is_called(places)}


def _version(places: Places) -> str:
    """By all that it is made of, the library first. libvirt skips what cannot be executed."""
    scripts = (places.hook, places.daemon_hook)
    if not all(os.access(script, os.X_OK) for script in scripts):
        return ""
    library = sorted(Path(places.library, "fleet").glob("*/*.py"))
    parts = (*library, f"{places.library}/hook.py", *scripts)
    texts = (text_of(str(file)) for file in parts)
    return hashlib.sha1("".join(texts).encode()).hexdigest()


def _is_called(places: Places) -> bool:
    """A daemon that found no hook as it started calls none that came later; one to come will."""
    called = text_of(f"{places.state}/called")
    if called and process_mark(places, called.partition(" ")[0]) == called:
        return True
    return next(_daemons(places), None) is None


def _daemons(places: Places) -> Iterator[str]:
    for name in names_in(places.proc):
        if name.isdigit() and text_of(f"{places.proc}/{name}/comm").strip() in VM_DAEMONS:
            yield name
