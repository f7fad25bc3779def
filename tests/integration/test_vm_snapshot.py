"""Snapshots that are taken, described, removed and gone back to, on a real libvirtd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.image_site import ImageSite
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

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
