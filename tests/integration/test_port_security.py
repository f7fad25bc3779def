"""Strict and isolated port groups on a real libvirtd: what the filter lets out, who has which.

The oracles are frames that a program sends by one end of a wire, whose other end is a port with the
filter; libvirt's bindings of filters to taps; ebtables; and what the kernel says of a tap.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import filters
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until, which

MAC, OTHER_MAC = "52:54:00:0e:5c:01", "52:54:00:0e:5c:02"
OWN, OTHER = "192.0.2.7", "192.0.2.8"
BY_GROUP, PERMISSIVE = "kvm-fleet-port-group", "kvm-fleet-permissive"
RULES_TIMEOUT_S = 120

pytestmark = pytest.mark.skipif(not which("ebtables"), reason="no ebtables")


class Lab:
    """A vswitch with a port group, and a VM that runs on it."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.net, self.vm = f"{prefix}net", f"{prefix}vm"

    def converge(self, module: str, **args: Any) -> list[dict[str, Any]]:
        """The plan of a run, which check mode had too, and after which there is nothing left."""
        before = self.everything()
        predicted = self.modules.run(module, args, check=True)
        assert not predicted.get("failed"), predicted.get("msg")
        assert self.everything() == before, "check mode wrote something"
        done = self.modules.run(module, args)
        assert not done.get("failed"), done.get("msg")
        assert done["plan"] == predicted["plan"]
        again = self.modules.run(module, args)
        assert (again["changed"], again["plan"]) == (False, []), again
        return list(done["plan"])

    def everything(self) -> list[str]:
        asked = ("net-dumpxml", self.net, "--inactive"), ("dumpxml", self.vm), ("nwfilter-list",)
        return [self.libvirtd.try_run(["virsh", *one]).stdout for one in asked]

    def groups(self, *groups: dict[str, Any]) -> list[dict[str, Any]]:
        return self.converge("vswitch", name=self.net, type="isolated", port_groups=list(groups))

    def nic(self, **said: Any) -> list[dict[str, Any]]:
        return self.converge("vm", name=self.vm, nics=[{"name": "lan", "mac": MAC, **said}])

    def start_vm(self) -> None:
        self.libvirtd.run(
            ["virsh", "define", "/dev/stdin"],
            stdin=f"""<domain type="qemu"><name>{self.vm}</name><memory unit="MiB">64</memory>
            <os><type machine="q35">hvm</type></os><devices><interface type='network'>
            <mac address='{MAC}'/><source network='{self.net}' portgroup='tenants'/>
            <model type='virtio'/></interface></devices></domain>""",
        )
        self.libvirtd.virsh("start", self.vm, "--paused")

    def rules(self) -> str:
        return self.libvirtd.run(["ebtables", "-t", "nat", "-L"])

    def filters(self) -> tuple[str | None, str | None, str | None]:
        """The filter of its NIC as it is stored, as it runs, and as libvirt has bound it."""
        sides = (self.libvirtd.virsh("dumpxml", self.vm, *of) for of in (["--inactive"], []))
        nics = [ET.fromstring(side).find("devices/interface") for side in sides]
        named = [None if nic is None else nic.find("filterref") for nic in nics]
        tap = ET.fromstring(self.libvirtd.virsh("dumpxml", self.vm)).find("devices//target[@dev]")
        rows = [row.split() for row in self.libvirtd.virsh("nwfilter-binding-list").splitlines()]
        bound = {row[0]: row[1] for row in rows if len(row) == 2}
        stored, runs = (None if one is None else one.get("filter") for one in named)
        return stored, runs, None if tap is None else bound.get(tap.get("dev", ""))

    def isolation(self) -> tuple[bool, bool, bool]:
        """Whether its NIC is isolated as it is stored, as it runs, and by the kernel."""
        stored, runs = (
            ET.fromstring(self.libvirtd.virsh("dumpxml", self.vm, *of)).find(
                "devices/interface/port[@isolated='yes']"
            )
            is not None
            for of in (["--inactive"], [])
        )
        tap = ET.fromstring(self.libvirtd.virsh("dumpxml", self.vm)).find("devices//target[@dev]")
        name = "" if tap is None else tap.get("dev", "")
        [link] = json.loads(
            self.libvirtd.run(["bridge", "-json", "-details", "link", "show", "dev", name])
        )
        return stored, runs, bool(link["isolated"])


