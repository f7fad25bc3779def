"""VLANs of ports on a real Open vSwitch, which libvirt makes and the modules change."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host import units
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import links_unit
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from support.module_server import ModuleServer
from support.open_vswitch import OpenVswitch, why_not_here
from support.private_libvirtd import PrivateLibvirtd, wait_until, which
from support.vswitches import commands_of

ROOT = Path(__file__).parents[2]
BRIDGE = "ovs-test"
MACS = {name: f"52:54:00:0e:12:0{n}" for n, name in enumerate(("web", "own", "trunk"))}
GROUPS = [
    {"name": "web", "vlan": 10, "default": True},
    {"name": "carrier", "trunk": ["20-22"], "native_vlan": 5},
]


class Lab:
    """A vswitch on a bridge of Open vSwitch, with a VM that runs on it."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, switch: OpenVswitch, prefix: str
    ) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.switch = switch
        self.net = f"{prefix}net"
        self.vm = f"{prefix}vm"

    def converge(self, module: str, **args: Any) -> list[dict[str, Any]]:
        """The plan of a run, which check mode had too, and after which there is nothing left."""
        before = self.switch.everything()
        predicted = self.modules.run(module, args, check=True)
        assert not predicted.get("failed"), predicted.get("msg")
        assert self.switch.everything() == before, "check mode wrote something"
        done = self.modules.run(module, args)
        assert not done.get("failed"), done.get("msg")
        assert done["plan"] == predicted["plan"]
        again = self.modules.run(module, args)
        assert (again["changed"], again["plan"], again["pending_restart"]) == (False, [], [])
        [told] = self.modules.run("vm_info", {"names": [self.vm]})["vms"]
        assert not told.get("pending_restart")
        return list(done["plan"])

    def groups(self, *groups: dict[str, Any]) -> list[dict[str, Any]]:
        switch = {"name": self.net, "type": "openvswitch", "bridge": BRIDGE}
        return self.converge("vswitch", **switch, port_groups=list(groups))

    def own(self, **nic: Any) -> list[dict[str, Any]]:
        return self.converge("vm", name=self.vm, nics=[{"name": "own", "mac": MACS["own"], **nic}])

    def start_vm(self) -> None:
        nics = (
            ("web", f"<source network='{self.net}' portgroup='web'/>"),
            ("own", f"<source network='{self.net}'/><vlan><tag id='30'/></vlan>"),
            ("trunk", f"<source network='{self.net}' portgroup='carrier'/>"),
        )
        interfaces = "".join(
            f"<interface type='network'><mac address='{MACS[name]}'/>{source}"
            "<model type='virtio'/></interface>"
            for name, source in nics
        )
        self.libvirtd.run(
            ["virsh", "define", "/dev/stdin"],
            stdin=f"""<domain type="qemu"><name>{self.vm}</name><memory unit="MiB">64</memory>
            <os><type machine="q35">hvm</type></os><features><acpi/></features>
            <devices>{interfaces}</devices></domain>""",
        )
        self.libvirtd.virsh("start", self.vm)

    def tap(self, name: str) -> str:
        for nic in ET.fromstring(self.libvirtd.virsh("dumpxml", self.vm)).iter("interface"):
            if nic.find("mac").get("address") == MACS[name]:
                return nic.find("target").get("dev")
        raise AssertionError(name)

    def port(self, name: str) -> tuple[Any, ...]:
        return self.switch.port(self.tap(name))


