# SPDX-License-Identifier: GPL-3.0-or-later
"""How snapshots are called, and where their files are put."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from ...engine.errors import Mistakes
from ...engine.texts import why_no_file


def name_of(vm: str, snapshot: str) -> str:
    """How the collection calls a snapshot: `web/before-upgrade`."""
    return f"{vm}/{snapshot}"


def parts_of(name: str) -> tuple[str, str]:
    """The VM of a snapshot, and the snapshot's own name."""
    vm, _slash, snapshot = name.partition("/")
    return vm, snapshot


def check_name(name: str, mistakes: Mistakes) -> None:
    """libvirt makes names of files of it."""
    if not name or name != name.strip() or name.startswith(".") or re.search(r"[/\x00-\x1f]", name):
        mistakes.add(
            f"{name!r} is empty, begins with a dot or a space, ends with a space, or has a slash "
            "or control character",
            "name",
        )
    if why_no_file(name):
        mistakes.add(why_no_file(name), "name")


def overlays_of(images: Iterable[tuple[str, str]], name: str, folder: str) -> dict[str, str]:
    """The overlay of each disk, by its target: its image's name with the snapshot's at its end.

    So libvirt itself calls them. Of two that would have one name each has its target too.
    """
    named = {target: _overlay(path, name, folder) for target, path in images}
    twice = {path for path in named.values() if list(named.values()).count(path) > 1}
    return {
        target: _overlay(path, f"{target}.{name}", folder)
        if named[target] in twice
        else named[target]
        for target, path in images
    }


def _overlay(path: str, name: str, folder: str) -> str:
    above, file = posixpath.split(path)
    stem = posixpath.splitext(file)[0]
    return posixpath.join(folder or above, f"{stem}.{name}")


def memory_file(folder: str, vm: str, name: str) -> str:
    """Where the memory of a VM is put beside its overlays."""
    return posixpath.join(folder, f"{vm}.{name}.memory")
