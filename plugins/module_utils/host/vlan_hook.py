# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this machine has the hook for VLANs, and its daemon calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .hook_files import HookFiles, state_of

VLANS = HookFiles(
    hook="/etc/libvirt/hooks/qemu.d/60-kvm-fleet-vlans",
    daemon_hook="/etc/libvirt/hooks/daemon.d/60-kvm-fleet-vlans",
    library="/usr/local/lib/kvm-fleet-vlans",
    called="/run/kvm-fleet/vlan-hook-called",
)


def read_vlan_hook(files: HookFiles = VLANS) -> dict[str, Any]:
    """Its version, whether it is called, and whether it knows VLANs of single NICs, and isolates
    those that are on Open vSwitch."""
    library = Path(files.library, "fleet/host/port_vlans.py")
    try:
        knows = library.read_text(encoding="utf-8")
    except OSError:
        knows = ""
    return {**state_of(files), "nics": "NIC_NOTES" in knows, "isolates": "_isolated" in knows}
