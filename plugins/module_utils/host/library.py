# SPDX-License-Identifier: GPL-3.0-or-later
"""The library of images that were fetched, on the machine on which this runs: what is in it."""

from __future__ import annotations

import os
from pathlib import Path

from . import images

SYSTEMS = Path("/var/lib/kvm-fleet/images")
OF_USERS = Path("~/.cache/kvm-fleet/images")
# Those of which a header tells how large a disk is in them.
TOLD = ("qcow2", "raw")


def folder_of(said: str) -> Path:
    """The folder that a user named, or that of whoever runs this."""
    return Path(said or (SYSTEMS if os.geteuid() == 0 else OF_USERS.expanduser()))


def read_kept_image(key: str, library: str) -> int | None:
    """The bytes of the disk in an image that was fetched before; None where nothing tells."""
    file = folder_of(library) / key
    try:
        found = images.inspect(str(file))
        is_told = found.format in TOLD and not images.ends_as_vhd(file)
    except (OSError, ValueError):
        return None
    return found.capacity if is_told else None
