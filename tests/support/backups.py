"""A folder with backups of a VM, and the host of both, for plans that are made without any."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import File, Image
from ansible_collections.kvm.fleet.plugins.module_utils.engine.move_facts import DiskSize
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup import manifest
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup.case import Case
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup.declared import declared_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup.manifest import (
    Backup,
    DiskCopy,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup.manifest import File as Kept
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup.planned import (
    Planned,
    planned,
)
from support import moves
from support.moves import GIB, MIB, UUID, VM

DIRECTORY = "/backup"
DAY = 86_400_000
NOW = 1_800_000_000_000
IMAGE = "/local/web.qcow2"
DATA = (
    '<disk type="file" device="disk"><driver name="qemu" type="{}"/><source file="/local/data"/>'
    '<target dev="vdb" bus="virtio"/>{}</disk>'
)
CHANNEL = (
    '<channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0" state="connected"/>'
    "</channel>"
)


def copy(target: str = "vda", parent: str = "", **more: Any) -> DiskCopy:
    said = {"capacity": 10 * GIB, "source": IMAGE, "format": "qcow2", **more}
    return DiskCopy("disk", f"{target}.qcow2", 3, "00", target, target, parent=parent, **said)


def backup(name: str, days: float = 0, parent: str = "", **more: Any) -> Backup:
    """One of some days ago."""
    made = round(NOW - days * DAY)
    mode = "incremental" if parent else "full"
    disks = more.pop("disks", (copy(parent=parent),))
    said = {"named": False, "checkpoint": f"fleet-{name}", "uuid": UUID, **more}
    return Backup(
        name, vm=VM, made=made, mode=mode, parent=parent, disks=disks,
        files=(Kept("definition", "domain.xml", 5, "00"),), **said,
    )  # fmt: skip


class Site:
    """A host with a VM, and a folder with its backups."""

    def __init__(self, *backups: Backup, state: str = "running", **parts: str) -> None:
        self.host = moves.host("kvm1", "00000000-0000-4000-8000-00000000000a")
        have = moves.vm(state, **{"file": IMAGE, **parts})
        live = have.live if state in ("running", "paused") else None
        self.host.haves["vm"] = [Have("vm", VM, have.stored, live, have.facts)]
        self.told: dict[str, Any] = {"exists": True, "holder": "", "leftovers": []}
        self.told.update(backups={}, broken={}, others={})
        for one in backups:
            self.told["backups"][one.id] = json.loads(manifest.text_of(one))
        facts = self.host.facts
        facts[("uri",)] = "qemu:///system"
        facts[("now",)] = NOW
        facts[("room", DIRECTORY)] = 100 * GIB
        facts[("room", f"{DIRECTORY}/{VM}")] = None
        facts[("backups", DIRECTORY, VM)] = self.told
        facts[("vm_job", VM)] = ""
        facts[("file", "/usr/bin/qemu-img")] = File("file")
        self.disk(vda=10 * GIB, vdb=10 * GIB)
        if backups:
            self.checkpoint(backups[-1].checkpoint, vda=5 * MIB)
        for path in (IMAGE, "/local/data"):
            facts[("file", path)] = File("file", written=1.0)
            facts[("written", path)] = "3 bytes, 1.0"
            facts[("place", path)] = path
            facts[("image", path)] = Image("qcow2", 10 * GIB)

    def disk(self, **capacities: int) -> None:
        for target, capacity in capacities.items():
            self.host.facts[("disk_size", VM, target)] = DiskSize(capacity, 3 * GIB, 3 * GIB)

    def checkpoint(self, name: str, **written: int) -> None:
        """Let QEMU know what was written to disks since a checkpoint."""
        there = self.host.facts.setdefault(("checkpoints", VM), [])
        there.append(name)
        self.host.facts[("bitmaps", VM, name)] = written

    def lacks(self, name: str, *files: str) -> None:
        self.told["backups"][name]["lacks"] = list(files)

    def planned(self, **options: Any) -> Planned:
        defaults = {"state": "present", "mode": "auto", "directory": DIRECTORY}
        params = {"vm": VM, **defaults, "checkpoint": True, "quiesce": "auto", **options}
        return planned(Case(self.host.world(), declared_of(params)))

    def refused(self, **options: Any) -> str:
        with pytest.raises(FleetErrors) as error:
            self.planned(**options)
        return str(error.value)
