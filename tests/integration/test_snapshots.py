"""Snapshots, overlays and copies that others made of VMs' disks: nothing is planned away."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]
Result = dict[str, Any]


class Site:
    """A pool, and a VM with a disk in it."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, folder: Path
    ) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.vm = f"{prefix}vm"
        self.pool = f"{prefix}pool"
        self.folder = folder / "pool"
        self.base = f"{self.folder}/{self.vm}-root.qcow2"
        self.run("storage_pool", name=self.pool, type="dir", path=str(self.folder))

    def run(self, module: str, check: bool = False, **args: Any) -> Result:
        done = self.modules.run(module, args, check)
        assert not done.get("failed"), done["msg"]
        return done

    def refused(self, module: str = "vm", **args: Any) -> str:
        """What is said in check mode and by a run, which are the same and change nothing."""
        said = [self.modules.run(module, args, check) for check in (True, False)]
        assert all(one.get("failed") for one in said), said
        assert said[0]["msg"] == said[1]["msg"]
        return str(said[1]["msg"])

    def args(self, **options: Any) -> Args:
        disk = {"name": "root", "pool": self.pool, "capacity": "10MiB"}
        base = {"name": self.vm, "virt_type": "qemu", "memory": {"size": "64MiB"}}
        return {**base, "disks": [disk], **options}

    def declare(self, **options: Any) -> Result:
        """Declare the VM: the run does what check mode said, and a second one nothing."""
        args = self.args(**options)
        predicted = self.run("vm", check=True, **args)
        done = self.run("vm", **args)
        assert predicted["plan"] == done["plan"]
        again = self.run("vm", **args)
        assert (again["changed"], again["plan"]) == (False, []), again
        return done

    def virsh(self, *arguments: str) -> str:
        return self.libvirtd.virsh(*arguments)

    def snapshot(self, name: str, *more: str) -> str:
        """Take one as backup tools do, by default with a record in libvirt; the overlay's path."""
        self.virsh("snapshot-create-as", self.vm, name, "--disk-only", *more)
        return f"{self.folder}/{self.vm}-root.{name}"

    def xml(self, *flags: str) -> ET.Element:
        return ET.fromstring(self.virsh("dumpxml", self.vm, *flags))

    def sources(self) -> set[str]:
        """What the disks write to, stored and live."""
        trees = [self.xml(), self.xml("--inactive")]
        return {
            source.get("file", "")
            for tree in trees
            for source in tree.iterfind("devices/disk/source")
        }

    def define(self, *disks: str, name: str = "") -> None:
        """A VM as others make it: without aliases of ours."""
        text = f"""
            <domain type='qemu'><name>{name or self.vm}</name><memory unit='MiB'>64</memory>
            <os><type arch='x86_64' machine='q35'>hvm</type></os>
            <devices>{"".join(disks)}</devices></domain>"""
        self.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text)

    def image(self, name: str, *options: str) -> str:
        path = name if name.startswith("/") else f"{self.folder}/{name}"
        self.libvirtd.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, "10M"])
        self.libvirtd.run(["chmod", "666", path])
        self.virsh("pool-refresh", self.pool)
        return path


def disk(path: str, target: str = "vda", form: str = "qcow2", more: str = "") -> str:
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/>"
        f"<source file='{path}'/><target dev='{target}' bus='virtio'/>{more}</disk>"
    )


