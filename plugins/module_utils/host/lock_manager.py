# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gives leases to the VMs of this machine, which libvirt does not tell."""

from __future__ import annotations

import re
from pathlib import Path

from .connection import Host

ROOT = Path("/")
QEMU_CONF = "etc/libvirt/qemu.conf"


def read_lock_manager(host: Host, root: Path = ROOT) -> str | None:
    """Who gives leases on disks, by the configuration of this machine's daemon."""
    if not host.is_local or host.state_folder:
        return None
    try:
        text = (root / QEMU_CONF).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError:
        return None
    said = re.findall(r'^\s*lock_manager\s*=\s*"([^"]*)"', text, re.MULTILINE)
    return said[-1].replace("nop", "") if said else ""
