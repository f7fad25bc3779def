"""CPU time of a VM that runs: set in the kernel at once, by libvirt, and read back from it."""

from __future__ import annotations

from typing import Any

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.one_vm import Host
from support.private_libvirtd import PrivateLibvirtd

OTHERS = """<cputune><shares>2048</shares><period>50000</period><quota>40000</quota>
<global_period>50000</global_period><global_quota>100000</global_quota>
<emulator_period>60000</emulator_period><emulator_quota>30000</emulator_quota></cputune>"""


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str) -> Host:
    return Host(libvirtd, modules, observer, prefix)


def scheduled(host: Host) -> dict[str, int]:
    """What libvirt reads from the kernel."""
    said = host.libvirtd.virsh("schedinfo", host.name, "--live").splitlines()
    pairs = (line.split(":") for line in said if line.partition(":")[2].strip(" -").isdecimal())
    return {name.strip(): int(value) for name, value in pairs}


def classes(done: dict[str, Any]) -> dict[str, str]:
    return {row["field"]: row["class"] for row in done["plan"]}


def test_time_of_what_runs_changes_at_once(host: Host) -> None:
    host.defined(OTHERS, vcpus="2")
    host.libvirtd.virsh("start", host.name)
    done = host.declare(cpu={"shares": "high", "limit": 1.5, "reservation": 0.75})
    assert classes(done) == {
        "cpu.shares": "live",
        "cpu.limit": "live",
        "cpu.reservation": "live",
    }
    kernel = scheduled(host)
    assert (kernel["cpu_shares"], kernel["global_quota"]) == (400, 75_000)
    assert (kernel["vcpu_quota"], kernel["emulator_quota"]) == (40_000, 30_000)
    assert 'reservation cpu="0.75"' in host.libvirtd.virsh("dumpxml", host.name).replace("'", '"')

    done = host.declare(cpu={"limit": 0, "reservation": 0})
    assert classes(done) == {"cpu.limit": "live", "cpu.reservation": "live"}
    assert scheduled(host)["global_quota"] == -1
    assert not done["pending_restart"]


def test_shares_wait_where_they_are_to_go(host: Host) -> None:
    host.defined(OTHERS)
    host.libvirtd.virsh("start", host.name)
    done = host.declare(cpu={"shares": 0})
    assert classes(done) == {"cpu.shares": "restart"}
    assert [row["field"] for row in done["pending_restart"]] == ["cpu.shares"]
    assert "<global_quota>100000</global_quota>" in host.xml()


def pins(host: Host) -> list[str]:
    """The CPUs of each thread that is pinned, by libvirt's account of what runs."""
    xml = host.libvirtd.virsh("dumpxml", host.name)
    return [line.strip() for line in xml.splitlines() if "pin " in line]


def allowed(host: Host, thread: str) -> str:
    """On which CPUs a thread of QEMU may run, from the kernel."""
    file = host.libvirtd.run(
        ["sh", "-c", f"grep -l 'process=qemu,\\|^{thread}$' /proc/[0-9]*/task/*/comm || true"]
    )
    for path in file.split():
        if host.libvirtd.run(["cat", path]).strip() == thread:
            status = host.libvirtd.run(["cat", path.replace("comm", "status")])
            return next(x.split()[1] for x in status.splitlines() if x.startswith("Cpus_allowed_l"))
    return ""


def test_threads_are_pinned_at_once(host: Host) -> None:
    host.defined("<iothreads>1</iothreads>", vcpus="2")
    host.libvirtd.virsh("start", host.name)
    pinning = {"vcpus": {"0": "1", "1": "0-1"}, "emulator": "0", "iothreads": {"1": "1"}}
    done = host.declare(cpu={"pinning": pinning})
    assert set(classes(done).values()) == {"live"}
    assert done["vm"]["cpu"]["pinning"] == pinning
    assert pins(host) == [
        "<vcpupin vcpu='0' cpuset='1'/>",
        "<vcpupin vcpu='1' cpuset='0-1'/>",
        "<emulatorpin cpuset='0'/>",
        "<iothreadpin iothread='1' cpuset='1'/>",
    ]
    assert allowed(host, "IO iothread1") == "1"

    done = host.declare(cpu={"pinning": {"vcpus": {"0": "0"}, "iothreads": {"1": "0"}}})
    assert classes(done) == {"cpu.pinning.vcpus": "restart", "cpu.pinning.iothreads": "live"}
    host.libvirtd.virsh("destroy", host.name)
    host.libvirtd.virsh("start", host.name)
    assert "<vcpupin vcpu='0' cpuset='0'/>" in pins(host)
    assert not any("vcpu='1'" in pin for pin in pins(host))


