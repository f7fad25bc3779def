"""Backups of a guest that counts, on a real libvirtd, and what is in them by qemu-img alone."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.counting_guest import counted
from support.guest_disks import COUNTS_MIB, GuestDisk
from support.module_process import kill_module, signal_module, start_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

pytestmark = pytest.mark.long(
    touched_by=r"plugins/(modules/vm_(backup|restore)|module_utils/(run/(backing_up|restoring)"
    r"|kinds/vm_(backup|restore)/))"
    r"|tests/(integration/test_vm_backup|support/(guest_disks|counting_guest))"
)
MIB = 2**20
MOVED_MIB = 120  # QEMU copies 64 MiB at once, whatever the bandwidth
Result = dict[str, Any]


class BackedUp(GuestDisk):
    """A VM, and a folder for its backups."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.directory = self.folder / "backup"
        self.outside_of("").mkdir()

    def _add_ballast(self, image: Path, mib: int, write: str) -> None:
        subprocess.run(["qemu-img", "resize", "-q", str(image), f"{COUNTS_MIB + mib}M"], check=True)
        fill = ["qemu-io", "-f", "qcow2", "-c", f"{write} -P 7 {COUNTS_MIB}M {mib}M", str(image)]
        subprocess.run(fill, check=True, capture_output=True)

    def outside_of(self, *parts: str) -> Path:
        """Something of the folder, as it is reached from here."""
        return self.libvirtd.outside(self.directory.joinpath(*parts))

    def asked(self, **options: Any) -> Result:
        return {"vm": self.vm, "directory": str(self.directory), **options}

    def back_up(self, **options: Any) -> Result:
        """Make one: the run does what check mode said, which changed nothing."""
        return self.as_planned("vm_backup", **self.asked(**options))

    def restore(self, **options: Any) -> Result:
        """Restore one: the run does what check mode said, which changed nothing."""
        args = self.asked(**options)
        before = self.all_seen()
        planned = self.run("vm_restore", check=True, **args)
        assert self.all_seen() == before, "check mode has no effect"
        done = self.run("vm_restore", **args)
        for said in ("plan", "diff", "summary", "changed", "vm"):
            assert planned[said] == done[said], said
        again = self.run("vm_restore", **{**args, "overwrite": False})
        assert (again["changed"], again["plan"]) == (False, [])
        return done

    def all_seen(self) -> tuple[Any, ...]:
        listed = self.libvirtd.virsh("list", "--all", "--name")
        return listed, self.tree(), self.files()

    def counted_at(self, path: str) -> int:
        return counted(self.libvirtd.outside(path), COUNTS_MIB)

    def refused_backup(self, **options: Any) -> str:
        before = self.seen()
        done = self.modules.run("vm_backup", self.asked(**options), False)
        assert done.get("failed") and self.seen() == before
        return str(done["msg"])

    def seen(self) -> tuple[Any, ...]:
        return self.definitions(), self.tree(), self.checkpoints()

    def tree(self) -> list[str]:
        root = self.outside_of(self.vm)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*"))

    def names(self) -> list[str]:
        """The folders of backups, half-made ones too."""
        return sorted(p for p in {path.split("/")[0] for path in self.tree()} if p[0] != ".")

    def checkpoints(self) -> list[str]:
        return self.libvirtd.virsh("checkpoint-list", self.vm, "--name").split()

    def counted_in(self, done: Result) -> int:
        """How far the guest had counted, by the copy of its disk alone."""
        return counted(self.outside_of(self.vm, done["backup"]["name"], "vda.qcow2"), COUNTS_MIB)

    def byte_at(self, done: Result, mib: int) -> bytes:
        """What is at some place of the disk in a backup."""
        copy = self.outside_of(self.vm, done["backup"]["name"], "vda.qcow2")
        raw = copy.with_name("seen")
        subprocess.run(["qemu-img", "convert", "-O", "raw", str(copy), str(raw)], check=True)
        found = raw.read_bytes()[mib * MIB : mib * MIB + 1]
        raw.unlink()
        return found

    def kill_qemu(self) -> None:
        pid = self.libvirtd.outside(f"/run/libvirt/qemu/{self.vm}.pid").read_text().strip()
        self.libvirtd.run(["bash", "-c", f"kill -KILL {pid}"])
        wait_until(lambda: "shut off" in self.state(), 60, "libvirt to see that QEMU is gone")

    def state(self) -> str:
        return self.libvirtd.virsh("domstate", self.vm)


