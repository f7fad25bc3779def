# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a snapshot of a host, and writes it as a text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..host.connection import Host
from ..kinds.storage_volume.reader import refresh_pools
from .asking import ask_everything, pools_of_files
from .host_config import KINDS
from .reading import world_of

# Where files are kept that declarations name: images, kernels, firmware.
PATHS = (
    *("/var/lib/libvirt/images", "/var/lib/libvirt/boot"),
    *("/usr/share/OVMF", "/usr/share/edk2", "/usr/share/AAVMF", "/usr/share/qemu/firmware"),
)


def take(host: Host, paths: Iterable[str]) -> dict[str, Any]:
    """A snapshot of a host and of files on it, as plain data without secrets."""
    refresh_pools(host, pools_of_files(world_of(host, KINDS)))
    world = world_of(host, KINDS)
    ask_everything(world, paths)
    return world.dump()


def as_text(snapshot: dict[str, Any]) -> str:
    """A snapshot as it is written to a file: sorted, so that two can be compared line by line."""
    return json.dumps(snapshot, indent=1, sort_keys=True) + "\n"