def test_cpus_are_dedicated_while_it_runs_and_nobody_else_gets_them(host: Host) -> None:
    """Of the CPUs of this machine the last one; where there are more than two, all but one."""
    cpus = int(host.libvirtd.virsh("nodecpumap").split()[2])
    if cpus < 2:
        pytest.skip("needs two CPUs")
    host.defined("<iothreads>1</iothreads>", vcpus=str(cpus - 1))
    host.libvirtd.virsh("start", host.name)
    done = host.declare(cpu={"dedicated": True})
    assert set(classes(done).values()) == {"live"}
    told = done["vm"]["cpu"]
    assert sorted(told["pinning"]["vcpus"].values()) == [str(cpu) for cpu in range(1, cpus)]
    assert told["pinning"]["emulator"] == told["pinning"]["iothreads"]["1"] == "0"
    assert allowed(host, "IO iothread1") == "0"
    assert not done["pending_restart"]

    other = Host(host.libvirtd, host.modules, host.observer, f"{host.name}-other"[:-2])
    said = other.refused(memory={"size": "64MiB"}, cpu={"dedicated": True})
    assert f"cpu.dedicated: needs 1 CPUs of its own, and free are 0 of 0-{cpus - 1}" in said
    assert f"vm/{host.name} has 1" in said

    done = host.declare(cpu={"dedicated": False})
    assert classes(done)["cpu.dedicated"] == "live"
    assert classes(done)["cpu.pinning.vcpus"] == "restart"


def test_a_limit_stays_one_when_extra_xml_has_another_period(host: Host) -> None:
    host.defined()
    period = "<cputune><global_period>{}</global_period></cputune>"
    for us in (50000, 20000, 100000):
        extra_xml = period.format(us) if us < 100000 else ""
        host.declare(cpu={"limit": 1}, extra_xml=extra_xml)
        assert f"<global_quota>{us}</global_quota>" in host.xml()
    host.declare(cpu={"limit": 0.5}, extra_xml=period.format(50000))
    assert "<global_quota>25000</global_quota>" in host.xml()


def test_a_promise_that_waits_does_not_come_along_with_other_notes(host: Host) -> None:
    host.defined()
    host.libvirtd.virsh("start", host.name)
    host.declare(cpu={"reservation": 0.25})
    done = host.declare(cpu={"reservation": 0.5}, apply="next_boot")
    assert [row["field"] for row in done["pending_restart"]] == ["cpu.reservation"]
    done = host.declare(tags={"role": "web"})
    assert classes(done) == {"tags": "live"}
    assert [row["field"] for row in done["pending_restart"]] == ["cpu.reservation"]
    runs = host.libvirtd.virsh("dumpxml", host.name)
    assert 'cpu="0.25"' in runs.replace("'", '"') and "web" in runs
    done = host.declare(cpu={"reservation": 0.5})
    assert classes(done) == {"cpu.reservation": "live"}
    assert not done["pending_restart"]


def test_threads_of_extra_xml_go_with_their_pins_and_are_named_when_others_take_them(
    host: Host,
) -> None:
    host.defined()
    threads = {"extra_xml": "<iothreads>2</iothreads>"}
    pinned = {"cpu": {"pinning": {"iothreads": {"1": "0", "2": "1"}}}}
    host.declare(**threads, **pinned)
    refusal = host.refused(extra_xml="")
    assert "cpu.pinning.iothreads.1: there is no such thread; the VM has none; write" in refusal
    host.libvirtd.virsh("iothreaddel", host.name, "2", "--config")
    assert "cpu.pinning.iothreads.2: there is no such thread; the VM has 1" in host.refused(
        **pinned
    )
    again = host.declare(**threads, **pinned)
    assert set(classes(again)) == {"extra_xml", "cpu.pinning.iothreads"}
    host.libvirtd.virsh("start", host.name)
    host.libvirtd.virsh("iothreaddel", host.name, "2", "--live")
    done = host.declare(**threads, **pinned)
    pending = [row["field"] for row in done["pending_restart"]]
    assert (done["plan"], pending) == ([], ["cpu.pinning.iothreads", "extra_xml"])
    host.libvirtd.virsh("destroy", host.name)
    host.declare(extra_xml="", cpu={"pinning": {"iothreads": {}}})
    assert "iothreadpin" not in host.xml()
