"""vm_info and host_info tell what virsh tells, and what guests say of themselves."""

from __future__ import annotations

import shlex
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import run_module
from support.guest import COMMAND_LINE, TinyGuest, provide
from support.module_server import ModuleServer
from support.private_libvirtd import IMAGES, PrivateLibvirtd

GUEST_FILES = IMAGES / "tiny-guest"
MIB = 1024 * 1024
NETWORK = """
<network><name>{name}</name><forward mode='nat'/>
  <ip address='198.51.100.1' prefix='24'>
    <dhcp><range start='198.51.100.2' end='198.51.100.99'/></dhcp></ip></network>
"""
AGENT = "org.qemu.guest_agent.0"
# In the guest: answers what libvirt asks an agent, one JSON object a line.
GUEST_AGENT = """
grep -l {channel} /sys/class/virtio-ports/*/name | cut -d/ -f5 >/run/agent-port
cat >/run/agent <<'END'
exec 3<>"/dev/$(cat /run/agent-port)"
while [ -e /run/agent ]; do
    read -r line <&3 || sleep 0.2
    case $line in
        *guest-sync*) echo "{{\\"return\\": $(echo "$line" | tr -dc 0-9)}}" >&3 ;;
        *guest-network-get-interfaces*) echo '{{"return": {interfaces}}}' >&3 ;;
    esac
done
END
"""
INTERFACES = (
    '[{"name": "lo", "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "127.0.0.1",'
    ' "prefix": 8}]}, {"name": "eth0", "hardware-address": "MAC", "ip-addresses":'
    ' [{"ip-address-type": "ipv4", "ip-address": "203.0.113.5", "prefix": 28}]}]'
)


