"""Nothing is promised twice: runs on a real libvirtd, of a machine whose size is read elsewhere."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import run_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

Args = dict[str, Any]
MIB, CORE = 2**20, 1000
POLICY, LOCK = "/etc/kvm-fleet/admission.json", "/run/kvm-fleet/run.lock"
REFUSED = "cannot be promised"


def spare_cores() -> str:
    """What can be promised at all, by libc: all processors, but for a tenth of each four."""
    cpus = os.sysconf("SC_NPROCESSORS_ONLN")
    millicores = cpus * CORE - min(-(-cpus // 4) * 100, CORE)
    return f"{millicores / CORE:g}"


def spare_memory_mib() -> int:
    """The same of memory: a twentieth, 256 MiB at least, is the host's own."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    in_pages = re.search(r"Hugetlb: +(\d+) kB", Path("/proc/meminfo").read_text())
    huge = int(in_pages[1]) // 1024 if in_pages else 0
    kept = min(max(-(-total // 20 // MIB), 256), 4096)
    return total // MIB - huge - kept


def one_more(cores: str, tenths: int = 1) -> str:
    return f"{float(cores) + tenths / 10:.1f}"


class Site:
    """Declarations of VMs that are never started, but for one: they start with the host."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> None:
        self.libvirtd, self.modules, self.prefix = libvirtd, modules, prefix

    def vm(self, name: str, cores: str | None = None, **more: Any) -> Args:
        said = {"count": 64, **({} if cores is None else {"reservation": cores})}
        return {
            "name": self.prefix + name,
            "virt_type": "qemu",
            "state": "stopped",
            "autostart": True,
            "memory": {"size": "64MiB"},
            "cpu": said,
            **more,
        }

    def converge(self, args: Args, module: str = "vm") -> list[str]:
        """Run as it has to be run; the fields of the plan."""
        predicted = self.modules.run(module, args, check=True)
        done = self.modules.run(module, args)
        assert not done.get("failed"), done["msg"]
        assert predicted["plan"] == done["plan"]
        assert predicted.get("warnings") == done.get("warnings")
        assert self.modules.run(module, args)["plan"] == []
        return [change["field"] for change in done["plan"]]

    def refused(self, args: Args, module: str = "vm") -> str:
        """Why it is refused, by check mode as by the run, which leaves all as it was."""
        before = self.libvirtd.virsh("list", "--all", "--name")
        predicted, done = (self.modules.run(module, args, check=check) for check in (True, False))
        assert done.get("failed"), done
        assert predicted["msg"] == done["msg"]
        assert self.libvirtd.virsh("list", "--all", "--name") == before
        return str(done["msg"])

    def policy(self, **said: Any) -> None:
        self.libvirtd.outside(POLICY).write_text(json.dumps(said))


@pytest.fixture
def site(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Iterator[Site]:
    yield Site(libvirtd, modules, prefix)
    with suppress(FileNotFoundError):
        libvirtd.outside(POLICY).unlink()


def test_all_cores_can_be_promised_and_not_a_tenth_of_one_more(site: Site) -> None:
    message = site.refused(site.vm("web", one_more(spare_cores())))
    assert f"vm/{site.prefix}web cpu.reservation: " in message
    assert REFUSED in message
    assert "the host lacks 0.1 cores" in message
    site.converge(site.vm("web", spare_cores()))
    assert "lacks 0.1 cores" in site.refused(site.vm("web", one_more(spare_cores())))
    site.converge(site.vm("web", "0"))


def test_all_memory_can_be_promised_and_not_a_mebibyte_more(site: Site) -> None:
    def declared(size_mib: int) -> Args:
        # QEMU: 56 MiB, 8 MiB for the vCPU, and 16 bytes for each page that there may be.
        most = spare_memory_mib()
        own = 56 + 8 + -(-most // 256)
        memory = {"size": "64MiB", "maximum": f"{most}MiB", "reservation": f"{size_mib - own}MiB"}
        return site.vm("web", memory=memory, cpu={"count": 1})

    message = site.refused(declared(spare_memory_mib() + 1))
    assert f"vm/{site.prefix}web memory.reservation: " in message
    assert "the host lacks 1 MiB" in message
    site.converge(declared(spare_memory_mib()))


def test_the_vms_of_one_run_and_those_of_others_are_counted_together(site: Site) -> None:
    half = f"{float(spare_cores()) / 2:.1f}"
    rest = f"{float(spare_cores()) - float(half):.1f}"
    vms = [site.vm("a", half), site.vm("b", one_more(rest))]
    message = site.refused({"vms": vms}, "host_config")
    assert f"vm/{site.prefix}b cpu.reservation" in message
    assert f"vm/{site.prefix}a" in message
    site.converge({"vms": [site.vm("a", half), site.vm("b", rest)]}, "host_config")
    assert REFUSED in site.refused(site.vm("c", "0.1"))
    # One that neither runs nor starts with the host holds nothing, and takes no part in this run.
    site.converge(site.vm("b", rest, autostart=False))
    site.converge(site.vm("c", rest))
    assert REFUSED in site.refused({"name": f"{site.prefix}b", "state": "running"})
    # And who goes in the same run makes room.
    gone = {"name": f"{site.prefix}c", "state": "absent"}
    site.converge({"vms": [gone, site.vm("d", rest)]}, "host_config")


def test_one_that_somebody_started_holds_what_it_was_promised(site: Site) -> None:
    two = {"count": 2, "reservation": spare_cores()}
    site.converge(site.vm("a", autostart=False, cpu=two))
    site.libvirtd.virsh("start", f"{site.prefix}a", "--paused")
    assert REFUSED in site.refused(site.vm("b", "0.1"))
    site.libvirtd.virsh("destroy", f"{site.prefix}a")
    site.converge(site.vm("b", "0.1"))


def test_a_promise_too_many_is_a_warning_or_nothing_where_that_is_wanted(site: Site) -> None:
    too_much = site.vm("web", one_more(spare_cores()))
    warned = site.modules.run("vm", {**too_much, "admission": "warn"}, check=True)
    assert not warned.get("failed")
    assert "lacks 0.1 cores" in str(warned["warnings"])
    # Unquoted, YAML makes no of it.
    off = site.modules.run("vm", {**too_much, "admission": False}, check=True)
    assert not off.get("failed")
    assert "lacks" not in str(off.get("warnings"))  # that nothing holds it here is told in any case
    site.policy(admission="warn", host_reserve={"cpu": 0})
    site.converge(site.vm("web", one_more(spare_cores())))
    assert REFUSED in site.refused(
        {**site.vm("web", one_more(spare_cores(), 40)), "admission": "strict"}
    )
    site.policy(admission="off")
    site.converge(site.vm("other", one_more(spare_cores())))


def test_the_policy_of_the_host_says_what_is_kept_and_how_much_may_be_overcommitted(
    site: Site,
) -> None:
    cpus = os.sysconf("SC_NPROCESSORS_ONLN")
    site.policy(host_reserve={"cpu": cpus - 0.5, "memory": 0}, vcpu_per_core=3)
    few = {"count": 1, "reservation": "0.5"}
    site.converge(site.vm("a", cpu=few))
    little = {**few, "reservation": "0.1"}
    assert "the host lacks 0.1 cores" in site.refused(site.vm("b", cpu=little))
    message = site.refused(site.vm("b", cpu={"count": cpus * 3}))
    assert "cpu.count: " in message
    assert "vcpu_per_core" in message
    site.converge(site.vm("b", cpu={"count": cpus * 3 - 1}))
    site.libvirtd.outside(POLICY).write_text("{")  # then it is strict, and as much is kept as usual
    less = site.vm("a", cpu={**few, "reservation": "0.4"})
    assert POLICY in str(site.modules.run("vm", less, check=True)["warnings"])
    site.converge(less)
    assert REFUSED in site.refused(site.vm("c", f"{cpus}"))


def test_a_snapshot_of_the_host_has_the_same_plan(site: Site, tmp_path: Path) -> None:
    site.policy(host_reserve={"cpu": 0})
    site.converge(site.vm("a", "1"))
    cpus = os.sysconf("SC_NPROCESSORS_ONLN")
    refused = site.vm("b", f"{cpus - 0.9:.1f}")
    message = site.refused(refused)
    snapshot = tmp_path / "host.json"
    taken = site.modules.run("host_snapshot", {"dest": str(snapshot)})
    assert not taken.get("failed"), taken.get("msg")
    by_snapshot = run_module("vm", {**refused, "uri": f"snapshot:{snapshot}"}, check=True)
    assert by_snapshot["msg"] == message


def test_the_test_driver_has_a_capacity_and_no_policy() -> None:
    declared = {"uri": "test:///default", "name": "test", "cpu": {"reservation": "0.5"}}
    done = run_module("vm", declared, check=True)
    assert "is not known from here" in str(done["warnings"])
    declared["cpu"] = {"count": 64, "maximum": 64, "reservation": "60"}
    declared["name"] = "new"
    assert REFUSED in run_module("vm", {**declared, "memory": {"size": "64MiB"}}, check=True)["msg"]


# ---- two runs at once


@pytest.fixture
def servers(libvirtd: PrivateLibvirtd) -> Iterator[list[ModuleServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(ModuleServer(libvirtd.entry())) for _number in range(2)]


@contextmanager
def nobody_has_its_turn(lock: Path) -> Iterator[None]:
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def waiting(lock: Path) -> int:
    """How many processes have the file open."""
    file, found = lock.stat(), set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if os.path.samestat(link.stat(), file):
                found.add(link.parts[2])
    return len(found - {str(os.getpid())})


def test_two_runs_at_once_are_not_both_promised_the_last_of_it(
    site: Site, servers: list[ModuleServer]
) -> None:
    """Both have planned, and would be admitted alone, before either may apply."""
    lock = site.libvirtd.outside(LOCK)
    args = [site.vm(name, spare_cores()) for name in ("a", "b")]
    with ThreadPoolExecutor(2) as threads:
        with nobody_has_its_turn(lock):
            runs = [threads.submit(server.run, "vm", one) for server, one in zip(servers, args)]
            wait_until(lambda: waiting(lock) == 2, 120, "both runs to wait for their turn")
        done = [run.result() for run in runs]
    assert sorted(bool(one.get("failed")) for one in done) == [False, True]
    [refused] = [one for one in done if one.get("failed")]
    assert REFUSED in refused["msg"]
    there = site.libvirtd.virsh("list", "--all", "--name").split()
    assert len([name for name in there if name.startswith(site.prefix)]) == 1


def test_a_run_that_promises_nothing_waits_for_nobody(site: Site) -> None:
    site.converge(site.vm("a", "0.5"))
    with nobody_has_its_turn(site.libvirtd.outside(LOCK)):
        site.converge(site.vm("a", "0.5", title="another"))
