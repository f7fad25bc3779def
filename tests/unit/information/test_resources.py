"""What VMs and hosts hold, are granted and use: from recorded files, records and definitions."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import (
    Capacity,
    Policy,
    Pool,
    Vm,
    free,
)
from ansible_collections.kvm.fleet.plugins.module_utils.host import machine_memory
from ansible_collections.kvm.fleet.plugins.module_utils.host.kernel_memory import HugePages
from ansible_collections.kvm.fleet.plugins.module_utils.host.vm_cgroups import read_granted
from ansible_collections.kvm.fleet.plugins.module_utils.information import host_resources
from ansible_collections.kvm.fleet.plugins.module_utils.information.vm_resources import resources_of
from support.fake_kernel import FakeMachine
from support.made_up_host import GIB, MIB, MadeUpHost

# As they were recorded on Debian 12: libvirt 9.0, systemd 252, Linux 6.1.
CPU_STAT = """usage_usec 16619522
user_usec 8628236
system_usec 7991285
nr_periods 793
nr_throttled 25
throttled_usec {}
nr_bursts 0
burst_usec 0
"""
PRESSURE = """some avg10=3.72 avg60=5.89 avg300=2.73 total=10162595
full avg10=3.70 avg60=4.59 avg300=1.99 total=7428193
"""
GOLD = "/machine.slice/machine-gold.slice"
LIVE = """<domain type="kvm">
  <name>web</name><memory unit="KiB">65536</memory><vcpu>2</vcpu>
  <metadata><fleet:resource xmlns:fleet="urn:kvm.fleet:1">
    <fleet:reservation cpu="1.5" memory="{reserved}"/></fleet:resource></metadata>
  <memtune><hard_limit unit="KiB">524288</hard_limit></memtune>
  <memoryBacking><locked/></memoryBacking>
  <cputune><shares>300</shares><global_period>100000</global_period>
    <global_quota>50000</global_quota></cputune>
  <resource><partition>/machine/gold</partition></resource>
