"""Disks of a guest that counts, exported by a real libvirtd, and what qemu-img reads of them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.counting_guest import counted
from support.guest_disks import COUNTS_MIB, GuestDisk
from support.module_process import kill_module, start_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

pytestmark = pytest.mark.long(
    touched_by=r"plugins/(modules/vm_backup_export|module_utils/(run/backup_exporting"
    r"|kinds/vm_backup(_export)?/))"
    r"|tests/(integration/test_vm_backup_export|support/(guest_disks|counting_guest))"
)
MIB = 2**20
Result = dict[str, Any]


class Exported(GuestDisk):
    """A VM, and a folder for what it overwrites while its disks are exported."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.directory = self.folder / "scratch"
        self.libvirtd.outside(self.directory).mkdir()

    def asked(self, **options: Any) -> Result:
        return {"vm": self.vm, "directory": str(self.directory), **options}

    def export(self, **options: Any) -> Result:
        """The run does what check mode said, which changed nothing, and once is enough."""
        args = self.asked(**options)
        done = self.as_planned("vm_backup_export", "export", **args)
        again = self.run("vm_backup_export", **args)
        assert (again["changed"], again["plan"]) == (False, [])
        assert again["export"] == done["export"]
        return done

    def refused_export(self, **options: Any) -> str:
        before = self.seen()
        done = self.modules.run("vm_backup_export", self.asked(**options), False)
        assert done.get("failed") and self.seen() == before
        return str(done["msg"])

    def seen(self) -> tuple[Any, ...]:
        return self.definitions(), self.left(), self.checkpoints(), self.job_of_libvirt()

    def left(self) -> list[str]:
        root = self.libvirtd.outside(self.directory)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*"))

    def checkpoints(self) -> list[str]:
        return self.libvirtd.virsh("checkpoint-list", self.vm, "--name").split()

    def job_of_libvirt(self) -> str:
        return self.libvirtd.try_run(["virsh", "backup-dumpxml", self.vm]).stdout.strip()

    def read(self, disk: Result) -> Path:
        """All of an exported disk, by another program, from where nothing is known of it."""
        raw = self.folder / "read.raw"
        self.libvirtd.run(["qemu-img", "convert", "-O", "raw", disk["uri"], str(raw)])
        return self.libvirtd.outside(raw)

    def written(self, disk: Result) -> list[tuple[int, int]]:
        """What was written since the checkpoint, by the bitmap of the export."""
        path = disk["uri"].partition("socket=")[2]
        image = f"driver=nbd,server.type=unix,server.path={path},export={disk['target']}"
        asked = f"{image},x-dirty-bitmap={disk['bitmap']}"
        told = self.libvirtd.run(["qemu-img", "map", "--output=json", "--image-opts", asked])
        # QEMU shows what is dirty as what is not there.
        return [(one["start"], one["length"]) for one in json.loads(told) if not one["data"]]

    def held(self) -> str:
        """What is on the disk of a guest that stands still."""
        image, raw = self.libvirtd.outside(self.image()[0]), self.folder / "held.raw"
        copy = ["qemu-img", "convert", "-U", "-O", "raw", str(image)]
        subprocess.run([*copy, str(self.libvirtd.outside(raw))], check=True)
        return digest(self.libvirtd.outside(raw))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def guest(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path
) -> Iterator[Exported]:
    guest = Exported(libvirtd, modules, prefix, images)
    guest.start_counting(ballast_mib=4)
    yield guest
    libvirtd.try_run(["virsh", "destroy", guest.vm])


def test_what_is_read_is_of_one_moment(guest: Exported) -> None:
    guest.libvirtd.virsh("suspend", guest.vm)
    held = guest.held()
    full = guest.export(checkpoint="monday")
    [disk] = full["export"]["disks"].values()
    guest.libvirtd.virsh("resume", guest.vm)
    guest.counts_on(0)
    assert digest(guest.read(disk)) == held, "the guest went on, and it is of the moment before"
    listed = guest.libvirtd.run(["qemu-nbd", "--list", "-k", disk["uri"].partition("socket=")[2]])
    assert f"export: '{disk['target']}'" in listed
    assert "was begun with another; end it first" in guest.refused_export(checkpoint="tuesday")
    guest.export(state="absent", keep_checkpoint=True)
    assert (guest.checkpoints(), guest.left(), guest.job_of_libvirt()) == (["monday"], [], "")
    guest.write(f"write -P 9 {COUNTS_MIB + 2}M 1M")
    guest.libvirtd.virsh("suspend", guest.vm)
    held = guest.held()
    since = guest.export(since="monday", checkpoint="tuesday")
    [disk] = since["export"]["disks"].values()
    guest.libvirtd.virsh("resume", guest.vm)
    guest.counts_on(0)
    assert digest(guest.read(disk)) == held
    at = (COUNTS_MIB + 2) * MIB
    assert any(start <= at and at + MIB <= start + size for start, size in guest.written(disk))
    assert sum(size for _start, size in guest.written(disk)) < (COUNTS_MIB + 4) * MIB
    guest.export(state="absent")
    assert guest.checkpoints() == ["monday"], "a reader that failed loses nothing"
    guest.export(since="monday", checkpoint="tuesday")
    guest.export(state="absent", keep_checkpoint=True, remove_since=True)
    assert (guest.checkpoints(), guest.left()) == (["tuesday"], [])
    at_an_address(guest)
    stopped(guest)