@pytest.fixture
def lab(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Lab:
    return Lab(libvirtd, modules, prefix)


def test_nics_follow_their_port_group_while_they_run(lab: Lab) -> None:
    lab.groups({"name": "tenants"})
    lab.start_vm()
    nic = f"{lab.vm} ({MAC})"
    plan = {row["field"]: row for row in lab.groups({"name": "tenants", "security": "strict"})}
    assert plan["security"]["after"] == {nic: "strict"} and plan["security"]["class"] == "live"
    assert lab.filters() == (BY_GROUP, BY_GROUP, BY_GROUP)
    # What is to be learnt of the guest, a thread of libvirt's sets up.
    wait_until(lambda: "libvirt-I-" in lab.rules(), RULES_TIMEOUT_S, "rules of a tap")

    [change] = lab.nic(filter={"name": PERMISSIVE})[:1]
    assert (change["field"], change["class"]) == (f"nics.{MAC}.filter.name", "live")
    assert lab.filters() == (PERMISSIVE,) * 3
    assert lab.groups({"name": "tenants", "security": "strict"}) == [], "it has one of its own"
    lab.nic(filter={"name": "", "parameters": {"IP": OWN}})
    assert lab.filters() == (BY_GROUP,) * 3
    wait_until(lambda: OWN in lab.rules(), RULES_TIMEOUT_S, "rules with the address")

    taken = ["virsh", "nwfilter-undefine", "kvm-fleet-strict"]
    assert lab.libvirtd.try_run(taken).returncode, "libvirt keeps what is in use"
    gone = lab.groups({"name": "tenants", "security": "permissive"})
    said = {row["field"]: row["before"] for row in gone}
    assert said["security"] == {nic: f"strict (IP={OWN})"}, "what goes with its filter is told"
    assert lab.filters() == (None, None, None)
    assert "libvirt-I-" not in lab.rules()
    assert "fleet:portgroup" not in lab.libvirtd.virsh("net-dumpxml", lab.net, "--inactive")


def test_isolation_by_a_port_group_goes_with_its_vswitch(lab: Lab) -> None:
    lab.groups({"name": "tenants", "isolated": True})
    lab.start_vm()
    lab.groups({"name": "tenants", "isolated": True})
    lab.libvirtd.virsh("destroy", lab.vm)
    isolated = "<port isolated='yes'/>"
    assert isolated in lab.libvirtd.virsh("dumpxml", lab.vm)
    plan = lab.converge("vswitch", name=lab.net, state="absent")
    assert [row["after"] for row in plan if row["field"] == "isolated"] == [
        {f"{lab.vm} ({MAC})": "not isolated"}
    ]
    assert isolated not in lab.libvirtd.virsh("dumpxml", lab.vm)
    lab.groups({"name": "tenants"})
    lab.libvirtd.virsh("start", lab.vm, "--paused")
    assert lab.isolation() == (False, False, False)


def test_nics_are_isolated_while_they_run_as_their_port_group_says(lab: Lab) -> None:
    lab.groups({"name": "tenants"})
    lab.start_vm()
    nic = f"{lab.vm} ({MAC})"
    plan = {row["field"]: row for row in lab.groups({"name": "tenants", "isolated": True})}
    assert plan["isolated"]["after"] == {nic: "isolated"} and plan["isolated"]["class"] == "live"
    assert lab.isolation() == (True, True, True)
    assert "fleet:portgroup" in lab.libvirtd.virsh("net-dumpxml", lab.net, "--inactive")

    otherwise = {"name": lab.vm, "nics": [{"name": "lan", "mac": MAC, "isolated": False}]}
    refused = lab.modules.run("vm", otherwise, check=True)
    assert "and its port group says true of all its NICs" in refused["msg"]
    both = {
        "vswitches": [{"name": lab.net, "port_groups": [{"name": "tenants", "isolated": False}]}],
        "vms": [{"name": lab.vm, "nics": [{"name": "lan", "mac": MAC}]}],
    }
    changed = {row["resource"] for row in lab.converge("host_config", **both)}
    assert changed == {f"vswitch/{lab.net}", f"vm/{lab.vm}"}, "declared VMs follow by their plans"
    assert lab.isolation() == (False, False, False)


@pytest.mark.parametrize("said", [{"isolated": True}, {"security": "strict"}])
def test_a_nic_on_a_bridge_of_the_host_stays_on_its_network(
    lab: Lab, libvirtd: PrivateLibvirtd, said: dict[str, Any]
) -> None:
    """libvirt shows such a NIC that runs as one of the bridge, and would take it for that."""

    def runs() -> dict[str, str]:
        nic = ET.fromstring(libvirtd.virsh("dumpxml", lab.vm)).find("devices/interface")
        source = None if nic is None else nic.find("source")
        assert source is not None
        return {name: source.get(name, "") for name in ("network", "portgroup")}

    libvirtd.run(["ip", "link", "add", "br-host", "up", "type", "bridge"])
    try:
        on = {"name": lab.net, "type": "bridge", "bridge": "br-host"}
        lab.converge("vswitch", **on, port_groups=[{"name": "tenants"}])
        lab.start_vm()
        lab.converge("vswitch", **on, port_groups=[{"name": "tenants", **said}])
        assert runs() == {"network": lab.net, "portgroup": "tenants"}
        assert lab.isolation()[1:] == (said == {"isolated": True},) * 2
        assert lab.filters()[2] == (None if said == {"isolated": True} else BY_GROUP)
    finally:
        libvirtd.try_run(["virsh", "destroy", lab.vm])
        libvirtd.run(["ip", "link", "delete", "br-host"])


def test_with_next_boot_what_runs_keeps_what_it_has(lab: Lab) -> None:
    said = {"name": "tenants", "security": "strict", "isolated": True}
    lab.groups(said)
    lab.start_vm()
    lab.groups(said)
    assert lab.filters()[1:] == (BY_GROUP, BY_GROUP) and lab.isolation()[1:] == (True, True)
    other = [{"name": "tenants", "security": "permissive", "isolated": False}]
    done = lab.modules.run("vswitch", {"name": lab.net, "apply": "next_boot", "port_groups": other})
    rows = {row["field"]: row["class"] for row in done["plan"]}
    assert (rows["security"], rows["isolated"]) == ("stored", "stored")
    assert lab.filters() == (None, BY_GROUP, BY_GROUP) and lab.isolation() == (False, True, True)
    lab.groups(*other)
    assert lab.filters() == (None, None, None) and lab.isolation() == (False, False, False)


def test_a_vm_that_is_defined_nowhere_follows_as_it_runs(lab: Lab) -> None:
    lab.groups({"name": "tenants"})
    lab.start_vm()
    lab.libvirtd.virsh("undefine", lab.vm)
    lab.groups({"name": "tenants", "security": "strict", "isolated": True})
    assert lab.filters()[1:] == (BY_GROUP, BY_GROUP) and lab.isolation()[1:] == (True, True)


def test_a_nic_that_waits_for_its_port_group_keeps_what_the_former_gives(lab: Lab) -> None:
    strict = {"name": "tenants", "vlan": 0, "security": "strict", "isolated": True}
    lab.groups(strict, {"name": "open", "security": "permissive", "isolated": False})
    lab.start_vm()
    lab.groups(strict)
    moved = {"name": lab.vm, "nics": [{"name": "lan", "mac": MAC, "port_group": "open"}]}
    predicted = lab.modules.run("vm", moved, check=True)
    done = lab.modules.run("vm", moved)
    assert done["plan"] == predicted["plan"]
    classes = {row["field"].rpartition(".")[2]: row["class"] for row in done["plan"]}
    assert set(classes.values()) == {"restart"}, classes
    assert lab.filters() == (None, BY_GROUP, BY_GROUP) and lab.isolation() == (False, True, True)
    again = lab.modules.run("vm", moved)
    assert not again["changed"] and again["pending_restart"]
    assert lab.groups(strict) == []


# ---- what is let out


# Sends frames by g0 and hears them at h0; the last is sent until it is heard, after all others.
PROGRAM = """
import json, socket, sys, time
frames = json.load(sys.stdin)
ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); ear.bind(("h0", 3))
ear.settimeout(0.2)
mouth = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); mouth.bind(("g0", 0))
heard, deadline = [], time.monotonic() + 60
for name, frame in frames:
    mouth.send(bytes.fromhex(frame))
while frames[-1][0] not in heard and time.monotonic() < deadline:
    try:
        got = ear.recv(2000)
        heard += [name for name, _frame in frames if f"[{name}]".encode() in got]
    except TimeoutError:
        mouth.send(bytes.fromhex(frames[-1][1]))
print(json.dumps(sorted({*heard})))
"""


def packed(address: str) -> bytes:
    """A MAC or an IPv4 address in its bytes."""
    if ":" in address:
        return bytes.fromhex(address.replace(":", ""))
    return bytes(map(int, address.split(".")))


LABEL = 60  # bytes at the end of each frame, by which it is known


def frame(name: str, kind: str, body: bytes, source: str = MAC) -> tuple[str, str]:
    head = b"\xff" * 6 + packed(source) + bytes.fromhex(kind)
    return name, (head + body + f"[{name}]".encode().ljust(LABEL, b"\0")).hex()


def number(value: int) -> bytes:
    return value.to_bytes(2, "big")


def udp(source: str, ports: tuple[int, int]) -> bytes:
    """A packet to all without its end, with the sum that the kernel wants."""
    head = bytes.fromhex("4500") + number(28 + LABEL) + bytes.fromhex("000000004011")
    ends = packed(source) + packed("255.255.255.255")
    words = head + ends
    total = sum(int.from_bytes(words[at : at + 2], "big") for at in range(0, len(words), 2))
    total = (total & 0xFFFF) + (total >> 16)
    said = b"".join(map(number, ports)) + number(8 + LABEL) + b"\0\0"
    return head + number(~total & 0xFFFF) + ends + said


def arp(mac: str, address: str, kind: str = "0001") -> bytes:
    about = packed(mac) + packed(address) + b"\0" * 6 + packed(OTHER)
    return bytes.fromhex(f"000108000604{kind}") + about


# A router advertisement.
ROUTER = bytes.fromhex("60000000") + number(16 + LABEL) + bytes.fromhex("3aff")
ROUTER += b"\xfe\x80" + b"\0" * 13 + b"\7"
ROUTER += bytes.fromhex("ff02" + "00" * 13 + "01" + "86000000400007080000000000000000")

PASS = dict(
    [
        frame("own address", "0800", udp(OWN, (4000, 5000))),
        frame("asks for its address by ARP", "0806", arp(MAC, OWN)),
        frame("asks whether an address is free", "0806", arp(MAC, "0.0.0.0")),
        frame("asks for an address by DHCP", "0800", udp("0.0.0.0", (68, 67))),
        frame("was moved", "8035", arp(MAC, "0.0.0.0", "0003")),
    ]
)
DROPPED = dict(
    [
        frame("another's MAC", "0800", udp(OWN, (4000, 5000)), OTHER_MAC),
        frame("another's address", "0800", udp(OTHER, (4000, 5000))),
        frame("claims another's address", "0806", arp(MAC, OTHER)),
        frame("claims for another's MAC", "0806", arp(OTHER_MAC, OWN)),
        frame("answers DHCP", "0800", udp(OWN, (67, 68))),
        frame("advertises a router", "86dd", ROUTER),
        frame("with a tag", "8100", bytes.fromhex("00050800") + udp(OWN, (4000, 5000))),
    ]
)


@pytest.fixture
def wires(lab: Lab) -> Iterator[None]:
    """A bridge with two wires: the guest's, g0, and one by which another listens, h0."""
    ends = "v0 type veth peer name g0", "w0 type veth peer name h0"
    lines = ["br-sec type bridge", *ends]
    script = " && ".join(f"ip link add {line}" for line in lines)
    script += "".join(f" && ip link set {one} master br-sec" for one in ("v0", "w0"))
    script += "".join(f" && ip link set {one} up" for one in ("br-sec", "v0", "g0", "w0", "h0"))
    lab.libvirtd.run(["bash", "-c", script])
    yield
    remove = "virsh nwfilter-binding-delete v0; for i in br-sec v0 w0; do ip link del $i; done"
    lab.libvirtd.try_run(["bash", "-c", remove])


def heard(lab: Lab, filtered_by: str) -> set[str]:
    """The frames of a guest that others hear, its port being filtered."""
    lab.libvirtd.try_run(["virsh", "nwfilter-binding-delete", "v0"])
    lab.libvirtd.run(
        ["virsh", "nwfilter-binding-create", "/dev/stdin"],
        stdin=f"""<filterbinding><owner><name>guest</name>
        <uuid>3f94dbb2-7a65-5a2d-99e5-15c5b4d38e11</uuid></owner><portdev name='v0'/>
        <mac address='{MAC}'/><filterref filter='{filtered_by}'>
        <parameter name='IP' value='{OWN}'/></filterref></filterbinding>""",
    )
    last = frame("end", "0800", udp(OWN, (1, 1)))
    told = json.dumps([*PASS.items(), *DROPPED.items(), last])
    found = json.loads(lab.libvirtd.run(["python3", "-c", PROGRAM], stdin=told))
    assert "end" in found
    return {*found} - {"end"}


def test_a_guest_sends_by_its_own_addresses_alone(lab: Lab, wires: None) -> None:
    lab.groups({"name": "tenants", "security": "strict"})
    assert heard(lab, BY_GROUP) == {*PASS}
    plain = xmltree.serialise(filters.definition(PERMISSIVE))
    lab.libvirtd.run(["virsh", "nwfilter-define", "/dev/stdin"], stdin=plain)
    assert heard(lab, PERMISSIVE) == {*PASS, *DROPPED}