@pytest.fixture
def site(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> Site:
    return Site(libvirtd, modules, prefix, images)


# ---- snapshots


@pytest.mark.parametrize("state", ["paused", "stopped"])
@pytest.mark.parametrize("more", [(), ("--no-metadata",)])
def test_a_snapshot_is_not_planned_away(site: Site, state: str, more: tuple[str, ...]) -> None:
    site.declare(state=state)
    overlay = site.snapshot("s1", *more)
    for apply in ("live", "next_boot", "restart"):
        done = site.declare(apply=apply)
        assert (done["changed"], done["plan"], done["pending_restart"]) == (False, [], [])
    warned = str(done["warnings"])
    assert overlay in warned and site.base in warned
    assert site.sources() == {overlay}


def test_a_chain_of_three_is_not_planned_away(site: Site) -> None:
    site.declare(state="paused")
    overlays = [site.snapshot(f"s{number}") for number in (1, 2, 3)]
    assert not site.declare()["changed"]
    assert site.sources() == {overlays[-1]}


def test_a_vm_with_a_snapshot_changes_otherwise(site: Site) -> None:
    site.declare(state="paused")
    overlay = site.snapshot("s1")
    done = site.declare(title="kept", apply="next_boot")
    assert [change["field"] for change in done["plan"]] == ["title"]
    site.virsh("destroy", site.vm)
    assert site.declare(description="kept too")["changed"]
    assert site.sources() == {overlay}


def test_after_a_commit_the_disk_is_as_declared_again(site: Site) -> None:
    site.declare(state="paused")
    site.snapshot("s1")
    site.virsh("blockcommit", site.vm, "vda", "--active", "--pivot", "--wait")
    done = site.declare()
    assert (done["changed"], done.get("warnings", [])) == (False, [])
    assert site.sources() == {site.base}


def test_an_overlay_in_another_folder_is_one_too(site: Site) -> None:
    """And one whose header alone tells the chain, under a relative and a json: name."""
    site.declare(state="stopped")
    elsewhere = str(site.folder.parent / "overlay.qcow2")
    names = (
        site.base,
        f"pool/{site.vm}-root.qcow2",
        f'json:{{"file":{{"driver":"file","filename":"{site.base}"}}}}',
    )
    for name in names:
        site.image(elsewhere, "-b", name, "-F", "qcow2")
        text = site.virsh("dumpxml", site.vm, "--inactive").replace(site.base, elsewhere)
        site.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text)
        assert not site.declare()["changed"], name
        assert site.sources() == {elsewhere}
        site.virsh("start", site.vm, "--paused")
        assert not site.declare()["changed"], name
        site.virsh("destroy", site.vm)


def test_what_a_guest_wrote_into_a_raw_disk_is_no_chain(site: Site) -> None:
    site.declare(state="stopped")
    other = site.image("other.qcow2", "-b", site.base, "-F", "qcow2")
    text = site.virsh("dumpxml", site.vm, "--inactive")
    text = text.replace(site.base, other).replace("type='qcow2'", "type='raw'")
    site.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text)
    fields = [change["field"] for change in site.run("vm", check=True, **site.args())["plan"]]
    assert "disks.root.file" in fields


def test_another_image_instead_of_an_overlay_is_refused(site: Site) -> None:
    site.declare(state="paused")
    overlay = site.snapshot("s1")
    disks = [{"name": "root", "pool": site.pool, "volume": "new.qcow2", "capacity": "10MiB"}]
    assert overlay in site.refused(**site.args(disks=disks))
    assert site.sources() == {overlay}


def test_an_overlay_that_was_merged_is_not_put_back(site: Site) -> None:
    site.declare(state="paused")
    overlay = site.snapshot("s1")
    site.virsh("blockcommit", site.vm, "vda", "--active", "--pivot", "--wait")
    disks = [{"name": "root", "file": overlay, "format": "qcow2"}]
    assert "to which the VM writes" in site.refused(**site.args(disks=disks))


# ---- adoption


def test_a_disk_of_others_is_found_by_its_source(site: Site) -> None:
    path = site.image("web.qcow2")
    site.define(disk(path))
    before = site.virsh("dumpxml", site.vm, "--inactive")
    disks: list[Args] = [{"name": "root", "pool": site.pool, "volume": "web.qcow2"}]
    assert not site.declare(disks=disks, purge=True)["changed"]
    assert site.virsh("dumpxml", site.vm, "--inactive") == before
    done = site.declare(disks=[{**disks[0], "cache": "none"}])
    assert [change["field"] for change in done["plan"]] == ["disks.vda.cache"]


def test_a_disk_of_others_is_found_below_its_overlay(site: Site) -> None:
    path = site.image("web.qcow2")
    site.define(disk(path))
    overlay = f"{site.folder}/web.s1"
    site.virsh("start", site.vm, "--paused")
    site.virsh("snapshot-create-as", site.vm, "s1", "--disk-only")
    disks = [{"name": "root", "pool": site.pool, "volume": "web.qcow2"}]
    assert not site.declare(disks=disks)["changed"]
    assert site.sources() == {overlay}


def test_a_link_to_an_image_is_the_image(site: Site) -> None:
    path = site.image("web.qcow2")
    site.define(disk(path))
    link = f"{site.folder.parent}/link"
    site.libvirtd.run(["ln", "-s", path, link])
    disks = [{"name": "root", "file": link, "format": "qcow2"}]
    assert not site.declare(disks=disks)["changed"]


def test_a_disk_under_two_names_is_refused(site: Site) -> None:
    site.declare(state="stopped")
    disks = [{"name": "other", "pool": site.pool, "volume": f"{site.vm}-root.qcow2"}]
    assert "declare it as root" in site.refused(**site.args(disks=disks))
