"""Pre-flights between two hosts: what stands against a move is told, and nothing is touched."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.private_libvirtd import IMAGES, PrivateLibvirtd, why_not_here
from support.two_hosts import TwoHosts, two_hosts

Result = dict[str, Any]
NAME, NET, POOL = "mcheck-web", "mcheck-lan", "mcheck-pool"
VM = {
    "name": NAME,
    "virt_type": "qemu",
    "memory": {"size": "32MiB"},
    "disks": [{"name": "root", "pool": POOL, "capacity": "8MiB"}],
    "nics": [{"name": "lan", "vswitch": NET}],
    "state": "running",
}
# Whose order, or whose numbers, are others each time.
SEEN = (
    ("list", "--all", "--uuid"),
    ("net-list", "--all", "--name"),
    ("pool-list", "--all", "--name"),
    ("vol-list", POOL),
    ("net-dumpxml", NET),
)


@dataclass(frozen=True)
class Site:
    """Two hosts, of which the first has the VM, and modules that run there, and on the other."""

    hosts: TwoHosts
    here: ModuleServer
    there: ModuleServer

    def check(self, **more: Any) -> Result:
        """What a pre-flight says that runs on the source."""
        hosts = {
            "kvm1": {"uri": "qemu:///system"},
            "kvm2": {"uri": self.hosts.target.tcp_uri},
        }
        return self.here.run(
            "migration_check", {"name": NAME, "host": "kvm2", "hosts": hosts, **more}
        )

    def seen(self) -> list[str]:
        """All that a pre-flight could have touched, on both hosts."""
        found = []
        for host in self.hosts.both:
            found += [host.virsh(*words) for words in SEEN]
            found += [
                host.virsh("dumpxml", name)
                for name in host.virsh("list", "--all", "--name").split()
            ]
            found += [host.run(["ls", "/sys/class/net"]), host.run(["ls", "-R", str(IMAGES)])]
        return found


def settle(modules: ModuleServer, module: str, **args: Any) -> None:
    done = modules.run(module, args)
    assert not done.get("failed"), done.get("msg")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    if reason := why_not_here():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="kvmf-mc", dir="/tmp"))
    folder.rmdir()
    with (
        two_hosts(folder) as hosts,
        ModuleServer(hosts.source.entry()) as here,
        ModuleServer(hosts.target.entry()) as there,
    ):
        for modules in (here, there):
            settle(modules, "storage_pool", name=POOL, type="dir", path=str(IMAGES / "pool"))
            settle(modules, "vswitch", name=NET, type="isolated")
        settle(here, "vm", **VM)
        yield Site(hosts, here, there)


def fails(result: Result) -> dict[str, list[str]]:
    """What fails, by check."""
    found: dict[str, list[str]] = {}
    for one in result["report"]:
        if one["result"] == "fail":
            found.setdefault(one["check"], []).append(one["message"])
    return found


def one_of(result: Result, check: str) -> Result:
    return next(one for one in result["report"] if one["check"] == check)


def test_a_vm_that_can_move_and_nothing_is_touched(site: Site) -> None:
    before = site.seen()
    result = site.check()
    assert fails(result) == {} and result["ok"] and not result["changed"]
    assert site.seen() == before
    assert (result["source"], result["mode"]["name"], result["mode"]["storage"]) == (
        *("kvm1", "live"),
        "copied",
    )
    [disk] = result["disks"]
    assert (disk["name"], disk["how"], disk["pool_there"]) == ("disks.root", "copied", POOL)
    assert 0 < disk["allocation"] <= disk["capacity"] == 8 << 20
    # libvirt of the target compared the CPU and judged the definition.
    assert one_of(result, "judgement")["result"] == "pass"
    assert one_of(result, "cpu")["result"] == "pass"
    # The names of the hosts lead nowhere here; the wire for data does, until it is cut.
    assert "leads nowhere" in one_of(result, "network")["message"]
    wire = site.hosts.target.data
    assert one_of(site.check(network=wire), "network")["result"] == "pass"
    assert set(fails(site.check(network="198.51.100.77"))) == {"network"}


def test_all_that_stands_against_it_is_told(site: Site) -> None:
    uuid = "5c3a9b7e-6f0f-5d38-9d6c-9a6f7c1f0c55"
    site.hosts.target.virsh("net-destroy", NET)
    site.hosts.target.run(["truncate", "-s", "1M", str(IMAGES / "pool" / f"{NAME}-root.qcow2")])
    site.hosts.target.virsh("pool-refresh", POOL)
    definition = f"<domain type='qemu'><name>other</name><uuid>{uuid}</uuid><memory>9999</memory>"
    definition += (
        f"<os><type>hvm</type></os><devices><interface type='user'><mac address='{mac(site)}'/>"
    )
    definition += "</interface></devices></domain>"
    site.hosts.target.run(["virsh", "define", "/dev/stdin"], stdin=definition)
    try:
        result = site.check()
        assert result["ok"] is False
        assert set(fails(result)) == {"nics", "disks"}
        assert "is not active" in fails(result)["nics"][0]
        assert "already" in fails(result)["disks"][0]
        [clash] = [one for one in result["report"] if one["check"] == "clashes"]
        assert clash["result"] == "warn" and "vm/other" in clash["message"]
        assert all(one["todo"] for one in result["report"] if one["result"] != "pass")
        failed = site.check(fail=True)
        assert failed["failed"] and len(failed["errors"]) == 2
        assert fails(failed) == fails(result)
        lost = site.check(map={"pools": {POOL: "none"}})
        assert "has no pool none" in fails(lost)["disks"][0]
    finally:
        site.hosts.target.virsh("undefine", "other")
        site.hosts.target.virsh("net-start", NET)
        site.hosts.target.virsh("vol-delete", f"{NAME}-root.qcow2", "--pool", POOL)
    assert site.check()["ok"]


def mac(site: Site) -> str:
    for word in site.hosts.source.virsh("domiflist", NAME).split():
        if word.count(":") == 5:
            return word
    raise AssertionError("it has no NIC")


def test_the_target_s_libvirt_compares_cpus(site: Site) -> None:
    cpu = {
        "mode": "custom",
        "model": "qemu64",
        "features": [{"name": "avx512f", "policy": "require"}],
    }
    vm = {"name": "mcheck-cpu", "virt_type": "qemu", "memory": {"size": "16MiB"}, "cpu": cpu}
    settle(site.here, "vm", **vm, state="stopped")
    try:
        result = site.check(name="mcheck-cpu")
        assert result["mode"]["name"] == "offline"
        assert "avx512f" in fails(result)["cpu"][0]
    finally:
        settle(site.here, "vm", name="mcheck-cpu", state="absent")


def test_two_snapshots_say_what_the_hosts_do(site: Site, tmp_path: Path) -> None:
    uris = {}
    for name, modules in (("kvm1", site.here), ("kvm2", site.there)):
        taken = modules.run("host_snapshot", {"paths": []})
        assert "text" in taken, taken
        (tmp_path / f"{name}.json").write_text(taken["text"])
        uris[name] = {"uri": f"snapshot:{tmp_path / name}.json"}
    with ModuleServer() as elsewhere:
        args = {"name": NAME, "host": "kvm2", "hosts": uris}
        result = elsewhere.run("migration_check", args)
    assert result["ok"], json.dumps(result["text"], indent=1)
    live = site.check()
    assert result["disks"] == live["disks"] and result["mode"] == live["mode"]
    # Only what needs the hosts themselves is another.
    told, known = (
        {(one["check"], one["about"], one["message"]) for one in of["report"]}
        for of in (result, live)
    )
    assert {check for check, _about, _message in told - known} <= {
        *("clocks", "cpu", "judgement", "leases", "network", "transport"),
    }


def test_a_vm_that_is_nowhere_or_there_already(site: Site) -> None:
    at_home = site.here.run(
        "migration_check",
        {"name": NAME, "host": "kvm1", "hosts": {"kvm1": {"uri": "qemu:///system"}}},
    )
    assert at_home["ok"] and "lives at kvm1 already" in at_home["report"][0]["message"]
    nowhere = site.here.run(
        "migration_check",
        {"name": "mcheck-none", "host": "kvm1", "hosts": {"kvm1": {"uri": "qemu:///system"}}},
    )
    assert nowhere["failed"] and "on none of kvm1" in nowhere["msg"]


def test_vm_info_tells_whether_it_can_move_at_all(site: Site) -> None:
    [told] = site.here.run("vm_info", {"names": [NAME]})["vms"]
    assert told["migration"] == {"live": True, "offline": False, "reasons": []}
    host: PrivateLibvirtd = site.hosts.source
    host.virsh("snapshot-create-as", NAME, "s1", "--disk-only", "--no-metadata")
    host.virsh("snapshot-create-as", NAME, "s2", "--disk-only")
    try:
        [told] = site.here.run("vm_info", {"names": [NAME]})["vms"]
        assert told["migration"]["live"] is False
        assert told["migration"]["reasons"][0].startswith("live and offline: snapshots: ")
        assert "snapshots" in fails(site.check())
    finally:
        host.virsh("snapshot-delete", NAME, "s2", "--metadata")