@pytest.fixture
def lab(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Iterator[Lab]:
    if reason := why_not_here():
        pytest.skip(reason)
    switch = OpenVswitch(libvirtd)
    switch.add_bridge(BRIDGE)
    yield Lab(libvirtd, modules, switch, prefix)
    switch.vsctl("del-br", BRIDGE)
    switch.stop()


@pytest.mark.long(touched_by=r"kinds/vswitch/|vlans\.py|port_groups\.py|open_vswitch")
def test_ports_of_vms_that_run_follow_their_vlans(lab: Lab) -> None:
    lab.groups(*GROUPS)
    lab.start_vm()
    assert lab.port("web") == (10, None, None)
    assert lab.port("own") == (30, None, None)
    assert lab.port("trunk") == (5, [5, 20, 21, 22], "native-untagged")
    [told] = lab.modules.run("vswitch_info", {"names": [lab.net]})["vswitches"]
    ports = {nic["mac"]: (nic["vlan"], nic["trunk"], nic["native_vlan"]) for nic in told["nics"]}
    assert ports[MACS["web"]] == (10, [], 0) and ports[MACS["trunk"]] == (0, ["20-22"], 5)
    lab.switch.vsctl("add-port", BRIDGE, "foreign", "tag=10", "--", "set", "interface", "foreign",
                     "type=internal")  # fmt: skip

    plan = lab.groups({"name": "web", "vlan": 20}, {"name": "carrier", "vlan": 40})
    ports = [change for change in plan if change["field"] == "ports"]
    assert [(change["class"], change["after"]) for change in ports] == [
        ("live", {f"{lab.vm} ({MACS['web']})": "VLAN 20", f"{lab.vm} ({MACS['trunk']})": "VLAN 40"})
    ]
    assert lab.port("web") == (20, None, None)
    assert lab.port("trunk") == (40, None, None)
    # Neither a NIC with a VLAN of its own nor a port of others.
    assert lab.port("own") == (30, None, None)
    assert lab.switch.port("foreign") == (10, None, None)

    # As a run leaves it that is killed before it comes to the ports.
    lab.switch.vsctl("set", "Port", lab.tap("web"), "tag=99", "trunks=1,2")
    [mended] = lab.groups({"name": "web", "vlan": 20})
    assert mended["field"] == "ports"
    assert lab.port("web") == (20, None, None)

    lab.groups({"name": "web", "vlan": 0})
    assert lab.port("web") == (None, None, None)

    [changed] = lab.own(vlan=31)
    assert (changed["field"], changed["class"]) == (f"nics.{MACS['own']}.vlan", "live")
    assert lab.port("own") == (31, None, None)
    lab.own(vlan=0, trunk=["7-8"])
    assert lab.port("own") == (None, [7, 8], None)
    lab.own(trunk=[])
    assert lab.port("own") == (None, None, None)
    assert lab.libvirtd.virsh("domstate", lab.vm) == "running"


# What the role kvm_host installs for VLANs and isolation, in folders of these namespaces alone.
INSTALLED = """
set -e
mountpoint -q /usr/local/lib || mount -t tmpfs none /usr/local/lib
library=/usr/local/lib/kvm-fleet-vlans
mkdir -p $library/fleet/engine $library/fleet/host
cd {root}/plugins/module_utils
cp engine/cpu_lists.py engine/vlan_ports.py $library/fleet/engine
cp host/port_vlans.py $library/fleet/host
cd {root}/roles/kvm_host/files
cp vlan_hook.py $library/hook.py
for of in qemu daemon; do
    mkdir -p /etc/libvirt/hooks/$of.d
    cp vlan_hook /etc/libvirt/hooks/$of.d/60-kvm-fleet-vlans
    chmod 755 /etc/libvirt/hooks/$of.d/60-kvm-fleet-vlans
done
"""
GONE = """
umount --lazy /usr/local/lib
rm -r /etc/libvirt/hooks/qemu.d /etc/libvirt/hooks/daemon.d /run/kvm-fleet/vlan-hook-called
"""


@pytest.fixture
def hooks(libvirtd: PrivateLibvirtd) -> Iterator[None]:
    """A place for hooks that is there as libvirtd starts, without which it looks for none."""
    libvirtd.run(["mkdir", "-p", "/etc/libvirt/hooks/qemu.d", "/etc/libvirt/hooks/daemon.d"])
    yield
    libvirtd.run(["bash", "-c", GONE])
    libvirtd.restart()


@pytest.mark.long(
    touched_by=r"kinds/vswitch/(ports|tagging|isolation)|applier_ports|port_vlans|open_vswitch"
)
@pytest.mark.usefixtures("hooks")
def test_nics_are_isolated_by_their_port_group(lab: Lab) -> None:
    """libvirt has no isolation on Open vSwitch; its hook isolates as VMs start, and the module."""

    def isolated() -> set[str]:
        said = lab.switch.vsctl("--bare", "--columns=name", "find", "Port", "protected=true")
        return {name for name in MACS if lab.tap(name) in said.split()}

    lab.groups(*GROUPS)
    lab.start_vm()
    asked = {"name": lab.net, "port_groups": [{"name": "web", "isolated": True}]}
    for installed, says in ((False, "the role kvm_host installs it"), (True, "restart it")):
        if installed:
            lab.libvirtd.run(["bash", "-c", INSTALLED.format(root=ROOT)])
        refused = lab.modules.run("vswitch", asked)
        assert says in refused["errors"][0], refused
    lab.libvirtd.restart()

    plan = lab.groups({"name": "web", "isolated": True})
    ports = [change for change in plan if change["field"] == "ports"]
    both = {f"{lab.vm} ({MACS[name]})" for name in ("web", "own")}
    assert [(change["class"], {*change["after"]}) for change in ports] == [("live", both)]
    assert isolated() == {"web", "own"}
    assert lab.port("own") == (30, None, None)
    [told] = lab.modules.run("vswitch_info", {"names": [lab.net]})["vswitches"]
    assert {nic["mac"]: nic["isolated"] for nic in told["nics"]} == {
        MACS["web"]: True,
        MACS["own"]: True,
        MACS["trunk"]: False,
    }

    lab.libvirtd.virsh("destroy", lab.vm)
    lab.libvirtd.virsh("start", lab.vm)
    assert isolated() == {"web", "own"}, "by the hook"
    more = {"name": "more", "vswitch": lab.net, "port_group": "web"}
    lab.converge("vm", name=lab.vm, nics=[more])
    said = lab.switch.vsctl("--bare", "--columns=name", "find", "Port", "protected=true")
    assert len(said.split()) == 3, "plugged in"

    # A port group that libvirt takes a NIC into while it runs, since its limits are others.
    lab.groups({"name": "slow", "vlan": 10, "bandwidth": {"outbound": {"average": "1MiB"}}})
    for group, are in (("slow", {"own"}), ("web", {"web", "own"})):
        [moved] = lab.converge(
            "vm", name=lab.vm, nics=[{"name": "w", "mac": MACS["web"], "port_group": group}]
        )
        assert moved["class"] == "live" and isolated() == are

    lab.groups({"name": "web", "isolated": False})
    assert isolated() == set()
    lab.switch.vsctl("set", "Port", lab.tap("own"), "protected=true")
    [mended] = lab.groups({"name": "web"})
    assert mended["field"] == "ports" and isolated() == set()
    refused = lab.modules.run("vm", {"name": lab.vm, "nics": [{**more, "isolated": True}]})
    assert "declare it of their port group" in refused["errors"][0], refused

    lab.libvirtd.virsh("destroy", lab.vm)
    lab.groups({"name": "web", "isolated": True})
    lab.libvirtd.run(["chmod", "0", "/usr/local/lib/kvm-fleet-vlans/hook.py"])
    lab.libvirtd.run(["rm", "/usr/local/lib/kvm-fleet-vlans/fleet/host/port_vlans.py"])
    started = lab.libvirtd.try_run(["virsh", "start", lab.vm])
    assert started.returncode != 0, "a VM that nobody isolates does not start"


# ---- the switch itself

# Two cables to a switch elsewhere, in VLAN 10 of which is somebody.
CABLES = """
set -e
unshare --net sleep 600 </dev/null >/dev/null 2>&1 &
far=$!
for n in 1 2; do
    ip link add up$n type veth peer name wire$n
    ip link set wire$n up
done
while [ "$(readlink /proc/$far/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add port10 type veth peer name somebody
ip link set somebody netns $far
ip link set port10 up
nsenter --net=/proc/$far/ns/net bash -ec '
    ip address add 10.99.0.2/24 dev somebody
    ip link set somebody up'
ovs-vsctl add-br far -- set Bridge far datapath_type=netdev -- \
    add-port far wire1 -- add-port far wire2 -- add-port far port10 tag=10
echo $far
"""


class Cables:
    """What is at the other end of the uplinks."""

    def __init__(self, libvirtd: PrivateLibvirtd) -> None:
        self.libvirtd = libvirtd
        self.process = libvirtd.run(["bash", "-c", CABLES]).strip()

    def answers(self) -> bool:
        done = self.libvirtd.try_run(["ping", "-c", "1", "-W", "1", "10.99.0.2"])
        return done.returncode == 0

    def cut(self) -> None:
        self.libvirtd.run(["ovs-vsctl", "del-br", "far"])
        self.libvirtd.run(["kill", self.process])
        for name in ("up1", "up2"):
            self.libvirtd.try_run(["ip", "link", "delete", name])


@pytest.fixture
def cables(lab: Lab) -> Iterator[Cables]:
    if not which("ping"):
        pytest.skip("not installed: ping")
    cables = Cables(lab.libvirtd)
    yield cables
    cables.cut()


def changed(plan: list[dict[str, Any]]) -> dict[str, Any]:
    return {row["field"]: row["after"] for row in plan}


@pytest.mark.long(touched_by=r"kinds/vswitch/|open_vswitch|links")
def test_a_switch_is_made_kept_and_goes_with_its_uplinks(lab: Lab, cables: Cables) -> None:
    vsctl = lab.switch.vsctl
    switch = {"name": lab.net, "type": "openvswitch", "bridge": "ovs-own"}
    plan = lab.converge("vswitch", **{**switch, "uplinks": {"nics": ["up1"]}, "mtu": 1400})
    assert changed(plan)["switch"] == "bridge ovs-own of Open vSwitch"
    assert vsctl("list-ports", "ovs-own") == "up1"
    assert lab.libvirtd.run(["cat", "/sys/class/net/up1/mtu", "/sys/class/net/ovs-own/mtu"]) == (
        "1400\n1400\n"
    )

    # Somebody in VLAN 10 here reaches somebody in VLAN 10 there, and from another VLAN does not.
    vsctl("add-port", "ovs-own", "host10", "tag=10", "--", "set", "Interface", "host10",
          "type=internal")  # fmt: skip
    lab.libvirtd.run(
        ["bash", "-c", "ip link set host10 up; ip address add 10.99.0.1/24 dev host10"]
    )
    wait_until(cables.answers, 30, "an answer in VLAN 10")
    vsctl("set", "Port", "host10", "tag=20")
    assert not cables.answers()
    vsctl("set", "Port", "host10", "tag=10")

    # As a start of the host leaves it that had lost its power, which runs the unit of the switch.
    for port, of in (("vnet70", "external_ids:vm-id=7"), ("theirs", "external_ids:x=7")):
        vsctl("add-port", "ovs-own", port, "tag=20", "--", "set", "Interface", port, of)
    lab.libvirtd.run(["ip", "link", "set", "up1", "down"])
    unit = lab.libvirtd.outside("/etc/systemd/system/kvm-fleet-switch-ovs-own.service")
    assert unit.exists() == units.are_started()
    [text] = links_unit.files_of("ovs-own", Switch(lab.net, ("up1",)), False).values()
    for command in commands_of(text):
        lab.libvirtd.run([word.lstrip("-") for word in command[:1]] + command[1:])
    assert set(vsctl("list-ports", "ovs-own").split()) == {"up1", "host10", "theirs"}
    assert lab.libvirtd.run(["cat", "/sys/class/net/up1/operstate"]) == "up\n"
    vsctl("del-port", "theirs")

    # As somebody leaves it.
    lab.libvirtd.run(["ip", "link", "set", "up1", "down"])
    [raised] = lab.converge("vswitch", name=lab.net, uplinks={"nics": ["up1"]})
    assert raised["after"] == {"up1": "up"}

    uplinks = {"nics": ["up2", "up1"], "primary": "up1"}
    assert changed(lab.converge("vswitch", name=lab.net, uplinks=uplinks)) == {
        "uplinks.nics": ["up1", "up2"],
        "uplinks.teaming": "active_backup",
        "uplinks.primary": "up1",
    }
    wait_until(cables.answers, 30, "an answer by a bond")
    told = lab.modules.run("vswitch_info", {"names": [lab.net]})["vswitches"][0]
    assert told["uplink_states"] == [
        {"nic": "up1", "link": "up", "active": True},
        {"nic": "up2", "link": "up", "active": False},
    ]

    def is_learnt() -> bool:  # a bond that settles forgets what it had seen
        cables.answers()
        told = lab.modules.run("vswitch_info", {"names": [lab.net]})["vswitches"][0]
        return (10, "host10") in {(one["vlan"], one["port"]) for one in told["mac_table"]}

    wait_until(is_learnt, 30, "the port of the host in the MAC table")
    lab.libvirtd.run(["ip", "link", "set", "wire1", "down"])
    wait_until(cables.answers, 30, "an answer by the other uplink")
    lab.libvirtd.run(["ip", "link", "set", "wire1", "up"])
    lab.converge("vswitch", name=lab.net, uplinks={"nics": ["up2"]}, mtu=0)
    assert set(vsctl("list-ports", "ovs-own").split()) == {"up2", "host10"}
    wait_until(cables.answers, 30, "an answer by what is left")

    # As a run leaves it that was killed, or somebody else.
    vsctl("del-br", "ovs-own")
    lab.converge("vswitch", **{**switch, "uplinks": {"nics": ["up1", "up2"], "teaming": "lacp"}})
    [bond] = vsctl("list-ports", "ovs-own").split()
    assert vsctl("get", "Port", bond, "bond_mode", "lacp").split() == ["balance-tcp", "active"]
    told = lab.modules.run("vswitch_info", {"names": [lab.net]})["vswitches"][0]
    assert told["uplinks"] == {"nics": ["up1", "up2"], "teaming": "lacp"}

    assert unit.exists() == units.are_started()
    gone = lab.converge("vswitch", name=lab.net, state="absent")
    assert changed(gone)["switch"] == "absent"
    assert not unit.exists()
    assert set(vsctl("list-br").split()) == {BRIDGE, "far"}


def test_a_switch_of_others_is_used_and_stays(lab: Lab) -> None:
    plan = lab.converge("vswitch", name=lab.net, type="openvswitch", bridge=BRIDGE)
    assert "switch" not in changed(plan)
    lab.converge("vswitch", name=lab.net, state="absent")
    assert lab.switch.vsctl("list-br") == BRIDGE


@pytest.mark.long(touched_by=r"kinds/vswitch/switch/commands|open_vswitch")
def test_all_uplinks_of_a_bond_become_others_and_an_mtu_goes(lab: Lab) -> None:
    vsctl, names = lab.switch.vsctl, [f"spare{n}" for n in range(1, 5)]
    for one, other in zip(names[:2], names[2:]):
        lab.libvirtd.run(["ip", "link", "add", one, "type", "veth", "peer", "name", other])
    for name in names:
        lab.libvirtd.run(["ip", "link", "set", name, "up"])
    try:
        switch = {"name": lab.net, "type": "openvswitch", "bridge": "ovs-own"}
        lab.converge("vswitch", **switch, uplinks={"nics": names[:2], "teaming": "lacp"}, mtu=1400)
        [bond] = vsctl("list-ports", "ovs-own").split()
        vsctl("set", "Port", bond, "other_config:lacp-time=fast")
        lab.converge("vswitch", name=lab.net, uplinks={"nics": names[2:]})
        assert vsctl("list-ifaces", "ovs-own").split() == names[2:]
        assert vsctl("get", "Interface", names[3], "mtu_request") == "1400"
        assert vsctl("get", "Port", bond, "other_config:lacp-time") == "fast"
        lab.converge("vswitch", name=lab.net, mtu=0)
        mtu = ["cat", f"/sys/class/net/{names[3]}/mtu", "/sys/class/net/ovs-own/mtu"]
        assert lab.libvirtd.run(mtu) == "1500\n1500\n"
    finally:
        lab.converge("vswitch", name=lab.net, state="absent")
        for name in names[:2]:
            lab.libvirtd.run(["ip", "link", "delete", name])