class Host:
    """The libvirtd to ask about, as a test has prepared it."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.virsh = libvirtd.virsh
        self.prefix = prefix
        self.network = f"{prefix}net"
        self.vm = f"{prefix}vm"

    def module(self, module: str, check: bool = False, **args: Any) -> dict[str, Any]:
        """What a module returns; it has to succeed."""
        done = self.modules.run(module, args, check)
        assert not done.get("failed"), done.get("msg")
        return done

    def make(self, name: str, **options: Any) -> None:
        """A VM by the module, small unless the options say something else."""
        small = {"name": name, "memory": {"size": "64MiB"}, "virt_type": "qemu"}
        self.module("vm", **{**small, **options})

    def told(self, name: str, **options: Any) -> dict[str, Any]:
        """What vm_info tells of one VM, looking nowhere for addresses unless it is asked to."""
        [vm] = self.module("vm_info", **{"names": [name], "addresses": [], **options})["vms"]
        return vm

    def xml(self, name: str, *flags: str) -> ET.Element:
        return ET.fromstring(self.virsh("dumpxml", name, *flags))


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Iterator[Host]:
    host = Host(libvirtd, modules, prefix)
    libvirtd.run(["virsh", "net-define", "/dev/stdin"], stdin=NETWORK.format(name=host.network))
    libvirtd.virsh("net-start", host.network)
    yield host


def names_of(virsh_list: str) -> list[str]:
    return sorted(virsh_list.split())


# ---- vm_info


def test_a_vm_is_told_of_as_virsh_knows_it(host: Host) -> None:
    host.make(host.vm, cpu={"count": 1, "maximum": 3}, autostart=True, title="a title")
    told = host.told(host.vm)
    stored = host.xml(host.vm, "--inactive")
    assert told["uuid"] == host.virsh("domuuid", host.vm)
    assert (told["state"], told["autostart"], told["persistent"]) == ("stopped", True, True)
    assert told["title"] == stored.findtext("title")
    assert (told["cpu"]["count"], told["cpu"]["maximum"]) == (1, 3)
    assert told["cpu"]["model"] == stored.findtext("cpu/model")
    assert told["memory"]["size"] == "64MiB"
    assert told["machine"] == stored.find("os/type").get("machine")  # type: ignore[union-attr]
    assert (told["live"], told["pending_restart"], told["guest_agent"]) == (None, [], "none")


def test_every_state(host: Host) -> None:
    for state in ("stopped", "paused"):
        host.make(f"{host.vm}-{state}", state=state)
    host.make(f"{host.vm}-saved", state="paused")
    host.make(f"{host.vm}-saved", state="saved")
    told = host.module("vm_info")["vms"]
    assert [vm["name"] for vm in told] == names_of(host.virsh("list", "--all", "--name"))
    states = {vm["name"].rpartition("-")[2]: vm["state"] for vm in told}
    assert states == {"stopped": "stopped", "paused": "paused", "saved": "saved"}
    assert [vm["name"] for vm in told if vm["live"]] == [f"{host.vm}-paused", f"{host.vm}-saved"]


def test_only_the_vms_that_are_named(host: Host) -> None:
    host.make(host.vm)
    host.make(f"{host.vm}-other")
    told = host.module("vm_info", names=[host.vm, f"{host.vm}-none"])["vms"]
    assert [vm["name"] for vm in told] == [host.vm, f"{host.vm}-none"]
    assert told[1] == {"name": f"{host.vm}-none", "state": "absent"}


def test_what_waits_for_a_restart_whoever_changed_it(host: Host) -> None:
    host.make(host.vm, state="paused", cpu={"count": 1, "maximum": 2})
    host.virsh("setvcpus", host.vm, "4", "--maximum", "--config")
    told = host.told(host.vm)
    assert told["pending_restart"] == ["cpu.maximum"]
    assert (told["cpu"]["maximum"], told["live"]["cpu"]["maximum"]) == (4, 2)


def test_statistics_are_those_of_virsh(host: Host, images: Path) -> None:
    host.libvirtd.run(["qemu-img", "create", "-q", "-f", "raw", f"{images}/root", "2M"])
    host.make(
        host.vm,
        state="paused",
        disks=[{"name": "root", "file": f"{images}/root", "format": "raw"}],
        nics=[{"name": "lan", "vswitch": host.network}],
    )
    statistics = host.told(host.vm, statistics=True)["statistics"]
    lines = host.virsh("domstats", host.vm, "--raw").split("\n")[1:]
    record = dict(line.strip().split("=", 1) for line in lines)
    [disk], [nic] = statistics["disks"], statistics["nics"]
    assert (disk["name"], disk["target"]) == ("root", record["block.0.name"])
    assert disk["capacity_bytes"] == int(record["block.0.capacity"]) == 2 * MIB
    assert (nic["name"], nic["target"]) == ("lan", record["net.0.name"])
    assert nic["received_packets"] <= int(record["net.0.rx.pkts"])
    assert statistics["memory"]["balloon_bytes"] == int(record["balloon.current"]) * 1024
    assert statistics["memory"]["rss_bytes"] > 0
    assert 0 < statistics["cpu"]["time_ns"] <= int(record["cpu.time"])


def test_a_vm_that_does_not_run_has_no_statistics(host: Host) -> None:
    host.make(host.vm)
    assert "statistics" not in host.told(host.vm, statistics=True)


def test_what_a_vm_holds_and_uses_is_told_where_it_is_asked_for(host: Host) -> None:
    host.make(host.vm, state="paused")
    told = host.told(host.vm, resources=True)
    assert "statistics" not in told
    resources = told["resources"]
    assert resources["resource_pool"] == ""
    assert resources["memory"]["balloon_bytes"] == 64 * MIB
    assert resources["memory"]["rss_bytes"] > 0
    both = host.told(host.vm, resources=True, statistics=True)
    assert sorted(both["resources"]["memory"]) == sorted(resources["memory"])
    host.virsh("destroy", host.vm)
    assert "resources" not in host.told(host.vm, resources=True)


def test_check_mode_tells_the_same(host: Host) -> None:
    host.make(host.vm, agent=True)
    args = {"names": [host.vm], "statistics": True}
    told = host.module("vm_info", **args)
    assert host.module("vm_info", check=True, **args)["vms"] == told["vms"]
    assert told["vms"][0]["guest_agent"] == "disconnected"
    assert not told["changed"]


@pytest.mark.boots_guest
def test_addresses_by_lease_and_by_agent(host: Host) -> None:
    guest = boot(host)
    mac = host.told(host.vm)["nics"][0]["mac"]
    leased = guest.wait_address(mac)
    assert host.told(host.vm, addresses=["lease", "agent"])["guest_agent"] == "disconnected"
    assert addresses(host, "lease") == [("lan", leased, 24, ["lease"])]

    script = GUEST_AGENT.format(channel=AGENT, interfaces=INTERFACES.replace("MAC", mac))
    assert guest.shell(script)[0] == 0
    in_background(guest, "exec 3<>/dev/$(cat /run/agent-port); sleep 600")
    wait_for_agent(host, "connected")
    began = time.monotonic()
    assert host.told(host.vm, addresses=["agent"])["guest_agent"] == "unresponsive"
    assert time.monotonic() - began < 120

    guest.shell("kill $(cat /run/background)")
    wait_for_agent(host, "disconnected")
    in_background(guest, "sh /run/agent")
    wait_for_agent(host, "connected")
    assert addresses(host, "lease", "agent") == [
        ("lan", leased, 24, ["lease"]),
        ("lan", "203.0.113.5", 28, ["agent"]),
    ]


def boot(host: Host) -> TinyGuest:
    """The tiny guest in a VM on the network, with the channel for an agent."""
    provide(host.libvirtd.outside(GUEST_FILES))
    host.make(
        host.vm,
        state="running",
        memory={"size": "128MiB"},
        agent=True,
        channels=[{"name": "org.kvm.fleet.guest.0"}],
        boot={
            "kernel": f"{GUEST_FILES}/vmlinuz",
            "initrd": f"{GUEST_FILES}/initramfs.img",
            "cmdline": COMMAND_LINE,
        },
        nics=[{"name": "lan", "vswitch": host.network}],
    )
    guest = TinyGuest(host.vm, host.libvirtd.uri, host.libvirtd.outside)
    guest.wait_ready()
    return guest


def in_background(guest: TinyGuest, script: str) -> None:
    quoted = shlex.quote(script)
    guest.shell(f"setsid sh -c {quoted} </dev/null >/dev/null 2>&1 & echo $! >/run/background")


def wait_for_agent(host: Host, state: str) -> None:
    """libvirt hears from QEMU that the guest has opened or closed the channel."""
    deadline = time.monotonic() + 300
    while (now := host.told(host.vm)["guest_agent"]) != state:
        assert time.monotonic() < deadline, f"the agent is {now} and not {state} after five minutes"
        time.sleep(0.3)


def addresses(host: Host, *sources: str) -> list[tuple[str, str, int, list[str]]]:
    told = host.told(host.vm, addresses=list(sources))["addresses"]
    return [(entry["nic"], entry["address"], entry["prefix"], entry["sources"]) for entry in told]


# ---- host_info


def test_a_host_is_told_of_as_virsh_knows_it(host: Host) -> None:
    told = host.module("host_info")
    version = host.virsh("version", "--daemon")
    assert f"Running against daemon: {told['hypervisor']['libvirt_version']}" in version
    assert f"QEMU {told['hypervisor']['hypervisor_version']}" in version
    assert told["hypervisor"]["hostname"] == host.virsh("hostname")
    node = dict(line.split(":") for line in host.virsh("nodeinfo").splitlines())
    assert told["cpu"]["count"] == int(node["CPU(s)"])
    assert told["cpu"]["arch"] == node["CPU model"].strip()
    cells = ET.fromstring(host.virsh("capabilities")).findall("host/topology/cells/cell")
    assert [cell["id"] for cell in told["numa_cells"]] == [int(c.get("id", 0)) for c in cells]
    memory = dict(line.split(":") for line in host.virsh("nodememstats").splitlines())
    total_kib = next(v for k, v in memory.items() if k.strip() == "total")
    assert told["memory"]["total_bytes"] == int(total_kib.split()[0]) * 1024
    assert 0 < told["memory"]["free_bytes"] < told["memory"]["total_bytes"]


def test_what_guests_can_be(host: Host) -> None:
    told = host.module("host_info")
    domain = ET.fromstring(host.virsh("domcapabilities", "--machine", "q35"))
    firmware = [value.text for value in domain.findall("os/enum[@name='firmware']/value")]
    secure = [value.text for value in domain.findall("os/loader/enum[@name='secure']/value")]
    assert told["guests"]["efi"] == ("efi" in firmware)
    assert told["guests"]["secure_boot"] == ("yes" in secure)
    assert told["guests"]["machine_families"]["q35"] == domain.findtext("machine")
    assert told["acceleration"]["virt_type"] in told["guests"]["virt_types"]
    assert told["acceleration"]["accelerated"] == (told["acceleration"]["virt_type"] == "kvm")


def test_what_is_there_and_what_is_taken(host: Host, images: Path) -> None:
    host.make(f"{host.vm}1", state="paused", cpu={"count": 1, "maximum": 2})
    host.make(f"{host.vm}2", cpu={"count": 3}, memory={"size": "32MiB", "maximum": "64MiB"})
    host.module("storage_pool", name=f"{host.prefix}pool", type="dir", path=f"{images}/pool")
    told = host.module("host_info")
    assert told["vms"] == {"running": 0, "paused": 1, "stopped": 1, "saved": 0, "crashed": 0}
    assert told["allocated"] == {
        "running": allocated(1, 2, 64, 64),
        "defined": allocated(4, 5, 96, 128),
    }
    pools, networks = host.virsh("pool-list", "--name"), host.virsh("net-list", "--name")
    assert active(told["storage_pools"]) == names_of(pools)
    assert active(told["vswitches"]) == names_of(networks)


def allocated(vcpus: int, vcpus_maximum: int, mib: int, maximum_mib: int) -> dict[str, int]:
    return {
        "vcpus": vcpus,
        "vcpus_maximum": vcpus_maximum,
        "memory_bytes": mib * MIB,
        "memory_maximum_bytes": maximum_mib * MIB,
    }


def active(things: list[dict[str, str]]) -> list[str]:
    return [thing["name"] for thing in things if thing["state"] == "active"]


# ---- both


@pytest.mark.parametrize("module", ["vm_info", "host_info"])
def test_the_driver_without_guests(module: str) -> None:
    told = run_module(module, {"uri": "test:///default"})
    assert not told.get("failed"), told.get("msg")
    assert "exception" not in told


@pytest.mark.parametrize("module", ["vm_info", "host_info"])
def test_a_libvirt_that_is_not_there(module: str) -> None:
    told = run_module(module, {"uri": "qemu+unix:///system?socket=/nonexistent/socket"})
    assert told["failed"]
    assert "cannot connect to libvirt at qemu+unix:" in told["msg"]
    assert "exception" not in told


# ---- what a host holds


def test_what_is_held_and_free(host: Host) -> None:
    before = host.module("host_info", promises=True)["promises"]
    host.make(host.vm, autostart=True, cpu={"count": 1})
    after = host.module("host_info", promises=True)["promises"]
    assert after["capacity"] == before["capacity"]
    assert after["consolidation"]["vcpus"] == before["consolidation"]["vcpus"] + 1
    # It has no reservation, and QEMU's own memory is held by a VM that starts with the host.
    more = after["held"]["memory_bytes"] - before["held"]["memory_bytes"]
    assert 64 * MIB < more < 72 * MIB  # 56 for itself, 8 for its vCPU, and page tables
    less = before["free"]["memory_bytes"] - after["free"]["memory_bytes"]
    assert less == more


def test_what_is_told_of_a_host_without_asking_for_each_vm(host: Host) -> None:
    told = host.module("host_info")
    assert "held" not in told["promises"]
    assert told["promises"]["policy"]["admission"] == "strict"
    assert told["promises"]["enforced_by"]["hook"] == {"installed": "", "called": False}
    assert {page["size"] for page in told["huge_pages"]} >= {"2MiB"}
    cells = {cell["id"] for cell in told["numa_cells"]}
    assert {page["node"] for page in told["huge_pages"]} == {None, *cells}
    assert told["ksm"]["run"] in ("off", "merge", "unmerge")
    total = told["memory"]["total_bytes"]
    assert told["promises"]["capacity"]["memory_bytes"] == total
