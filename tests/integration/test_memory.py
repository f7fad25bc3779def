"""Memory that is reserved, limited and in huge pages, on a real libvirtd, read from the kernel."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]
PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
NO_LIMIT = 9007199254740991


class Site:
    """One VM, declared by modules and seen by virsh."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.name = f"{prefix}vm"

    def converge(self, **args: Any) -> list[tuple[str, str]]:
        """Run as it has to be run; the fields of the plan, each with its class."""
        args = {"name": self.name, **args}
        predicted = self.modules.run("vm", args, check=True)
        done = self.modules.run("vm", args)
        assert not done.get("failed"), done["msg"]
        assert predicted["plan"] == done["plan"]
        assert self.modules.run("vm", args)["plan"] == []
        return [(change["field"], change["class"]) for change in done["plan"]]

    def refused(self, **args: Any) -> str:
        """Why it is refused, by check mode as by the run."""
        args = {"name": self.name, **args}
        predicted, done = (self.modules.run("vm", args, check=check) for check in (True, False))
        assert done.get("failed")
        assert predicted["msg"] == done["msg"]
        return str(done["msg"])

    def xml(self, *flags: str) -> ET.Element:
        return ET.fromstring(self.libvirtd.virsh("dumpxml", self.name, *flags))

    def limit_kib(self, *flags: str) -> int:
        return int(self.xml(*flags).findtext("memtune/hard_limit") or NO_LIMIT)