@pytest.fixture
def guest(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path
) -> Iterator[BackedUp]:
    guest = BackedUp(libvirtd, modules, prefix, images)
    yield guest
    libvirtd.try_run(["virsh", "destroy", guest.vm])
    libvirtd.try_run(["virsh", "undefine", f"{guest.vm}2"])


def modes(done: Result) -> dict[str, Any]:
    return {row["field"]: row["after"] for row in done["plan"] if row["field"].startswith("disks")}


def note(done: Result) -> str:
    [found] = [row["note"] for row in done["plan"] if row["field"] == "disks.root"]
    return str(found)


def test_a_guest_that_counts_is_whole_at_each_point(guest: BackedUp) -> None:
    guest.start_counting(ballast_mib=2)
    guest.libvirtd.virsh("autostart", guest.vm)
    before = guest.counted()
    full = guest.back_up()
    assert modes(full) == {"disks.root": "full"}
    assert guest.counted_in(full) >= before and guest.byte_at(full, COUNTS_MIB) == b"\7"
    guest.write(f"write -z -u {COUNTS_MIB}M 1M")
    guest.counts_on(guest.counted_in(full))
    first = guest.back_up(name="first")
    assert modes(first) == {"disks.root": "incremental"}
    assert first["statistics"]["copied_bytes"] < 2 * MIB
    assert guest.byte_at(first, COUNTS_MIB) == b"\0", "what is zero since then is not from below"
    assert guest.byte_at(first, COUNTS_MIB + 1) == b"\7" == guest.byte_at(full, COUNTS_MIB)
    guest.libvirtd.virsh("destroy", guest.vm)
    guest.declare(state="running")
    wait_until(lambda: guest.counted() > 0, 120.0, "the guest to count")
    second = guest.back_up(mode="incremental")
    assert second["backup"]["parent"] == "first", "QEMU kept its bitmap over a restart"
    assert guest.counted_in(full) < guest.counted_in(first) <= guest.counted_in(second)
    assert not guest.run("vm_backup", **guest.asked(name="first"))["changed"]
    assert not guest.run("vm_backup", **guest.asked(max_age="1h"))["changed"]
    assert len(guest.checkpoints()) == 1 and len(guest.names()) == 3
    for one in second["backups"]:
        [copy] = one["disks"].values()
        path = guest.outside_of(guest.vm, one["name"], copy["file"])
        assert hashlib.sha256(path.read_bytes()).hexdigest() == copy["sha256"]
    goes_full_by_itself(guest)
    is_restored(guest, [full, first, second])


def is_restored(guest: BackedUp, points: list[Result]) -> None:
    """The disk is lost, and the guest has what it had at each point, as itself and as another."""
    refused = guest.modules.run("vm_restore", guest.asked(overwrite=True), False)
    assert "is running; stop it first" in refused["msg"]
    guest.libvirtd.virsh("destroy", guest.vm)
    image = guest.outside(guest.slow, "root.qcow2")
    image.write_bytes(b"lost")
    assert "overwrite: true" in guest.modules.run("vm_restore", guest.asked(), False)["msg"]
    for one in reversed(points):
        guest.restore(backup=one["backup"]["name"], overwrite=True)
        assert guest.counted() == guest.counted_in(one)
        assert guest.checkpoints() == []
    assert not guest.run("vm", **guest.declared())["changed"], "it is as it was declared"
    other = guest.restore(backup="first", name=f"{guest.vm}2", pool=guest.fast)
    path = other["vm"]["disks"]["root"]["path"]
    assert guest.counted_at(path) == guest.counted_in(points[1])
    guest.libvirtd.virsh("undefine", guest.vm)
    image.unlink()
    guest.restore(state="running")
    assert "enable" in guest.libvirtd.virsh("dominfo", guest.vm).partition("Autostart:")[2]
    guest.counts_on(0)
    damaged(guest, points[0])


