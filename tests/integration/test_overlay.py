"""Port groups that span hosts, by tunnels of a real Open vSwitch between three of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import commands
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.overlay import Overlay
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from support.module_server import ModuleServer
from support.open_vswitch import OpenVswitch, OtherHost, why_not_here
from support.private_libvirtd import PrivateLibvirtd, wait_until, which

BRIDGE = "ovs-own"
NOTHING: dict[str, Any] = {"bridges": {}, "datapaths": ["netdev"], "tunnels": {}}


class Fleet:
    """This host, whose switch is declared, and two others, which are told the same by hand."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> None:
        self.switch = OpenVswitch(libvirtd)
        self.modules = modules
        self.net = f"{prefix}net"
        self.hosts = [OtherHost(libvirtd, number, own=number == 11) for number in (11, 12, 13)]

    def others_have(self, kind: str, port: int) -> None:
        for host in self.hosts[1:]:
            peers = tuple(one.address for one in self.hosts if one is not host)
            will = Switch("net", overlay=Overlay(kind, 5000, peers, "", port))
            told = [["--if-exists", "del-br", BRIDGE], *commands.making(NOTHING, BRIDGE, will)]
            told.append(["add-port", BRIDGE, host.port, "tag=10"])
            host.vsctl(*[word for one in told for word in ("--", *one)][1:])

    def converge(self, **args: Any) -> dict[str, Any]:
        """What a run changed, which check mode had too, and after which there is nothing left."""
        before = self.switch.everything()
        predicted = self.modules.run("vswitch", {"name": self.net, **args}, check=True)
        assert not predicted.get("failed"), predicted
        assert self.switch.everything() == before, "check mode wrote something"
        done = self.modules.run("vswitch", {"name": self.net, **args})
        assert not done.get("failed"), done
        assert done["plan"] == predicted["plan"]
        again = self.modules.run("vswitch", {"name": self.net, **args})
        assert (again["changed"], again["plan"]) == (False, [])
        return {row["field"]: row["after"] for row in done["plan"]}

    def told(self) -> dict[str, Any]:
        [told] = self.modules.run("vswitch_info", {"names": [self.net]})["vswitches"]
        return dict(told)

    def stop(self) -> None:
        for host in reversed(self.hosts):
            host.stop()
        self.switch.vsctl("--if-exists", "del-br", BRIDGE)
        self.switch.stop()


@pytest.fixture
def fleet(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Iterator[Fleet]:
    if reason := why_not_here() or ("" if which("ping") else "not installed: ping"):
        pytest.skip(reason)
    fleet = Fleet(libvirtd, modules, prefix)
    yield fleet
    fleet.stop()


@pytest.mark.long(touched_by=r"kinds/vswitch/switch/(overlay|commands)|open_vswitch")
def test_a_port_group_spans_three_hosts_without_tags_on_the_wire(fleet: Fleet) -> None:
    here, near, far = fleet.hosts
    vsctl = fleet.switch.vsctl
    fleet.others_have("vxlan", 4789)
    overlay = {"id": 5000, "peers": [near.address]}
    of_switch = {"type": "openvswitch", "bridge": BRIDGE, "mtu": 1446}
    assert fleet.converge(**of_switch, overlay=overlay)["overlay.peers"] == [near.address]
    vsctl("add-port", BRIDGE, here.port, "tag=10")
    wait_until(lambda: here.reaches(near), 30, "an answer in VLAN 10 of another host")
    assert not here.reaches(far)

    frames = here.captured(near)
    tunnelled = [one.split() for one in frames if len(one.split()) > 1]
    assert {(kind, port, number) for kind, port, number, _inner in tunnelled} == {
        ("0800", "4789", "5000")
    }
    assert "8100" in {inner for *_outer, inner in tunnelled}, "the tag is in the tunnel"
    assert not [one for one in frames if one.startswith("8100")]
    vsctl("set", "Port", here.port, "tag=20")
    assert not here.reaches(near)
    vsctl("set", "Port", here.port, "tag=10")

    # A full mesh, in which nothing goes in circles.
    peers = [near.address, far.address]
    assert fleet.converge(overlay={"peers": peers}) == {"overlay.peers": peers}
    for one, other in ((here, far), (here, near), (near, far), (far, here)):
        wait_until(lambda a=one, b=other: a.reaches(b), 30, f"{one.name} to {other.name}")
    assert len(here.captured(near)) < 200

    # What others do there stays, and what they undo comes back.
    tunnel = next(n for n in vsctl("list-ports", BRIDGE).split() if n.startswith("ov-"))
    vsctl("set", "Port", tunnel, "protected=false", "tag=7", "--", "set", "Interface", tunnel,
          "options:key=7", "options:tos=inherit")  # fmt: skip
    by_hand = ["add-port", BRIDGE, "vx0", "--", "set", "Interface", "vx0", "type=vxlan"]
    vsctl(*by_hand, "options:remote_ip=192.0.2.99", "options:key=9")
    assert list(fleet.converge(overlay={"peers": peers})) == ["links"]
    assert vsctl("get", "Port", tunnel, "protected") == "true"
    assert vsctl("get", "Interface", tunnel, "options:tos") == "inherit"
    assert vsctl("get", "Port", tunnel, "tag") == "[]"
    wait_until(lambda: here.reaches(far), 30, "an answer by a tunnel that was set back")
    told = fleet.told()
    assert told["overlay"] == {"type": "vxlan", "id": 5000, "peers": peers, "port": 4789}
    assert far.address in {one.get("peer") for one in told["mac_table"]}

    fleet.others_have("geneve", 6081)
    assert fleet.converge(overlay={"type": "geneve"}) == {
        "overlay.type": "geneve",
        "overlay.port": 6081,
    }
    wait_until(lambda: here.reaches(far), 30, "an answer by Geneve")
    assert "0800 6081 5000 8100" in here.captured(far)

    assert fleet.converge(overlay={"peers": []})["overlay.peers"] == []
    assert set(vsctl("list-ports", BRIDGE).split()) == {here.port, "vx0"}
    assert not here.reaches(far)
    vsctl("del-port", "vx0", "--", "del-port", here.port)
    assert fleet.converge(overlay={"id": 5000, "peers": peers})["overlay.type"] == "vxlan"
    assert fleet.converge(state="absent")["switch"] == "absent"
    assert BRIDGE not in vsctl("list-br").split()

    # From a bridge of others tunnels alone go.
    fleet.switch.add_bridge(BRIDGE)
    fleet.converge(type="openvswitch", bridge=BRIDGE, overlay={"id": 5000, "peers": peers})
    vsctl("clear", "Bridge", BRIDGE, "external_ids")
    again = fleet.converge(overlay={"id": 5000, "peers": peers})
    assert again["overlay.peers"] == peers and "links" not in again
    assert fleet.converge(state="absent")["overlay"] == "absent"
    assert BRIDGE in vsctl("list-br").split()
    assert not vsctl("list-ports", BRIDGE)
