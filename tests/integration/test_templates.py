"""Templates on a real libvirtd: VMs stand on their disks, which nobody writes to."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.guest import CHANNEL, COMMAND_LINE, TinyGuest, provide
from support.module_process import kill_module, start_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

Args = dict[str, Any]
BLOCKS = 4
FOLDER = "/usr/local/bin"
# Says what it was called with, and takes its time where a test says so.
STUB = """#!/bin/sh
echo "$@" >>{log}
while [ -e {log}.wait ]; do sleep 0.1; done
"""


class Site:
    """A pool, a template PREFIX-base on a volume with content, and VMs that are made from it."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path
    ) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.base, self.web = f"{prefix}base", f"{prefix}web"
        self.pool = f"{prefix}pool"
        self.folder = images
        self.outside = libvirtd.outside(images)

    def run(self, module: str, check: bool = False, **args: Any) -> Args:
        done = self.modules.run(module, args, check)
        assert not done.get("failed"), done["msg"]
        return done

    def make_template(self, **more: Any) -> None:
        """Its disk begins with a content of which the checksum is told by `content`."""
        self.content = f"{self.base}\n".encode() * 4096
        raw = self.outside / "content.raw"
        raw.write_bytes(self.content[: BLOCKS * 4096].ljust(8 << 20, b"\0"))
        self.run("storage_pool", name=self.pool, type="dir", path=str(self.folder))
        image = {"pool": self.pool, "image": str(self.folder / raw.name), "format": "raw"}
        disk = {"name": "root", **image, "serial": "root"}
        memory = {"memory": {"size": "256MiB"}, "virt_type": "qemu"}
        self.run("vm", name=self.base, template=True, disks=[disk], **memory, **more)

    @property
    def disk_of_template(self) -> Path:
        return self.outside / f"{self.base}-root.raw"

    def digest(self) -> str:
        return hashlib.sha256(self.disk_of_template.read_bytes()).hexdigest()

    def clone(self, check: bool = False, **more: Any) -> Args:
        said = {"sysprep": "none", **more}
        return self.run("vm", check, name=self.web, from_template=self.base, **said)

    def backing(self) -> str | None:
        """What the clone's disk stands on, as qemu-img tells it."""
        path = self.outside / f"{self.web}-root.qcow2"
        done = subprocess.run(
            ["qemu-img", "info", "-U", "--output=json", path],
            check=True,
            capture_output=True,
        )
        return json.loads(done.stdout).get("backing-filename")

    def layout(self, vm: str, disk: str) -> tuple[int, bool, bool]:
        """The size of a disk's clusters, whether its counts are lazy, whether it is divided."""
        argv = ["qemu-img", "info", "-U", "--output=json", self.outside / f"{vm}-{disk}.qcow2"]
        told = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
        more = told["format-specific"]["data"]
        return told["cluster-size"], more["lazy-refcounts"], more["extended-l2"]

    def definition(self, name: str) -> ET.Element:
        return ET.fromstring(self.libvirtd.virsh("dumpxml", name, "--inactive"))


