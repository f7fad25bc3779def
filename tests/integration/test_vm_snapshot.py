"""Snapshots that are taken, described, removed and gone back to, on a real libvirtd."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from support.guest import CHANNEL, COMMAND_LINE, TinyGuest, provide
from support.image_site import ImageSite
from support.module_process import kill_module, start_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

Args = dict[str, Any]
Result = dict[str, Any]


class Snapshots(ImageSite):
    """A VM whose snapshots are declared."""

    def snap(self, name: str, **options: Any) -> Result:
        """Declare a snapshot: the run does what check mode said, which changed nothing."""
        args = {"vm": self.vm, "name": name, **options}
        before = self.seen()
        predicted = self.run("vm_snapshot", check=True, **args)
        assert self.seen() == before
        done = self.run("vm_snapshot", **args)
        assert predicted["plan"] == done["plan"]
        if options.get("state") != "reverted":
            again = self.run("vm_snapshot", **args)
            assert (again["changed"], again["plan"]) == (False, []), again
        return done

    def seen(self) -> tuple[Any, ...]:
        names = self.names()
        records = [self.virsh("snapshot-dumpxml", self.vm, name) for name in names]
        return self.files(), self.virsh("dumpxml", self.vm), records

    def names(self) -> list[str]:
        return self.virsh("snapshot-list", self.vm, "--name", "--topological").split()

    def inside(self, path: str) -> str:
        return self.libvirtd.run(["qemu-img", "snapshot", "-U", "-l", path])

    def busy(self, args: Args, state: str) -> bool:
        done = self.modules.run("vm_snapshot", {**args, "state": state}, True)
        return bool(done.get("failed"))

    def refused_snap(self, name: str, **options: Any) -> str:
        return self.refused("vm_snapshot", vm=self.vm, name=name, **options)


@pytest.fixture
def site(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> Snapshots:
    return Snapshots(libvirtd, modules, prefix, images)


def fields(done: Result) -> dict[str, Any]:
    return {change["field"]: change["after"] for change in done["plan"]}


def test_one_of_a_stopped_vm_is_inside_of_its_disk(site: Snapshots) -> None:
    site.declare(state="stopped")
    done = site.snap("s1", description="the first")
    assert fields(done)["format"] == "internal"
    assert "s1" in site.inside(site.base) and site.names() == ["s1"]
    assert done["vm_snapshot"]["description"] == "the first"
    assert fields(site.snap("s1", description="another")) == {"description": "another"}
    assert "another" in site.virsh("snapshot-dumpxml", site.vm, "s1")
    assert site.virsh("snapshot-current", site.vm, "--name").strip() == "s1"
    assert not site.declare(state="stopped")["changed"]
    assert "without the memory" in site.refused_snap("s1", memory=True)
    assert "is internal" in site.refused_snap("s1", format="external")
    site.snap("s1", state="reverted")
    site.snap("s1", state="absent")
    assert "s1" not in site.inside(site.base) and site.names() == []
    assert not site.declare(state="stopped")["changed"]


def test_one_of_a_running_vm_is_an_overlay_and_is_merged(site: Snapshots) -> None:
    site.declare(state="paused")
    overlay = f"{site.folder}/{site.vm}-root.s1"
    done = site.snap("s1")
    assert fields(done)["disks.root"] == overlay and fields(done)["format"] == "external"
    assert site.sources() == {overlay}
    assert not site.declare(state="paused")["changed"]
    second = fields(site.snap("s2"))["disks.root"]
    assert site.names() == ["s1", "s2"]
    site.snap("s1", state="absent")
    assert site.names() == ["s2"] and site.sources() == {second}
    assert Path(overlay).name not in site.files()
    assert not site.declare(state="paused")["changed"]
    site.virsh("destroy", site.vm)
    site.snap("s2", state="absent")
    assert site.sources() == {site.base} and site.files() == {Path(site.base).name}
    assert site.xml().find("status") is None
    assert "shut off" in site.virsh("domstate", site.vm)
    assert not site.declare(state="stopped")["changed"]


def test_what_an_overlay_stands_on_is_left_alone(site: Snapshots) -> None:
    site.declare(state="paused")
    overlay = fields(site.snap("s1"))["disks.root"]
    volume = {"pool": site.pool, "name": Path(site.base).name}
    assert "is used by" in site.refused("storage_volume", **volume, state="absent")
    refused = site.refused("storage_volume", **volume, capacity="20MiB")
    assert overlay in refused or site.vm in refused
    [told] = site.run("vm_info", names=[site.vm])["vms"]
    assert told["snapshots"][0]["disks"] == {"vda": overlay}
    clone = {"pool": site.pool, "name": "clone.qcow2", "format": "qcow2"}
    site.run("storage_volume", **clone, backing={"volume": Path(site.base).name})
    assert "clone.qcow2, for which it would be another" in site.refused_snap("s1", state="absent")
    site.run("storage_volume", **clone, state="absent")
    site.snap("s1", state="absent")
    assert site.sources() == {site.base}


def test_a_file_that_is_there_is_not_written_over(site: Snapshots) -> None:
    site.declare(state="paused")
    path = site.image(f"{site.vm}-root.s1")
    assert f"{path} is there already" in site.refused_snap("s1")
    site.snapshot("s2", "--no-metadata")
    assert "of which libvirt has no record" in site.refused_snap("s2")


def test_what_others_merged_leaves_a_record_that_goes(site: Snapshots) -> None:
    site.declare(state="paused")
    site.snap("s1")
    merge = ("blockcommit", site.vm, "vda", "--active", "--pivot", "--wait", "--delete")
    site.virsh(*merge)
    done = site.snap("s1", state="absent")
    assert list(fields(done)) == ["state"] and site.sources() == {site.base}


def test_files_are_put_where_that_is_declared(site: Snapshots) -> None:
    """And one with the memory has a file for that, which libvirt 9.0 leaves."""
    site.declare(state="paused")
    site.virsh("resume", site.vm)
    elsewhere = str(site.folder.parent)
    options = {"format": "external", "memory": True, "folder": elsewhere}
    done = fields(site.snap("s1", **options))
    assert done["memory"] == f"{elsewhere}/{site.vm}.s1.memory"
    assert site.sources() == {f"{elsewhere}/{site.vm}-root.s1"}
    site.snap("s1", state="absent")
    assert site.sources() == {site.base}


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_module_that_is_killed_is_followed_up(site: Snapshots, state: str) -> None:
    site.declare(state="paused")
    for number, delay in enumerate((0.5, 0.8, 1.1)):
        args = {"vm": site.vm, "name": f"s{number}"}
        if state == "absent":
            site.snap(f"s{number}")
        process = start_module("vm_snapshot", {**args, "state": state}, on=site.libvirtd)
        time.sleep(delay)
        kill_module(process)
        process.communicate()
        wait_until(lambda args=args: not site.busy(args, state), 60, "libvirt to be done")
        site.snap(f"s{number}", state=state)
    assert site.names() == (["s0", "s1", "s2"] if state == "present" else [])
    assert not site.declare(state="paused")["changed"]


@pytest.mark.boots_guest
@pytest.mark.long(touched_by="kinds/vm_snapshot/|kinds/vm/snapshots|test_vm_snapshot")
def test_a_guest_has_what_it_wrote_or_what_it_had(site: Snapshots) -> None:
    provide(site.libvirtd.outside(site.folder))
    kernel, initrd = f"{site.folder}/vmlinuz", f"{site.folder}/initramfs.img"
    boots = {
        "memory": {"size": "256MiB"},
        "boot": {"kernel": kernel, "initrd": initrd, "cmdline": COMMAND_LINE},
        "channels": [{"name": CHANNEL}],
    }
    site.declare(**boots, state="running")
    guest = TinyGuest(site.vm, site.libvirtd.uri, site.libvirtd.outside)
    guest.wait_ready()
    guest.write("vda", 0, 4, "before")
    site.snap("merged")
    written = guest.write("vda", 0, 4, "since")
    site.snap("merged", state="absent")
    assert site.sources() == {site.base} and guest.checksum("vda", 0, 4) == written
    boot = guest.report()["boot_id"]
    site.snap("whole", memory=True)
    lost = guest.write("vda", 0, 4, "lost")
    assert guest.checksum("vda", 0, 4) == lost
    done = site.snap("whole", state="reverted")
    assert fields(done)["disks.vda"] == "whole"
    assert guest.checksum("vda", 0, 4) == written
    assert guest.report()["boot_id"] == boot
    assert not site.declare(**boots, state="running")["changed"]
    site.virsh("destroy", site.vm)
    site.snap("whole", state="absent")
    assert "whole" not in site.inside(site.base)
    assert not site.declare(**boots, state="stopped")["changed"]
