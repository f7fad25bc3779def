# SPDX-License-Identifier: GPL-3.0-or-later
"""Files to which backups of running VMs write, of which no definition tells.

In pull mode (virsh backup-begin) QEMU keeps in a scratch file what a guest overwrites meanwhile,
and a client that fetches the backup is given that.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.world import World
from ..vm.states import SAVED
from .uses import WRITES, Use


def uses_of_backups(world: World) -> Iterator[Use]:
    """The files of all backups on a host; one question for each VM that runs."""
    for vm in world.everything("vm").values():
        # What is told of one that is saved is what will run; nothing is made of it now.
        has_qemu = vm.live is not None and vm.facts.get("state") != SAVED
        if has_qemu and world.host.driver == "QEMU":
            for disk, path in _files_of_backup(world.host.backup(vm.name)):
                yield Use(f"vm/{vm.name}", f"the backup of {disk}", path, WRITES)


def _files_of_backup(text: str) -> Iterator[tuple[str, str]]:
    """Each disk that is backed up, with the file that is written to."""
    for disk in xmltree.find_all(xmltree.parse(text), "disks/disk") if text else ():
        for part in (*disk.findall("scratch"), *disk.findall("target")):
            path = part.get("file") or part.get("dev")
            if path:
                yield disk.get("name", ""), path
