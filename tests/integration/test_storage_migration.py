"""A disk moves between pools: live under a guest that writes, off, with what it stands on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.guest_disks import GuestDisk
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

pytestmark = pytest.mark.long(
    touched_by=r"plugins/(modules/storage_migration\.py|module_utils/(run/moving_disks"
    r"|moving/(disks/|volume_there|applier_disks|spots|fate\.)))"
    r"|tests/support/(guest_disks|counting_guest)"
)


@pytest.fixture
def guest(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path
) -> Iterator[GuestDisk]:
    guest = GuestDisk(libvirtd, modules, prefix, images)
    yield guest
    libvirtd.try_run(["virsh", "destroy", guest.vm])


def rows(done: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {row["field"]: (row["before"], row["after"]) for row in done["plan"]}


def backing(guest: GuestDisk) -> str:
    """What the image of the disk says that it stands on."""
    image = str(guest.libvirtd.outside(guest.image()[0]))
    told = subprocess.run(
        ["qemu-img", "info", "-U", image], check=True, capture_output=True, text=True
    ).stdout
    lines = [line for line in told.splitlines() if line.startswith("backing file:")]
    return lines[0].split(": ")[1].split(" (")[0] if lines else ""


def test_live_to_raw_and_back_to_qcow2(guest: GuestDisk) -> None:
    guest.start_counting(ballast_mib=2)
    before = guest.counted()
    done = guest.move(format="raw")
    assert done["mode"] == "live" and done["statistics"]["copied_bytes"] > 2**20
    raw = guest.folder / guest.fast / f"{guest.vm}-root.raw"
    assert guest.image() == (str(raw), "raw")
    guest.counts_on(at_least=before)
    guest.has_its_ballast()
    assert guest.outside(guest.slow, "root.qcow2").exists()
    told = guest.modules.run("vm", guest.declared(), True)
    assert "kvm.fleet.storage_migration moved it" in told["msg"] and raw.name in told["msg"]
    assert not guest.run("vm", **guest.declared(done["disk"]["declare"]))["changed"]
    before = guest.counted()
    home = {"pool": guest.slow, "volume": "again.qcow2", "format": "qcow2"}
    back = guest.move(**home, remove_source_storage=True)
    guest.counts_on(at_least=before)
    guest.has_its_ballast()
    assert guest.image()[1] == "qcow2" and not guest.outside(guest.fast, raw.name).exists()
    assert not guest.run("vm", **guest.declared(back["disk"]["declare"]))["changed"]


def test_a_linked_clone_stays_one_or_becomes_a_disk_of_its_own(guest: GuestDisk) -> None:
    guest.start_counting()
    guest.libvirtd.virsh("destroy", guest.vm)
    base = guest.outside(guest.slow, "base.qcow2")
    guest.outside(guest.slow, "root.qcow2").rename(base)
    below = str(guest.folder / guest.slow / "base.qcow2")
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below]
    guest.libvirtd.run([*make, str(guest.folder / guest.slow / "root.qcow2")])
    guest.libvirtd.virsh("pool-refresh", guest.slow)
    guest.declare(state="running")
    kept = guest.move()
    assert (kept["disk"]["how"], kept["mode"]) == ("layer", "live")
    assert backing(guest) == below
    guest.libvirtd.virsh("destroy", guest.vm)
    flat = guest.move(volume="flat.qcow2", remove_source_storage=True)
    assert (flat["disk"]["how"], flat["mode"]) == ("flattened", "offline")
    assert backing(guest) == ""
    before = guest.counted()
    assert before > 3, "it has what was in the image below"
    assert guest.files() == ["fast/flat.qcow2", "slow/base.qcow2", "slow/root.qcow2"]
    base.unlink()
    guest.libvirtd.virsh("pool-refresh", guest.slow)
    guest.declare(disk=flat["disk"]["declare"], state="running")
    wait_until(lambda: guest.counted() > before, 120.0, "the guest to count anew")


LAID_OUT = {"cluster_size": "128k", "extended_l2": "on", "lazy_refcounts": "on"}


def test_a_disk_is_laid_out_there_as_it_was(guest: GuestDisk) -> None:
    """Off, and live. Then once more one of the oldest version of the format."""
    guest.lay_out(**LAID_OUT)
    was = ("1.1", 128 * 1024, True, True)
    guest.declare(state="stopped")
    off = guest.move(remove_source_storage=True)
    assert (off["mode"], guest.layout()) == ("offline", was)
    note = "laid out as now: cluster_size 128KiB, lazy_refcounts, extended_l2"
    assert [row["note"] for row in off["plan"] if row.get("note") == note]
    guest.declare(disk=off["disk"]["declare"], state="running")
    live = guest.move(pool=guest.slow, volume="back.qcow2", remove_source_storage=True)
    assert (live["mode"], guest.layout()) == ("live", was)
    guest.libvirtd.virsh("destroy", guest.vm)
    guest.lay_out(compat="0.10", cluster_size="4k")
    guest.libvirtd.virsh("undefine", guest.vm)
    guest.libvirtd.virsh("pool-refresh", guest.slow)
    guest.declare(state="stopped")
    guest.move()
    assert guest.layout() == ("0.10", 4096, False, False)


def test_a_vm_of_others_is_moved_off_and_left_to_the_letter(guest: GuestDisk) -> None:
    path = f"{guest.folder}/{guest.slow}/root.raw"
    guest.libvirtd.run(["qemu-img", "create", "-q", "-f", "raw", path, "10M"])
    guest.libvirtd.virsh("pool-refresh", guest.slow)
    text = f"""<domain type='qemu'><name>{guest.vm}</name><memory unit='MiB'>32</memory>
        <metadata><x:note xmlns:x='urn:example'>kept</x:note></metadata>
        <os><type arch='x86_64' machine='pc'>hvm</type></os><devices>
        <disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>
        <source file='{path}'/><target dev='vda' bus='virtio'/></disk></devices></domain>"""
    guest.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text)
    before = guest.libvirtd.virsh("dumpxml", guest.vm, "--inactive")
    done = guest.move(disk="vda", format="qcow2", remove_source_storage=True)
    assert rows(done)["disks.vda.format"] == ("raw", "qcow2")
    there = f"{guest.folder}/{guest.fast}/{guest.vm}-vda.qcow2"
    after = before.replace(path, there).replace("type='raw'", "type='qcow2'")
    assert guest.libvirtd.virsh("dumpxml", guest.vm, "--inactive") == after
    assert guest.files() == [f"fast/{guest.vm}-vda.qcow2"]