def at_an_address(guest: Exported) -> None:
    done = guest.export(address="127.0.0.1", port=10809)
    [disk] = done["export"]["disks"].values()
    assert disk["uri"] == "nbd://127.0.0.1:10809/vda"
    assert "whoever reaches 127.0.0.1:10809" in str(done["warnings"])
    assert counted(guest.read(disk), COUNTS_MIB) > 0
    guest.export(state="absent")


def stopped(guest: Exported) -> None:
    """The export ends with the VM, and what was noted of it goes by the next run."""
    guest.export(since="tuesday", checkpoint="wednesday")
    guest.libvirtd.virsh("destroy", guest.vm)
    assert "is stopped" in guest.refused_export()
    guest.export(state="absent")
    assert (guest.checkpoints(), guest.left()) == (["tuesday"], [])


def test_what_is_interrupted_or_of_others(guest: Exported) -> None:
    of_others(guest)
    args = guest.asked(checkpoint="monday")
    for when in ("noted", "begun", "restarted"):
        process = start_module("vm_backup_export", args, on=guest.libvirtd)
        noted = guest.libvirtd.outside(guest.directory / f"{guest.vm}.export" / "export.json")
        # A libvirt that is restarted while it begins a backup never ends it.
        reached = {
            "noted": noted.exists,
            "begun": lambda: guest.checkpoints() != [],
            "restarted": lambda: guest.job_of_libvirt() != "",
        }
        wait_until(reached[when], 60, when)
        kill_module(process)
        process.communicate()
        if when == "restarted":
            guest.libvirtd.restart()
        done = guest.export(checkpoint="monday")
        [disk] = done["export"]["disks"].values()
        assert counted(guest.read(disk), COUNTS_MIB) > 0
        guest.export(state="absent")
        assert (guest.checkpoints(), guest.left(), guest.job_of_libvirt()) == ([], [], "")


def of_others(guest: Exported) -> None:
    """A job of another program goes on, whatever is declared."""
    server = "<server transport='tcp' name='127.0.0.1' port='10810'/>"
    job = guest.libvirtd.outside(guest.folder / "job.xml")
    job.write_text(f"<domainbackup mode='pull'>{server}</domainbackup>")
    guest.libvirtd.virsh("backup-begin", guest.vm, str(guest.folder / "job.xml"))
    assert "a backup of the VM is under way" in guest.refused_export()
    assert not guest.run("vm_backup_export", **guest.asked(state="absent"))["changed"]
    assert "port='10810'" in guest.job_of_libvirt(), "it goes on"
    guest.libvirtd.virsh("domjobabort", guest.vm)
    wait_until(lambda: guest.job_of_libvirt() == "", 60, "the job of others to end")
    barred = guest.refused_export(socket=str(guest.folder / "s"), checkpoint="monday")
    assert "QEMU cannot make the socket" in barred, "and nothing is left of it"
    nodes = guest.monitor("query-named-block-nodes")
    [top] = [
        one["node-name"]
        for one in nodes
        if one["file"] == guest.image()[0] and one["drv"] == "qcow2"
    ]
    guest.monitor("block-dirty-bitmap-add", node=top, name="sunday", persistent=True)
    assert "sunday" in guest.refused_export(checkpoint="sunday")
    assert guest.bitmaps() == ["sunday"], "of another program, which is none of libvirt's"
    guest.monitor("block-dirty-bitmap-remove", node=top, name="sunday")
    socket = guest.folder / "taken"
    guest.libvirtd.outside(socket).write_text("of others")
    assert "QEMU would replace it" in guest.refused_export(socket=str(socket))
    guest.libvirtd.virsh("checkpoint-create-as", guest.vm, "others")
    assert "there is a checkpoint others already" in guest.refused_export(checkpoint="others")
    guest.libvirtd.virsh("checkpoint-delete", guest.vm, "others")