@pytest.fixture
def site(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> Site:
    return Site(libvirtd, modules, prefix, images)


@pytest.mark.boots_guest
def test_what_a_linked_clone_writes_its_template_never_sees(site: Site) -> None:
    provide(site.outside)
    kernel, initrd = f"{site.folder}/vmlinuz", f"{site.folder}/initramfs.img"
    boot = {"kernel": kernel, "initrd": initrd, "cmdline": COMMAND_LINE}
    site.make_template(boot=boot, channels=[{"name": CHANNEL}])
    before = site.digest()
    predicted = site.clone(check=True, state="running")
    done = site.clone(state="running")
    assert predicted["plan"] == done["plan"]
    shown = {change["field"]: change for change in done["plan"]}
    assert shown["from_template"]["after"] == site.base
    assert site.backing() == str(site.folder / site.disk_of_template.name)
    guest = TinyGuest(site.web, site.libvirtd.uri, site.libvirtd.outside)
    guest.wait_ready()
    first = site.content[: BLOCKS * 4096]
    assert guest.checksum("root", 0, BLOCKS) == hashlib.sha256(first).hexdigest()
    written = guest.write("root", 0, BLOCKS, "clone")
    assert guest.checksum("root", 0, BLOCKS) == written
    assert not site.clone(state="running")["changed"]
    site.libvirtd.virsh("destroy", site.web)
    assert site.digest() == before
    for state in ("running", "absent"):
        refused = site.modules.run("vm", {"name": site.base, "state": state})
        assert "template" in refused["msg"]
    assert site.libvirtd.virsh("domstate", site.base).strip() == "shut off"
    site.run("vm", name=site.web, state="absent", remove_storage=True)
    assert site.digest() == before
    site.run("vm", name=site.base, state="absent", remove_storage=True)
    assert not site.disk_of_template.exists()


def test_a_full_clone_needs_no_template_any_more(site: Site) -> None:
    site.make_template(cpu={"count": 2}, nics=[])
    done = site.clone(clone="full", cpu={"maximum": 4}, disks=[{"name": "root", "pool": site.pool}])
    assert done["vm"]["cpu"]["maximum"] == 4
    assert site.backing() is None
    old, new = site.definition(site.base), site.definition(site.web)
    assert old.findtext("uuid") != new.findtext("uuid")
    assert new.findtext("devices/disk/serial") == "root"
    site.run("vm", name=site.base, state="absent", remove_storage=True)
    again = site.clone(clone="full", disks=[{"name": "root", "pool": site.pool}])
    assert (again["changed"], again["plan"]) == (False, [])


def test_a_clone_has_its_disks_in_order_and_goes_with_what_it_stands_on(site: Site) -> None:
    site.make_template()
    more = {"name": "data", "pool": site.pool, "capacity": "4MiB"}
    site.run("vm", name=site.base, template=False)
    site.run("vm", name=site.base, template=True, disks=[more])
    larger = [{"name": "root", "capacity": "16MiB"}]
    site.clone(disks=larger)
    named = site.definition(site.web).findall("devices/disk/alias")
    assert [one.get("name") for one in named] == ["ua-disk-root", "ua-disk-data"]
    assert not site.clone(disks=larger)["changed"]
    site.clone(disks=[{"name": "root", "capacity": "32MiB"}])
    image = json.loads(
        subprocess.run(
            ["qemu-img", "info", "--output=json", site.outside / f"{site.web}-root.qcow2"],
            check=True,
            capture_output=True,
        ).stdout
    )
    assert image["virtual-size"] == 32 << 20
    goes = [{"name": site.web, "state": "absent", "remove_storage": True}]
    alone = site.run("host_config", check=True, vms=goes)
    assert "kept" in [change["after"] for change in alone["plan"]]
    goes.append({**goes[0], "name": site.base})
    done = site.run("host_config", vms=goes)
    assert "kept" not in [change["after"] for change in done["plan"]]
    assert not [one for one in site.outside.iterdir() if one.name.startswith(site.base)]


LAID_OUT = {"cluster_size": "128KiB", "extended_l2": True}


def test_its_disks_are_laid_out_as_said_and_those_of_a_full_clone_as_the_templates(
    site: Site,
) -> None:
    site.run("storage_pool", name=site.pool, type="dir", path=str(site.folder))
    root = {"name": "root", "pool": site.pool, "capacity": "8MiB", **LAID_OUT}
    data = {**root, "name": "data", "preallocation": "metadata", "lazy_refcounts": True}
    declared = {"name": site.base, "virt_type": "qemu", "memory": {"size": "64MiB"}}
    declared = {**declared, "template": True, "disks": [root, data]}
    predicted = site.run("vm", check=True, **declared)
    assert predicted["plan"] == site.run("vm", **declared)["plan"]
    assert not site.run("vm", **declared)["changed"]
    assert site.layout(site.base, "root") == (128 << 10, False, True)
    assert site.layout(site.base, "data") == (128 << 10, True, True)
    other = {**declared, "disks": [{**root, "cluster_size": "64KiB"}]}
    assert "is 128KiB and cannot become 64KiB" in site.modules.run("vm", other)["msg"]
    site.clone(clone="full", disks=[{"name": "data", "lazy_refcounts": False}])
    assert site.layout(site.web, "root") == (128 << 10, False, True)
    assert site.layout(site.web, "data") == (128 << 10, False, True)
    assert not site.clone(clone="full", disks=[{"name": "data", "lazy_refcounts": False}])[
        "changed"
    ]
    site.run("vm", name=site.web, state="absent", remove_storage=True)
    site.clone(disks=[{"name": "root", "cluster_size": "64KiB"}])
    assert site.layout(site.web, "root") == (64 << 10, False, False)
    volumes = site.run("export")["declarations"]["storage_volumes"]
    [told] = [one for one in volumes if one["name"] == f"{site.base}-data.qcow2"]
    assert {name: told[name] for name in LAID_OUT} == LAID_OUT and told["lazy_refcounts"]


def test_members_of_a_group_are_made_from_one(site: Site) -> None:
    site.make_template()
    group = {
        "name": site.web,
        "count": 2,
        "vm": {"from_template": site.base, "sysprep": "none", "title": "%{index}"},
    }
    site.run("host_config", vm_groups=[group])
    backings = [site.definition(f"{site.web}-{number}").findtext("title") for number in (1, 2)]
    assert backings == ["1", "2"]
    assert not site.run("host_config", vm_groups=[group])["changed"]
    site.run("host_config", vm_groups=[{**group, "count": 3}])
    assert (site.outside / f"{site.web}-3-root.qcow2").exists()


@pytest.fixture
def sysprep(libvirtd: PrivateLibvirtd, images: Path) -> Iterator[Path]:
    """A virt-sysprep that notes what it was called with, in the file that is told."""
    if sys.executable.startswith(FOLDER) or Path("/usr/bin/virt-sysprep").exists():
        pytest.skip(f"what the tests need is in {FOLDER} itself, or the real one is there")
    log = images / "calls"
    libvirtd.run(["mount", "-t", "tmpfs", "none", FOLDER])
    stub = STUB.format(log=log)
    libvirtd.run(["sh", "-c", f"cat >{FOLDER}/virt-sysprep"], stdin=stub)
    libvirtd.run(["chmod", "755", f"{FOLDER}/virt-sysprep"])
    yield libvirtd.outside(log)
    libvirtd.run(["umount", FOLDER])


def test_a_clone_gets_its_identity_once(site: Site, sysprep: Path) -> None:
    site.make_template()
    done = site.clone(sysprep="auto")
    assert "virt-sysprep" in [change["after"] for change in done["plan"]]
    [call] = sysprep.read_text().splitlines()
    assert call.endswith(f"--format qcow2 -a {site.folder}/{site.web}-root.qcow2")
    assert not site.clone(sysprep="auto")["changed"]
    assert len(sysprep.read_text().splitlines()) == 1


def test_a_run_that_is_killed_meanwhile_is_run_again(site: Site, sysprep: Path) -> None:
    site.make_template()
    wait = sysprep.with_name("calls.wait")
    wait.touch()
    args = {"name": site.web, "from_template": site.base, "sysprep": "virt-sysprep"}
    process = start_module("vm", args, site.libvirtd)
    wait_until(sysprep.exists, 120, "virt-sysprep to be called")
    kill_module(process)
    process.communicate()
    wait.unlink()
    time.sleep(0.5)
    assert site.web not in site.libvirtd.virsh("list", "--all", "--name").split()
    assert (site.outside / f".{site.web}-root.qcow2.partial").exists()
    site.clone(sysprep="virt-sysprep")
    assert len(sysprep.read_text().splitlines()) == 2
    assert not (site.outside / f".{site.web}-root.qcow2.partial").exists()
    assert not site.clone(sysprep="virt-sysprep")["changed"]


def test_where_it_fails_nothing_is_left_that_counts(site: Site, sysprep: Path) -> None:
    site.make_template()
    program = f"{FOLDER}/virt-sysprep"
    site.libvirtd.run(
        ["sh", "-c", f"cat >{program}"], stdin="#!/bin/sh\necho no system >&2; exit 1"
    )
    args = {"name": site.web, "from_template": site.base, "sysprep": "virt-sysprep"}
    refused = site.modules.run("vm", args)
    assert "virt-sysprep could not work on its disks: no system" in refused["msg"]
    assert site.web not in site.libvirtd.virsh("list", "--all", "--name").split()
    site.libvirtd.run(["sh", "-c", f"cat >{program}"], stdin="#!/bin/sh\nexit 0")
    site.clone(sysprep="virt-sysprep")
    assert site.backing() == str(site.folder / site.disk_of_template.name)
