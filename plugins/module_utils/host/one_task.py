# SPDX-License-Identifier: GPL-3.0-or-later
"""Imported first by each module, it suits Python to a process that lives for one task.

The collection's files come to the host as text in a zip. Before Python runs one it asks its
importer where that is, and zipimport compiles the whole file to tell (python/cpython#141276), then
again to run it: a quarter of the time of most tasks. Here the name tells.
"""

from __future__ import annotations

import gc
import sys
import zipimport
from collections.abc import Callable
from functools import wraps

# As in .../payload.zip/ansible_collections/kvm/fleet/
OURS = __file__[: -len("plugins/module_utils/host/one_task.py")]


class Importer(zipimport.zipimporter):
    """One that has its files as text alone."""

    def get_filename(self, fullname: str) -> str:
        name = fullname.rpartition(".")[2]
        return f"{self.archive}/{self.prefix}{name}{'/__init__' * self.is_package(fullname)}.py"


def importer(folder: str) -> Importer:
    """What imports from a folder of the collection, as a hook of sys.path_hooks does."""
    if not f"{folder}/".startswith(OURS):
        raise ImportError(folder)
    return Importer(folder)


def for_one_task(main: Callable[[], None]) -> Callable[[], None]:
    """A module's main, while which nothing looks for garbage.

    What a run makes it keeps to its end, some seconds later. To look through it again and again is
    a tenth of the time for hundreds of VMs, and finds nothing.
    """

    @wraps(main)
    def alone() -> None:
        gc.disable()
        main()

    return alone


def compile_once() -> None:
    """Have what is imported of the collection from now on compiled once."""
    sys.path_hooks.insert(0, importer)
    for folder in [known for known in sys.path_importer_cache if f"{known}/".startswith(OURS)]:
        del sys.path_importer_cache[folder]


if isinstance(__spec__.loader, zipimport.zipimporter):
    gc.disable()  # of imports, too, everything is kept
    compile_once()