@pytest.fixture
def site(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Site:
    return Site(libvirtd, modules, prefix)


def has_memory_controller(site: Site) -> bool:
    return not site.libvirtd.try_run(["virsh", "memtune", site.name, "--live"]).returncode


def test_a_limit_and_a_reservation_come_to_what_runs_and_leave_it(site: Site) -> None:
    site.converge(virt_type="qemu", memory={"size": "64MiB"}, state="paused")
    effect = "live" if has_memory_controller(site) else "restart"
    plan = site.converge(memory={"limit": "2GiB", "reservation": "32MiB"})
    assert sorted(plan) == [("memory.limit", effect), ("memory.reservation", "live")]
    assert site.limit_kib("--inactive") == 2 * 2**20
    assert site.limit_kib() == (2 * 2**20 if effect == "live" else NO_LIMIT)
    [reservation] = site.xml().iter("{urn:kvm.fleet:1}reservation")
    assert reservation.get("memory") == str(32 * 1024)
    assert dict(site.converge(memory={"limit": "0B", "reservation": "0B"}))["memory.limit"]
    assert site.limit_kib() == site.limit_kib("--inactive") == NO_LIMIT
    assert not [*site.xml("--inactive").iter("{urn:kvm.fleet:1}reservation")]


def test_all_of_its_memory_is_locked_until_it_is_reserved_no_more(site: Site) -> None:
    site.converge(virt_type="qemu", memory={"size": "64MiB"})
    plan = site.converge(memory={"reservation": "all"})
    assert plan == [("memory.reservation", "stored"), ("memory.locked", "stored")]
    assert site.xml().find("memoryBacking/locked") is not None
    message = site.refused(memory={"locked": False})
    assert "where memory.reservation is all" in message
    assert ("memory.locked", "stored") in site.converge(memory={"reservation": "0B"})
    assert site.xml().find("memoryBacking") is None


def test_a_limit_that_kills_is_refused(site: Site) -> None:
    message = site.refused(virt_type="qemu", memory={"size": "64MiB", "limit": "64MiB"})
    assert "memory.limit" in message and "64MiB (memory.maximum)" in message


# ---- what is plugged in


def plugged(tree: ET.Element, what: str) -> list[int]:
    """What is said in MiB of the devices virtio-mem."""
    found = tree.findall(f"devices/memory[@model='virtio-mem']/target/{what}")
    return [int(one.text or 0) // 1024 for one in found]


def test_memory_is_plugged_in_above_what_the_vm_was_started_with(site: Site) -> None:
    plan = site.converge(
        virt_type="qemu", memory={"size": "64MiB", "hotplug": "128MiB"}, state="running"
    )
    assert ("state", "live") in plan
    assert plugged(site.xml(), "requested") == [0]
    assert site.converge(memory={"size": "160MiB"}) == [("memory.size", "live")]
    for flags in ([], ["--inactive"]):
        assert plugged(site.xml(*flags), "requested") == [96]
    assert site.converge(memory={"size": "48MiB"}) == [("memory.size", "live")]
    assert plugged(site.xml(), "requested") == [0]
    assert site.converge(memory={"size": "96MiB"}, apply="next_boot")
    assert plugged(site.xml(), "requested") == [0]
    assert plugged(site.xml("--inactive"), "requested") == [32]
    message = site.refused(memory={"size": "65MiB"})
    assert "no multiple of 2MiB" in message


def test_a_guest_that_plugs_nothing_in_is_told_of(site: Site) -> None:
    """It has no driver: nothing is booted."""
    site.converge(virt_type="qemu", memory={"size": "64MiB", "hotplug": "128MiB"}, state="running")
    site.converge(memory={"size": "128MiB"})
    again = site.modules.run("vm", {"name": site.name, "memory": {"size": "128MiB"}}, check=True)
    assert any("the guest has 0B of its memory plugged in" in one for one in told(again)), again


def told(result: Args) -> list[str]:
    return [str(warning) for warning in result.get("warnings", ())]


def test_what_plugging_in_brought_goes_with_it(site: Site) -> None:
    site.converge(virt_type="qemu", memory={"size": "64MiB"})
    before = site.libvirtd.virsh("dumpxml", site.name)
    site.converge(memory={"hotplug": "128MiB", "size": "128MiB"})
    tree = site.xml()
    assert tree.find("cpu/numa/cell").get("memory") == str(64 * 1024)
    assert tree.findtext("maxMemory") == tree.findtext("memory") == str(192 * 1024)
    site.converge(memory={"maximum": "96MiB"})
    assert site.xml().find("cpu/numa/cell").get("memory") == str(96 * 1024)
    site.converge(memory={"hotplug": "0B", "maximum": "64MiB", "size": "64MiB"})
    after = site.libvirtd.virsh("dumpxml", site.name)
    assert ET.canonicalize(after, strip_text=True) == ET.canonicalize(before, strip_text=True)


# ---- huge pages


@pytest.fixture
def huge_pages(libvirtd: PrivateLibvirtd) -> Iterator[Path]:
    """A pool of huge pages without any, and hugetlbfs where the private libvirtd finds it."""
    count = PAGES / "nr_hugepages"
    if not count.exists() or int(count.read_text()):
        pytest.skip("the machine has no huge pages, or has some in use")
    mounted = libvirtd.try_run(["grep", "-q", "hugetlbfs", "/proc/mounts"]).returncode == 0
    if not mounted:
        libvirtd.run(
            ["sh", "-c", "mkdir -p /run/hugepages && mount -t hugetlbfs none /run/hugepages"]
        )
        libvirtd.restart()
    yield count
    count.write_text("0")


def test_the_pool_of_huge_pages_grows_for_a_start(site: Site, huge_pages: Path) -> None:
    site.converge(virt_type="qemu", memory={"size": "16MiB", "huge_pages": "2MiB"})
    plan = site.converge(state="paused")
    assert plan == [("host_huge_pages.2MiB", "live"), ("state", "live")]
    assert int(huge_pages.read_text()) == 8
    assert int((PAGES / "free_hugepages").read_text()) == 0


def test_pages_that_the_host_cannot_have_are_refused(site: Site, huge_pages: Path) -> None:
    memory = {"size": "4TiB", "huge_pages": "2MiB"}
    assert "of memory" in site.refused(virt_type="qemu", memory=memory)
    memory = {"size": "64MiB", "huge_pages": "4MiB"}
    assert "no huge pages of 4MiB" in site.refused(virt_type="qemu", memory=memory)