def damaged(guest: BackedUp, one: Result) -> None:
    """What is damaged is seen before anything is touched."""
    copy = guest.outside_of(guest.vm, one["backup"]["name"], "vda.qcow2")
    whole = copy.read_bytes()
    copy.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    before = guest.all_seen()
    args = guest.asked(backup="first", name=f"{guest.vm}3", pool=guest.fast)
    refused = guest.modules.run("vm_restore", args, False)
    assert "is damaged, by its checksum" in refused["msg"]
    assert guest.all_seen() == before
    copy.write_bytes(whole)


def goes_full_by_itself(guest: BackedUp) -> None:
    guest.kill_qemu()
    guest.declare(state="running")
    assert "QEMU's bitmap" in guest.refused_backup(mode="incremental")
    done = guest.back_up()
    assert modes(done) == {"disks.root": "full"} and "QEMU's bitmap" in note(done)
    assert len(guest.checkpoints()) == 1
    lost = next(one for one in done["backups"] if not one["parent"])
    guest.outside_of(guest.vm, done["backup"]["name"], "vda.qcow2").unlink()
    again = guest.back_up()
    assert "the chain has a gap" in note(again) and lost["name"] in guest.names()
    named = guest.back_up(name="last", mode="full", keep=1)
    gone = [row["field"] for row in named["plan"] if row["after"] == "absent"]
    assert f"backups.{again['backup']['name']}" in gone and "first" in guest.names()
    assert not guest.run("vm_backup", **guest.asked(name="last", keep=1))["changed"]


def test_a_disk_is_laid_out_as_it_was(guest: BackedUp) -> None:
    """As the manifest says; with one that does not say it, as QEMU makes an image."""
    guest.lay_out(cluster_size="128k", extended_l2="on", lazy_refcounts="on")
    was = ("1.1", 128 * 1024, True, True)
    guest.declare(state="stopped")
    made = guest.back_up(name="one")
    guest.outside(guest.slow, "root.qcow2").unlink()
    done = guest.restore(overwrite=True)
    assert guest.layout() == was
    assert note(done).endswith(
        "; laid out as it was: cluster_size 128KiB, lazy_refcounts, extended_l2"
    )
    manifest = guest.outside_of(guest.vm, made["backup"]["name"], "manifest.json")
    said = json.loads(manifest.read_text())
    for disk in said["disks"]:
        del disk["layout"]
    manifest.write_text(json.dumps(said))
    guest.restore(overwrite=True)
    assert guest.layout() == ("1.1", 64 * 1024, False, False)
    assert not guest.run("vm", **guest.declared())["changed"]


def test_overlays_that_the_vm_has_left_do_not_stand_in_the_way(guest: BackedUp) -> None:
    """libvirt lists them as volumes that stand on the image. What was made since does stand so."""
    guest.lay_out(compat="1.1")
    guest.declare(state="stopped")
    guest.back_up(name="one")
    overlays = [str(guest.folder / guest.slow / f"root.{name}") for name in ("s1", "s2")]
    for name in ("s1", "s2"):
        guest.libvirtd.virsh("snapshot-create-as", guest.vm, name, "--disk-only")
    clone = overlay_on(guest, overlays[1], "clone.qcow2")
    assert f"storage_volume/{guest.slow}/clone.qcow2" in refused_restore(guest)
    clone.unlink()
    guest.libvirtd.virsh("pool-refresh", guest.slow)
    for _time in ("first", "again"):
        done = guest.restore(overwrite=True)
        kept = [row["field"] for row in done["plan"] if row["after"] == "kept"]
        assert sorted(kept) == [f"images.{path}" for path in overlays]
        guest.libvirtd.virsh("pool-refresh", guest.slow)
    overlay_on(guest, str(guest.folder / guest.slow / "root.qcow2"), "root.s1")
    assert f"storage_volume/{guest.slow}/root.s1" in refused_restore(guest)


