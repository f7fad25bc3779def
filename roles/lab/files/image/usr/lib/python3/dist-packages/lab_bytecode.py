# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what Ansible's modules compile to; an emulated host takes half of each task's time for it.

Modules come as source in a zip file, for which Python keeps no bytecode. Loaded at every start of
Python on a lab host, by the file lab_bytecode.pth beside it.
"""

# This runs at every start of Python, so it imports nothing that Python has not loaded anyway.
# ruff: noqa: PTH103, PTH105, PTH118, PTH123, SIM105

import hashlib
import marshal
import os
import sys
import zipimport

CACHE = "/var/cache/lab-bytecode"


def compile_once(path, source):
    """The code of a source in a zip file, compiled or as it was compiled before."""
    kept = os.path.join(CACHE, hashlib.sha256(sys.version.encode() + source).hexdigest())
    try:
        with open(kept, "rb") as file:
            return marshal.load(file)
    except (OSError, EOFError, ValueError, TypeError):
        pass  # never compiled, or not kept as a whole
    code = compile_source(path, source)
    try:
        keep(code, kept)
    except OSError:
        pass  # not root: it takes longer, and that is all
    return code


def keep(code, kept):
    """Write code so that others see all of it or nothing."""
    os.makedirs(CACHE, exist_ok=True)
    unfinished = f"{kept}.{os.getpid()}"
    with open(unfinished, "wb") as file:
        marshal.dump(code, file)
    os.replace(unfinished, kept)


compile_source = zipimport._compile_source
zipimport._compile_source = compile_once
