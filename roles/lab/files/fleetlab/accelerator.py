# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides how lab hosts run here: by KVM where it really works and nests, else emulated."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from .errors import LabError
from .qemu import Accelerator

# The collection's own answer to "do guests run under KVM here"; the lab runs the same file inside
# its hosts, so it is found by its path and not through Ansible's import machinery.
PROBE_SOURCE = Path(__file__).resolve().parents[4] / "plugins/module_utils/host/acceleration.py"

MOST_CPUS = 4
_NESTED = ("/sys/module/kvm_intel/parameters/nested", "/sys/module/kvm_amd/parameters/nested")


def find_qemu() -> str:
    binary = _probe_module().find_qemu()
    if binary is None:
        raise LabError("QEMU for x86-64 is not installed (Debian: qemu-system-x86)")
    return str(binary)


def choose() -> Accelerator:
    found = _probe_module().accelerated()
    if not found.accelerated:
        return Accelerator(False, 1, found.reason)
    if not _nests():
        return Accelerator(False, 1, "KVM works here but does not nest (kvm_*.nested is off)")
    return Accelerator(True, min(MOST_CPUS, os.cpu_count() or 1), found.reason)


def _nests() -> bool:
    paths = [Path(path) for path in _NESTED]
    return any(path.read_text().strip() in ("1", "Y") for path in paths if path.exists())


def _probe_module() -> Any:
    spec = importlib.util.spec_from_file_location("kvm_fleet_acceleration", PROBE_SOURCE)
    if spec is None or spec.loader is None:
        raise LabError(f"{PROBE_SOURCE} is missing: the lab runs from inside the collection only")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