def overlay_on(guest: BackedUp, path: str, name: str) -> Path:
    """An image that stands on another, as libvirt lists it, too."""
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", path]
    guest.libvirtd.run([*make, str(guest.folder / guest.slow / name)])
    guest.libvirtd.virsh("pool-refresh", guest.slow)
    return guest.outside(guest.slow, name)


def refused_restore(guest: BackedUp) -> str:
    before = guest.all_seen()
    done = guest.modules.run("vm_restore", guest.asked(overwrite=True), False)
    assert done.get("failed") and guest.all_seen() == before
    return str(done["msg"])


def too_late(guest: BackedUp, slow: dict[str, Any]) -> Result:
    """A backup that has one second. QEMU may have copied all before it is told the bandwidth."""
    for _each in range(20):
        done = guest.modules.run("vm_backup", {**slow, "timeout_s": 1}, False)
        if done.get("failed"):
            return done
        guest.run("vm_backup", **guest.asked(name=done["backup"]["name"], state="absent"))
    raise AssertionError("QEMU was always faster")


def copying(guest: BackedUp, slow: dict[str, Any]) -> subprocess.Popen[str]:
    """A run whose backup is being copied; another one where QEMU was faster than the look at it."""
    for _each in range(20):
        guest.write(f"write -P 7 {COUNTS_MIB}M {MOVED_MIB}M")
        process = start_module("vm_backup", slow, on=guest.libvirtd)
        if copies(guest, process):
            return process
        process.communicate()
    raise AssertionError("QEMU was always faster")


def copies(guest: BackedUp, process: subprocess.Popen[str]) -> bool:
    """Whether libvirt is seen to copy before the run has ended. A libvirt that is restarted while
    it only begins with that never ends it."""

    def begun() -> bool:
        return guest.libvirtd.try_run(["virsh", "backup-dumpxml", guest.vm]).returncode == 0

    wait_until(lambda: begun() or process.poll() is not None, 60, "libvirt to copy")
    return process.poll() is None


def test_what_is_interrupted_leaves_no_backup_and_no_gap(guest: BackedUp) -> None:
    guest.start_counting(ballast_mib=MOVED_MIB)
    slow = guest.asked(bandwidth="1MiB/s")
    late = too_late(guest, slow)
    assert "was not done within 1 s" in late["msg"] and "(timeout_s)" in late["msg"]
    assert (guest.names(), guest.checkpoints()) == ([], [])
    first = done = guest.back_up()
    for killed in ("module", "libvirtd"):
        process = copying(guest, slow)
        signal_module(process, signal.SIGSTOP)  # so that nobody but the other run could write
        assert "is at work in" in guest.refused_backup()
        kill_module(process)
        process.communicate()
        if killed == "libvirtd":
            guest.libvirtd.restart()
        assert [name for name in guest.names() if name.endswith(".partial")]
        done = guest.back_up()
        assert modes(done) == {"disks.root": "incremental"}
        fields = {row["field"].partition(".")[0] for row in done["plan"]}
        assert {"backups", "checkpoints"} <= fields
        assert not [name for name in guest.names() if name.endswith(".partial")]
        assert len(guest.checkpoints()) == 1
    assert done["backup"]["parent"] and first["backup"]["name"] in guest.names()
    assert guest.byte_at(done, COUNTS_MIB + MOVED_MIB - 1) == b"\7"
    guest.libvirtd.virsh("destroy", guest.vm)
    off = guest.back_up()
    assert off["backup"]["how"] == "off" and guest.counted_in(off) == guest.counted()
    assert guest.counted_in(first) < guest.counted_in(done) <= guest.counted_in(off)
    assert not guest.run("vm_backup", **guest.asked())["changed"]
    is_restored_in_the_end(guest, done)


