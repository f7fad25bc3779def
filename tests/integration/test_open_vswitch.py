"""VLANs of ports on a real Open vSwitch, which libvirt makes and the modules change."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.open_vswitch import OpenVswitch, why_not_here
from support.private_libvirtd import PrivateLibvirtd

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
        assert not predicted.get("failed"), predicted
        assert self.switch.everything() == before, "check mode wrote something"
        done = self.modules.run(module, args)
        assert not done.get("failed"), done
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


@pytest.mark.long(touched_by=r"kinds/vswitch/|vlans\.py|port_groups\.py|open_vswitch")
def test_ports_of_vms_that_run_follow_their_vlans(lab: Lab) -> None:
    lab.groups(*GROUPS)
    lab.start_vm()
    assert lab.port("web") == (10, None, None)
    assert lab.port("own") == (30, None, None)
    assert lab.port("trunk") == (5, [5, 20, 21, 22], "native-untagged")
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