</domain>"""
RECORD = {
    "balloon.current": 65536,
    "balloon.rss": 58236,
    "vcpu.current": 2,
    "vcpu.0.delay": 7481432201,
    "vcpu.3.delay": 5,
}


@pytest.fixture
def host(tmp_path: Path) -> MadeUpHost:
    return MadeUpHost(tmp_path)


def running(host: MadeUpHost) -> str:
    """A VM in a pool, with all files of its cgroup."""
    scope = host.start("web", GOLD, weight=300)
    above = {"cpu.max": "max 100000\n", "memory.max": "max\n", "cpu.stat": CPU_STAT.format(0)}
    below = {"cpu.max": "50000 100000\n", "memory.max": "536870912\n"}
    counted = {"memory.current": "38903808\n", "memory.swap.current": "0\n"}
    pressure = {f"{name}.pressure": PRESSURE for name in ("cpu", "memory", "io")}
    least = {"memory.min": "73400320\n", "cpuset.cpus.effective": "0-1\n"}
    for name, text in {**above, **counted, **pressure, **least}.items():
        host.write(f"/sys/fs/cgroup{scope}/{name}", text)
    for name, text in {**below, "cpu.stat": CPU_STAT.format(1067538)}.items():
        host.write(f"/sys/fs/cgroup{scope}/libvirt/{name}", text)
    host.write(f"/sys/fs/cgroup{GOLD}/memory.min", "73400320\n")
    host.write("/sys/fs/cgroup/machine.slice/memory.min", "52428800\n")
    host.write(f"/proc/{host.next_pid}/ksm_merging_pages", "256\n")
    return scope


def test_what_the_kernel_has_for_a_vm(host: MadeUpHost) -> None:
    scope = running(host)
    granted = read_granted("web", host.places)
    assert granted is not None
    assert (granted.path, granted.weight, granted.cpu_max) == (scope, 300, 0.5)
    assert (granted.cpus, granted.usage_us, granted.throttled_us) == ("0-1", 16619522, 1067538)
    assert (granted.minimum, granted.held, granted.limit) == (70 * MIB, 50 * MIB, 512 * MIB)
    assert (granted.current, granted.swap, granted.merged) == (38903808, 0, MIB)
    some = {"avg10": 3.72, "avg60": 5.89, "avg300": 2.73, "total_us": 10162595}
    assert granted.pressure["cpu"]["some"] == some
    assert list(granted.pressure) == ["cpu", "io", "memory"]


def test_without_limits_and_controllers_nothing_is_made_up(host: MadeUpHost) -> None:
    host.start("web")
    granted = read_granted("web", host.places)
    assert granted is not None
    assert (granted.cpu_max, granted.limit, granted.current, granted.merged) == (None,) * 4
    assert granted.pressure == {}


def test_a_vm_without_a_cgroup_of_its_own(host: MadeUpHost) -> None:
    """Of version 1, or of no VM that runs."""
    assert read_granted("none", host.places) is None
    host.start("web")
    host.write(f"/proc/{host.next_pid}/cgroup", "2:cpu:/machine/web.libvirt-qemu\n0::/\n")
    assert read_granted("web", host.places) is None


def test_what_is_declared_enforced_and_used(host: MadeUpHost) -> None:
    running(host)
    live = xmltree.parse(LIVE.format(reserved=30720))
    told = resources_of(live, RECORD, read_granted("web", host.places))
    assert told["resource_pool"] == "gold"
    assert told["cpu"] == {
        "reservation": 1.5,
        "limit": 0.5,
        "shares": 300,
        "delay_ns": 7481432206,
        "max": 0.5,
        "weight": 300,
        "allowed": "0-1",
        "usage_us": 16619522,
        "throttled_us": 1067538,
    }
    assert told["memory"] == {
        "reservation_bytes": 30 * MIB,
        "limit_bytes": 512 * MIB,
        "locked": True,
        "balloon_bytes": 64 * MIB,
        "rss_bytes": 58236 * 1024,
        "max_bytes": 512 * MIB,
        "min_bytes": 70 * MIB,
        "held_bytes": 50 * MIB,
        "current_bytes": 38903808,
        "swap_bytes": 0,
        "merged_bytes": MIB,
    }


def test_from_afar_what_is_declared_and_what_libvirt_counts_is_told() -> None:
    told = resources_of(xmltree.parse(LIVE.format(reserved="all")), RECORD, None)
    assert sorted(told) == ["cpu", "memory", "resource_pool"]
    assert told["memory"]["reservation_bytes"] == 64 * MIB
    assert told["cpu"]["delay_ns"] == 7481432206
    bare = "<domain><name>web</name><memory>65536</memory><vcpu>1</vcpu></domain>"
    assert resources_of(xmltree.parse(bare), {}, None) == {
        "resource_pool": "",
        "cpu": {},
        "memory": {},
    }


# ---- hosts


def test_what_a_host_has_held_and_free() -> None:
    capacity = Capacity((0, 1, 2, 3), 8 * GIB, {2 * MIB: 512})
    policy = Policy(reserve_cpu=500, reserve_memory=GIB)
    vms = [
        Vm("web", vcpus=2, memory=GIB, cpu=1500, reserved=GIB),
        Vm("db", vcpus=6, memory=GIB // 2, huge_page=2 * MIB),
    ]
    told = host_resources.free_of(capacity, free(capacity, policy, [Pool("gold", cpu=250)], vms))
    assert told["held"]["cpu"] == 1.75
    assert told["free"]["cpu"] == 1.75
    # Of 8 GiB 1 is in huge pages, and 1 is kept for the host.
    assert told["held"]["memory_bytes"] + told["free"]["memory_bytes"] == 6 * GIB
    assert told["held"]["memory_bytes"] > GIB, "QEMU's own is held as well"
    assert told["free"]["huge_pages"] == {"2MiB": 256}
    assert told["free"]["resource_pools"] == {"gold": {"cpu": 0.25, "memory_bytes": 0}}
    assert told["consolidation"] == {"vcpus": 8, "vcpu_per_core": 2.0, "memory_ratio": 0.167}
    assert host_resources.capacity_of(capacity, policy) == {
        "cpu": 4,
        "memory_bytes": 8 * GIB,
        "huge_pages_bytes": GIB,
        "reserve": {"cpu": 0.5, "memory_bytes": GIB},
    }


def test_huge_pages_by_size_and_node(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path)
    machine.write_number("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", 10)
    machine.use(2048, 3)
    machine.put("sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "2\n")
    told = [host_resources.pages_of(one) for one in machine_memory.huge_pages(tmp_path)]
    assert told[:3] == [
        {"size": "2MiB", "node": None, "total": 10, "free": 5, "used": 5},
        {"size": "2MiB", "node": 0, "total": 10, "free": 7, "used": 3},
        {"size": "2MiB", "node": 1, "total": 0, "free": 0, "used": 0},
    ]
    assert [(one["size"], one["node"]) for one in told[3:]] == [
        ("1GiB", None),
        ("1GiB", 0),
        ("1GiB", 1),
    ]
    assert host_resources.pages_of(HugePages(4096, None, 0, 0, 0, 0))["size"] == "4KiB"


def test_ksm_in_the_words_of_the_module(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path)
    machine.write_number("sys/kernel/mm/ksm/run", 1)
    machine.merge(256)
    told = host_resources.ksm_of(machine_memory.ksm(tmp_path))
    assert (told["run"], told["sleep_ms"], told["merge_across_nodes"]) == ("merge", 20, True)
    assert (told["shared_bytes"], told["saved_bytes"]) == (4096, MIB)
    # As libvirt tells it of another machine.
    afar = {"sleep_millisecs": 20, "pages_sharing": 1, "pages_volatile": 0}
    assert host_resources.ksm_of(afar) == {"sleep_ms": 20, "saved_bytes": 4096}


def test_a_kernel_that_counts_no_pressure(tmp_path: Path) -> None:
    assert machine_memory.pressure(tmp_path) == {}
    (tmp_path / "memory").write_text(PRESSURE)
    assert list(machine_memory.pressure(tmp_path)) == ["memory"]