def test_what_qemu_holds_of_a_lost_backup_does_not_stand_in_the_way(guest: BackedUp) -> None:
    """As where libvirtd was killed in the moment in which QEMU had begun it."""
    guest.start_counting(ballast_mib=MOVED_MIB)
    guest.back_up()
    nodes = guest.monitor("query-named-block-nodes")
    [top] = [one["node-name"] for one in nodes if one.get("dirty-bitmaps")]
    guest.monitor("block-dirty-bitmap-add", node=top, name="backup-vda")
    done = guest.back_up()
    assert modes(done) == {"disks.root": "incremental"}
    assert done["statistics"]["cleared"] == ["backup-vda"]
    assert guest.back_up()["statistics"]["cleared"] == []
    mark = killed_before_libvirt_noted_it(guest)
    guest.monitor("block-dirty-bitmap-add", node=top, name=mark["checkpoint"], persistent=True)
    assert modes(guest.back_up()) == {"disks.root": "incremental"}
    assert guest.bitmaps() == guest.checkpoints() and len(guest.checkpoints()) == 1


def killed_before_libvirt_noted_it(guest: BackedUp) -> dict[str, Any]:
    """What a run leaves that was killed together with libvirtd; its mark."""
    process = copying(guest, guest.asked(bandwidth="1MiB/s"))
    kill_module(process)
    process.communicate()
    [left] = [name for name in guest.names() if name.endswith(".partial")]
    mark = guest.outside_of(guest.vm, left, "mark.json")
    said = json.loads(mark.read_text())
    guest.back_up()
    mark.parent.mkdir()
    mark.write_text(json.dumps(said))
    return said


def is_restored_in_the_end(guest: BackedUp, point: Result) -> None:
    """A run that is killed leaves the VM as it was, as it is to be, or without its disks."""
    args = guest.asked(backup=point["backup"]["name"], overwrite=True)
    before = guest.counted()
    process = start_module("vm_restore", args, on=guest.libvirtd)
    half_made = guest.outside(guest.slow, "root.qcow2.partial")
    wait_until(half_made.exists, 60, "an image to be made")
    kill_module(process)
    process.communicate()
    assert guest.counted() == before, "nothing is touched until all is whole"
    note = guest.outside_of(guest.vm, f".restore-{guest.vm}.json")
    guest.restore(backup=point["backup"]["name"], overwrite=True)
    begun = {**json.loads(note.read_text()), "done": False, "files": [guest.image()[0]]}
    note.write_text(json.dumps(begun))
    text = guest.definitions()[1].replace("root.qcow2'", "root.qcow2.restoring'")
    guest.outside_of("barred.xml").write_text(text)
    guest.libvirtd.virsh("define", str(guest.directory / "barred.xml"))
    uuid = guest.libvirtd.virsh("domuuid", guest.vm).strip()
    mark = ["--key", "fleet-restore", "--set", f"<restore uuid='{uuid}'/>", "--config"]
    guest.libvirtd.virsh("metadata", guest.vm, "urn:kvm.fleet:1:restore", *mark)
    refused = guest.libvirtd.try_run(["virsh", "start", guest.vm])
    assert "root.qcow2.restoring" in refused.stderr, "it is not started with a part of its disks"
    guest.restore(backup=point["backup"]["name"])
    assert guest.counted() == guest.counted_in(point)
    assert not [name for name in guest.files() if name.endswith(".partial")]
