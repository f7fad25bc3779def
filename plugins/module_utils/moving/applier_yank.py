# SPDX-License-Identifier: GPL-3.0-or-later
"""Has QEMU close the connections of a migration that stands still.

A migration that is aborted waits for what it has sent of a disk to be answered. Where the network
is cut there is no answer, and until TCP gives up, a quarter of an hour later, QEMU does nothing
else: the guest stands still, and libvirt waits. QEMU has a command for that (yank, since 6.0),
which libvirt does not call.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from ..host.connection import libvirt

try:
    import libvirt_qemu
except ImportError:
    libvirt_qemu = None

# As libvirt calls the nodes through which it copies a disk: migration-vda-storage.
OF_MIGRATION = "migration-"


def let_go(dom: Any) -> None:
    """Close what a migration is connected by. Where that cannot be done, only it is aborted."""
    if libvirt_qemu is None:
        return
    with suppress(libvirt.libvirtError, ValueError, KeyError):
        found = _asked(dom, {"execute": "query-yank"})
        instances = [one for one in found if _is_of_migration(one)]
        if instances:
            _asked(dom, {"execute": "yank", "arguments": {"instances": instances}})


def _is_of_migration(instance: dict[str, Any]) -> bool:
    named = str(instance.get("node-name", ""))
    return instance.get("type") == "migration" or named.startswith(OF_MIGRATION)


def _asked(dom: Any, command: dict[str, Any]) -> Any:
    said = libvirt_qemu.qemuMonitorCommand(dom, json.dumps(command), 0)
    return json.loads(said)["return"]
