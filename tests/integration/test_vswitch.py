"""The module vswitch on a real libvirtd: verified by virsh, the kernel and dnsmasq's files.

Guests of this machine cannot have bandwidth limits (its kernel lacks the traffic schedulers), so
limits are looked at in the definitions only.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.guest import COMMAND_LINE, TinyGuest, provide
from support.module_server import ModuleServer
from support.private_libvirtd import IMAGES, PrivateLibvirtd, wait_until

Args = dict[str, Any]

FULL: Args = {
    "address": "192.168.231.1/24",
    "address6": "fd00:231::1/64",
    "domain": "lan.example",
    "mtu": 1400,
    "dhcp": {
        "ranges": [{"start": "192.168.231.100", "end": "192.168.231.199"}],
        "hosts": [
            {"mac": "52:54:00:23:01:01", "ip": "192.168.231.11", "name": "one"},
            {"mac": "52:54:00:23:01:02", "ip": "192.168.231.12", "name": "two"},
        ],
    },
    "dhcp6": {
        "ranges": [{"start": "fd00:231::100", "end": "fd00:231::1ff"}],
        "hosts": [{"id": "00:01:00:01", "ip": "fd00:231::11", "name": "six"}],
    },
    "dns": {
        "forwarders": [{"address": "192.0.2.53", "domain": "corp.example"}],
        "hosts": [{"ip": "192.168.231.5", "hostnames": ["printer", "copier"]}],
    },
    "port_groups": [
        {"name": "normal", "default": True},
        {"name": "slow", "bandwidth": {"inbound": {"average": "1MiB", "peak": "2MiB"}}},
    ],
}


class Switch:
    """One vswitch of a test, seen by anything but the collection."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, name: str) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.name = name

    def module(self, args: Args, check: bool = False) -> dict[str, Any]:
        return self.modules.run("vswitch", {"name": self.name, **args}, check)

    def told(self) -> dict[str, Any]:
        """What the information module says of it."""
        [told] = self.modules.run("vswitch_info", {"names": [self.name]})["vswitches"]
        return dict(told)

    def xml(self, *flags: str) -> ET.Element:
        return ET.fromstring(self.libvirtd.virsh("net-dumpxml", self.name, *flags))

    def both(self) -> tuple[ET.Element, ET.Element]:
        """What is stored, and what runs."""
        return self.xml("--inactive"), self.xml()

    def define(self, xml: str) -> None:
        """Define and start it without the module."""
        self.libvirtd.run(["virsh", "net-define", "/dev/stdin"], stdin=xml)
        self.libvirtd.virsh("net-start", self.name)

    def link(self) -> dict[str, Any]:
        bridge = self.xml().find("bridge").get("name")
        return json.loads(self.libvirtd.run(["ip", "-json", "addr", "show", bridge]))[0]

    def addresses(self) -> set[str]:
        found = (f"{a['local']}/{a['prefixlen']}" for a in self.link()["addr_info"])
        return {address for address in found if not address.startswith("fe80")}

    def routes(self) -> set[tuple[str, str, int]]:
        """The routes by other hosts on its bridge: where to, by whom and the metric."""
        bridge = self.link()["ifname"]
        asked = (["ip", "-json", of, "route", "show", "dev", bridge] for of in ("-4", "-6"))
        rows = (row for one in asked for row in json.loads(self.libvirtd.run(one) or "[]"))
        return {
            (row["dst"], row["gateway"], row.get("metric", 0)) for row in rows if "gateway" in row
        }

    def dnsmasq(self, kind: str = "conf") -> str:
        """One of the files that libvirt writes for dnsmasq."""
        path = f"/var/lib/libvirt/dnsmasq/{self.name}.{kind}"
        return self.libvirtd.outside(path).read_text()

    def dnsmasq_pid(self) -> str:
        pid = self.libvirtd.outside(f"/run/libvirt/network/{self.name}.pid").read_text().strip()
        self.libvirtd.run(["kill", "-0", pid])
        return pid

    def state(self) -> dict[str, str]:
        """All that libvirt knows of all networks."""
        names = self.libvirtd.virsh("net-list", "--all", "--name").split()
        commands = ("net-dumpxml", "net-dumpxml --inactive", "net-info")
        return {
            name: self.libvirtd.virsh("; ".join(f"{command} {name}" for command in commands))
            for name in names
        }

    def converge(self, args: Args) -> dict[str, Any]:
        """Run as it has to be: check mode writes nothing and says what the run then does, and a
        second run changes nothing. What the run returned."""
        before = self.state()
        predicted = self.module(args, check=True)
        assert not predicted.get("failed"), predicted.get("msg")
        assert self.state() == before, "check mode wrote something"
        done = self.module(args)
        assert not done.get("failed"), done.get("msg")
        for part in ("changed", "plan", "diff", "pending_restart", "vswitch"):
            assert done[part] == predicted[part], part
        again = self.module(args)
        assert (again["changed"], again["plan"]) == (False, []), again
        return done

    def refuse_in_runs(self, args: Args) -> list[str]:
        """Run what has to fail before it changes anything, and only warns in check mode."""
        before = self.state()
        assert self.module(args, check=True)["warnings"]
        done = self.module(args)
        assert done.get("failed") and self.state() == before, done
        return list(done["errors"])

    def refuse(self, args: Args) -> list[str]:
        """Run what has to fail before it changes anything. Its errors."""
        before = self.state()
        for check in (True, False):
            done = self.module(args, check)
            assert done.get("failed"), done
            assert "Traceback" not in json.dumps(done)
        assert self.state() == before
        return done["errors"]


@pytest.fixture
def switch(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Switch:
    return Switch(libvirtd, modules, f"{prefix}lan")


def test_routes_more_addresses_and_options_of_dnsmasq(switch: Switch) -> None:
    first = {"to": "198.51.100.0/24", "via": "192.168.231.2"}
    more = {
        "address": "192.168.231.1/24",
        "address6": "fd00:231::1/64",
        "more_addresses": ["192.168.232.1/25", "fd00:232::1/64"],
        "routes": [
            {**first, "metric": 7},
            {"to": "fd00:233::/64", "via": "fd00:232::2", "metric": 0},
        ],
        "dnsmasq_options": ["dhcp-option=option:ntp-server,192.0.2.1", "no-negcache"],
    }
    switch.converge(more)
    assert switch.addresses() == {
        *("192.168.231.1/24", "fd00:231::1/64", "192.168.232.1/25", "fd00:232::1/64")
    }
    assert switch.routes() == {
        ("198.51.100.0/24", "192.168.231.2", 7),
        ("fd00:233::/64", "fd00:232::2", 1),
    }
    lines = switch.dnsmasq().splitlines()
    assert {"dhcp-option=option:ntp-server,192.0.2.1", "no-negcache"} <= {*lines}
    told = switch.told()
    assert {name: told[name] for name in more} == more
    assert not told["unmanaged"]

    changes = {"more_addresses": ["192.168.232.1/25"], "dnsmasq_options": []}
    gone = {"routes": [{**first, "metric": 0}, {"to": "fd00:233::/64", "state": "absent"}]}
    waits = switch.converge({**changes, **gone})
    assert waits["pending_restart"]
    assert "fd00:232::1/64" in switch.addresses(), "a restart is not asked for"
    [restart] = [
        row for row in switch.converge({"apply": "restart"})["plan"] if row["field"] == "state"
    ]
    assert "stopped and started again, so that it takes up" in restart["note"]
    assert "fd00:232::1/64" not in switch.addresses()
    assert switch.routes() == {("198.51.100.0/24", "192.168.231.2", 1)}
    assert "no-negcache" not in switch.dnsmasq()

    # What dnsmasq does not take ends the start, and all is as before.
    broken = switch.module({"dnsmasq_options": ["no-such-option"], "apply": "restart"})
    assert broken.get("failed") and "again as it was before" in broken["msg"]
    assert switch.addresses() == {"192.168.231.1/24", "fd00:231::1/64", "192.168.232.1/25"}


@pytest.mark.parametrize("kind", ["bridge", "private", "vepa", "passthrough"])
def test_a_vswitch_on_interfaces_of_the_host(switch: Switch, kind: str) -> None:
    run = switch.libvirtd.run
    run(["ip", "link", "add", "mv0", "type", "veth", "peer", "name", "mv1"])
    try:
        missing = switch.refuse_in_runs({"type": kind, "devices": ["mv7"]})
        assert missing == [f"vswitch/{switch.name} devices: the host has no interface mv7"]
        switch.converge({"type": kind, "devices": ["mv0"]})
        for tree in switch.both():
            forward = tree.find("forward")
            assert forward is not None and forward.get("mode") == kind
            assert [one.get("dev") for one in forward.findall("interface")] == ["mv0"]
        told = switch.told()
        assert (told["type"], told["devices"], told["unmanaged"]) == (kind, ["mv0"], [])
        switch.converge({"devices": ["mv1", "mv0"], "apply": "restart"})
        runs = switch.xml().findall("forward/interface")
        assert [one.get("dev") for one in runs] == ["mv1", "mv0"]
        assert switch.converge({"state": "absent"})["changed"]
    finally:
        run(["ip", "link", "delete", "mv0"])


def test_a_vswitch_of_functions_is_defined(switch: Switch) -> None:
    run = switch.libvirtd.run
    run(["ip", "link", "add", "mv0", "type", "veth", "peer", "name", "mv1"])
    try:
        switch.converge({"type": "hostdev", "physical_function": "mv0", "state": "present"})
        forward = switch.xml("--inactive").find("forward")
        assert forward is not None and forward.get("managed") == "yes"
        assert switch.told()["physical_function"] == "mv0"
        switch.converge({"physical_function": "mv1", "state": "present"})
        switch.converge({"state": "absent"})
    finally:
        run(["ip", "link", "delete", "mv0"])


@pytest.fixture
def full(switch: Switch) -> Switch:
    """A vswitch with something in every list, active."""
    assert switch.module(FULL)["changed"]
    return switch


@pytest.fixture
def host_bridge(libvirtd: PrivateLibvirtd) -> Iterator[str]:
    libvirtd.run(["ip", "link", "add", "br-host", "type", "bridge"])
    yield "br-host"
    libvirtd.run(["ip", "link", "del", "br-host"])


def values(element: ET.Element, path: str, *attributes: str) -> list[tuple[str | None, ...]]:
    return [tuple(found.get(name) for name in attributes) for found in element.findall(path)]


# ---- coming and going


def test_a_nat_vswitch_with_everything(switch: Switch) -> None:
    switch.converge(FULL)
    full = switch
    network = full.xml()
    assert network.find("forward").get("mode") == "nat"
    assert full.addresses() == {"192.168.231.1/24", "fd00:231::1/64"}
    assert full.link()["mtu"] == 1400
    assert full.link()["address"] == network.find("mac").get("address")
    conf = full.dnsmasq()
    assert "domain=lan.example" in conf
    assert "server=/corp.example/192.0.2.53" in conf
    assert "dhcp-range=192.168.231.100,192.168.231.199" in conf
    assert "dhcp-range=fd00:231::100,fd00:231::1ff,64" in conf
    hosts = full.dnsmasq("hostsfile")
    assert "52:54:00:23:01:01,192.168.231.11,one" in hosts
    assert "id:00:01:00:01,six,[fd00:231::11]" in hosts
    assert "192.168.231.5\tcopier\tprinter" in full.dnsmasq("addnhosts")
    assert values(network, "portgroup", "name", "default") == [("normal", "yes"), ("slow", None)]
    limit = network.find("portgroup[@name='slow']/bandwidth/inbound")
    assert (limit.get("average"), limit.get("peak")) == ("1024", "2048")
    assert "Autostart:      yes" in full.libvirtd.virsh("net-info", full.name)


def test_it_is_marked_as_the_collections_own(full: Switch) -> None:
    [marker] = full.xml().find("metadata")
    assert (marker.tag, marker.get("managed")) == ("{urn:kvm.fleet:1}resource", "yes")


def test_made_again_it_is_the_same(full: Switch) -> None:
    before = full.xml()
    full.converge({"state": "absent"})
    full.converge(FULL)
    after = full.xml()
    assert after.findtext("uuid") == before.findtext("uuid")
    assert after.find("mac").attrib == before.find("mac").attrib
    assert after.find("bridge").attrib == before.find("bridge").attrib


@pytest.mark.parametrize(
    ("kind", "mode"), [("isolated", None), ("routed", "route"), ("open", "open")]
)
def test_other_types_that_libvirt_runs(switch: Switch, kind: str, mode: str | None) -> None:
    switch.converge({"type": kind, "address": "192.168.232.1/28"})
    forward = switch.xml().find("forward")
    assert (None if forward is None else forward.get("mode")) == mode
    assert switch.addresses() == {"192.168.232.1/28"}


def test_a_network_that_libvirt_tells_as_what_is_no_xml_is_an_error(switch: Switch) -> None:
    """So libvirt 9.0 does with one whose port groups have such names; another may escape them."""
    text = f"<network><name>{switch.name}</name><portgroup name='R&amp;D'/></network>"
    switch.libvirtd.run(["virsh", "net-define", "/dev/stdin"], stdin=text)
    done = switch.module({"type": "isolated"}, check=True)
    if "R&D" in switch.libvirtd.virsh("net-dumpxml", switch.name):
        assert (
            done["failed"] and f"vswitch/{switch.name}: libvirt tells a definition" in done["msg"]
        )
    else:
        assert not done.get("failed"), done.get("msg")


def test_an_isolated_vswitch_without_an_address(switch: Switch) -> None:
    switch.converge({"type": "isolated"})
    assert switch.addresses() == set()


def test_a_bridge_of_the_host(switch: Switch, host_bridge: str) -> None:
    switch.converge({"type": "bridge", "bridge": host_bridge, "port_groups": [{"name": "a"}]})
    network = switch.xml()
    assert network.find("forward").get("mode") == "bridge"
    assert network.find("bridge").attrib == {"name": host_bridge}
    switch.converge({"state": "absent"})
    assert host_bridge in switch.libvirtd.run(["ip", "-brief", "link"])


def test_a_long_name_gets_a_bridge_of_15_characters(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str
) -> None:
    switch = Switch(libvirtd, modules, f"{prefix}of-the-third-floor")
    switch.converge({"type": "isolated"})
    bridge = switch.xml().find("bridge").get("name")
    assert bridge.startswith("vs-") and len(bridge) == 15


def test_it_stops_starts_and_goes(full: Switch) -> None:
    bridge = full.xml().find("bridge").get("name")
    full.converge({"state": "inactive", "autostart": False})
    assert "Active:         no" in full.libvirtd.virsh("net-info", full.name)
    assert bridge not in full.libvirtd.run(["ip", "-brief", "link"])
    full.converge({"mtu": 1300})
    assert full.link()["mtu"] == 1300
    full.converge({"state": "absent"})
    assert full.name not in full.libvirtd.virsh("net-list", "--all", "--name")
    assert full.converge({"state": "absent"})["changed"] is False


def test_a_new_one_may_stay_inactive(switch: Switch) -> None:
    switch.converge({**FULL, "state": "inactive"})
    assert "Autostart:      no" in switch.libvirtd.virsh("net-info", switch.name)


def test_present_leaves_alone_whether_it_runs(switch: Switch) -> None:
    made = switch.converge({**FULL, "state": "present"})["vswitch"]
    assert (made["state"], made["autostart"]) == ("inactive", False)
    switch.libvirtd.virsh("net-start", switch.name)
    done = switch.converge({"state": "present", "mtu": 1300})
    assert [change["field"] for change in done["pending_restart"]] == ["mtu"]
    switch.converge({"state": "present", "apply": "restart"})
    assert switch.link()["mtu"] == 1300
    switch.libvirtd.virsh("net-destroy", switch.name)
    assert switch.converge({"state": "present"})["changed"] is False


ON_IT = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices><interface type='network'>
<mac address='52:54:00:23:01:07'/><source network='{name}'/></interface></devices></domain>"""


def test_one_that_went_under_a_running_vm_takes_its_nic_up_again(switch: Switch) -> None:
    """Others stopped it and removed its definition; it is made anew, on a bridge of any name."""
    virsh = switch.libvirtd.virsh
    for args in (FULL, {"bridge": "vs-other"}):
        switch.converge({**FULL, **args})
        xml = ON_IT.format(name=switch.name)
        switch.libvirtd.run(["virsh", "create", "--paused", "/dev/stdin"], stdin=xml)
        virsh("net-destroy", switch.name)
        virsh("net-undefine", switch.name)
        done = switch.converge(FULL)
        [start] = [change for change in done["plan"] if change["field"] == "state"]
        assert f"{switch.name} (52:54:00:23:01:07)" in start["note"]
        tap = virsh("domiflist", switch.name).split()[0]
        master = f"/sys/class/net/{tap}/master"
        bridge = switch.libvirtd.run(["readlink", master]).strip()
        assert bridge.endswith(f"/{switch.link()['ifname']}")
        virsh("destroy", switch.name)
        switch.converge({"state": "absent"})


def test_what_is_protected_does_not_go(full: Switch) -> None:
    full.converge({"protected": True})
    assert "is protected" in full.refuse({"state": "absent"})[0]
    full.converge({"protected": False})
    full.converge({"state": "absent"})


def test_a_transient_network_becomes_persistent(switch: Switch) -> None:
    xml = f"<network><name>{switch.name}</name><bridge name='vs-transient'/></network>"
    switch.libvirtd.run(["virsh", "net-create", "/dev/stdin"], stdin=xml)
    done = switch.converge({})
    assert "persistent" in [change["field"] for change in done["plan"]]
    assert "Persistent:     yes" in switch.libvirtd.virsh("net-info", switch.name)


# ---- changes of a vswitch that runs


def hosts_of(network: ET.Element) -> list[tuple[str | None, ...]]:
    return values(network, "ip/dhcp/host", "mac", "ip", "name")


def ranges_of(network: ET.Element) -> list[tuple[str | None, ...]]:
    return values(network, "ip/dhcp/range", "start", "end")


def names_of(network: ET.Element) -> list[tuple[str | None, ...]]:
    found = network.findall("dns/host")
    return [(host.get("ip"), *(name.text for name in host)) for host in found]


def groups_of(network: ET.Element) -> list[tuple[str | None, ...]]:
    return values(network, "portgroup", "name", "default")


ONE = ("52:54:00:23:01:01", "192.168.231.11", "one")
TWO = ("52:54:00:23:01:02", "192.168.231.12", "two")
SIX = (None, "fd00:231::11", "six")
MAC1, MAC2, MAC3 = (f"52:54:00:23:01:0{number}" for number in (1, 2, 3))

NO_LIMIT = {"average": "0B", "peak": "0B"}

# Each: what is declared, what of the XML to look at, what has to be there then.
IN_PLACE: dict[str, tuple[Args, Callable[[ET.Element], Any], Any]] = {
    "a reservation comes": (
        {"dhcp": {"hosts": [{"mac": MAC3, "ip": "192.168.231.13"}]}},
        hosts_of,
        [ONE, TWO, (MAC3, "192.168.231.13", None), SIX],
    ),
    "a reservation goes": (
        {"dhcp": {"hosts": [{"mac": MAC1, "state": "absent"}]}},
        hosts_of,
        [TWO, SIX],
    ),
    "a reservation gets another address": (
        {"dhcp": {"hosts": [{"mac": MAC1, "ip": "192.168.231.21"}]}},
        hosts_of,
        [TWO, (MAC1, "192.168.231.21", "one"), SIX],
    ),
    "two reservations swap addresses": (
        {
            "dhcp": {
                "hosts": [
                    {"mac": MAC1, "ip": "192.168.231.12"},
                    {"mac": MAC2, "ip": "192.168.231.11"},
                ]
            }
        },
        hosts_of,
        [(MAC1, "192.168.231.12", "one"), (MAC2, "192.168.231.11", "two"), SIX],
    ),
    "a reservation for IPv6 changes": (
        {"dhcp6": {"hosts": [{"id": "00:01:00:01", "ip": "fd00:231::12"}]}},
        hosts_of,
        [ONE, TWO, (None, "fd00:231::12", "six")],
    ),
    "reservations are purged": (
        {"dhcp": {"hosts": [{"mac": MAC2, "ip": "192.168.231.12"}]}, "purge": True},
        hosts_of,
        [TWO, SIX],
    ),
    "a reservation of an address that another gives up": (
        {
            "dhcp": {
                "hosts": [
                    {"mac": MAC1, "state": "absent"},
                    {"mac": MAC3, "ip": "192.168.231.11", "name": "one"},
                ]
            }
        },
        hosts_of,
        [TWO, (MAC3, "192.168.231.11", "one"), SIX],
    ),
    "a DNS host comes": (
        {"dns": {"hosts": [{"ip": "192.168.231.6", "hostnames": ["scanner"]}]}},
        names_of,
        [("192.168.231.5", "copier", "printer"), ("192.168.231.6", "scanner")],
    ),
    "a DNS host gets other names": (
        {"dns": {"hosts": [{"ip": "192.168.231.5", "hostnames": ["plotter"]}]}},
        names_of,
        [("192.168.231.5", "plotter")],
    ),
    "DNS hosts are purged": ({"dns": {"hosts": []}, "purge": True}, names_of, []),
    "a port group comes": (
        {"port_groups": [{"name": "fast"}]},
        groups_of,
        [("normal", "yes"), ("slow", None), ("fast", None)],
    ),
    "a port group goes": (
        {"port_groups": [{"name": "slow", "state": "absent"}]},
        groups_of,
        [("normal", "yes")],
    ),
    "another port group is the default": (
        {"port_groups": [{"name": "normal", "default": False}, {"name": "slow", "default": True}]},
        groups_of,
        [("normal", None), ("slow", "yes")],
    ),
    "a limit goes": (
        {"port_groups": [{"name": "slow", "bandwidth": {"inbound": NO_LIMIT}}]},
        lambda network: network.findall("portgroup/bandwidth/inbound"),
        [],
    ),
}


@pytest.mark.parametrize("case", IN_PLACE)
def test_a_list_changes_in_place(full: Switch, case: str) -> None:
    args, part, expected = IN_PLACE[case]
    bridge, dnsmasq = full.link()["ifindex"], full.dnsmasq_pid()
    done = full.converge(args)
    assert {change["class"] for change in done["plan"]} == {"live"}
    for network in full.both():
        assert sorted(part(network), key=str) == sorted(expected, key=str)
    assert (full.link()["ifindex"], full.dnsmasq_pid()) == (bridge, dnsmasq)
    assert done["pending_restart"] == []


RANGE = ("192.168.231.100", "192.168.231.199")
RANGE6 = ("fd00:231::100", "fd00:231::1ff")
OF_RANGES: dict[str, tuple[Args, list[tuple[str, str]]]] = {
    "a range comes": (
        {"dhcp": {"ranges": [{"start": "192.168.231.50", "end": "192.168.231.59"}]}},
        [RANGE, ("192.168.231.50", "192.168.231.59"), RANGE6],
    ),
    "a range gets longer": (
        {"dhcp": {"ranges": [{"start": RANGE[0], "end": "192.168.231.240"}]}},
        [(RANGE[0], "192.168.231.240"), RANGE6],
    ),
    "ranges are purged": (
        {"dhcp": {"ranges": [{"start": "192.168.231.150", "end": RANGE[1]}]}, "purge": True},
        [("192.168.231.150", RANGE[1]), RANGE6],
    ),
    "no range for IPv6": ({"dhcp6": {"ranges": []}, "purge": True}, [RANGE]),
}


def leases_of(network: ET.Element) -> dict[str | None, str | None]:
    clients = [*network.findall("ip/dhcp/range"), *network.findall("ip/dhcp/host")]
    return {
        one.get("start") or one.get("mac"): f"{lease.get('expiry')} {lease.get('unit')}"
        for one in clients
        if (lease := one.find("lease")) is not None
    }


def test_lease_times_change_while_the_bridge_stays(full: Switch) -> None:
    bridge = full.link()["ifindex"]
    for seconds, for_one in ((7200, 0), (-1, 600)):
        ranges = [{"start": RANGE[0], "lease_s": seconds}]
        hosts = [{"mac": MAC1, "lease_s": for_one}]
        done = full.converge({"dhcp": {"ranges": ranges, "hosts": hosts}})
        assert {change["class"] for change in done["plan"]} == {"live"}
        said = {RANGE[0]: f"{seconds} seconds"} if seconds > 0 else {}
        for network in full.both():
            assert leases_of(network) == {**said, MAC1: "600 seconds" if for_one else "0 None"}
        line = next(one for one in full.dnsmasq().splitlines() if RANGE[0] in one)
        assert line.endswith(",7200s") is (seconds == 7200), line
    assert full.link()["ifindex"] == bridge


@pytest.mark.parametrize("case", OF_RANGES)
def test_dhcp_ranges_change_while_the_bridge_stays(full: Switch, case: str) -> None:
    args, expected = OF_RANGES[case]
    bridge = full.link()["ifindex"]
    done = full.converge(args)
    assert {change["class"] for change in done["plan"]} == {"live"}
    for network in full.both():
        assert ranges_of(network) == expected
    conf = full.dnsmasq()
    for start, end in {RANGE, RANGE6, *expected}:
        assert (f"dhcp-range={start},{end}" in conf) == ((start, end) in expected)
    assert full.link()["ifindex"] == bridge
    full.dnsmasq_pid()


def test_purge_concerns_only_lists_that_are_given(full: Switch) -> None:
    before = full.both()
    done = full.converge({"dhcp": {"ranges": FULL["dhcp"]["ranges"]}, "purge": True})
    assert done["changed"] is False
    assert [hosts_of(network) for network in full.both()] == [hosts_of(one) for one in before]


def test_what_cannot_change_in_place_waits(full: Switch) -> None:
    bridge = full.link()["ifindex"]
    done = full.converge({"mtu": 1300, "domain": "", "dns": {"forwarders": []}, "purge": True})
    waiting = ["dns.forwarders.192.0.2.53", "domain", "mtu"]
    assert sorted(change["field"] for change in done["plan"]) == waiting
    assert {change["class"] for change in done["plan"]} == {"restart"}
    assert sorted(change["field"] for change in done["pending_restart"]) == waiting
    stored, live = full.both()
    assert (stored.find("mtu").get("size"), live.find("mtu").get("size")) == ("1300", "1400")
    assert (full.link()["ifindex"], full.link()["mtu"]) == (bridge, 1400)
    told = full.told()
    assert sorted(told["pending_restart"]) == waiting


def test_what_waits_takes_effect_by_a_restart(full: Switch) -> None:
    full.converge({"mtu": 1300})
    done = full.converge({"mtu": 1300, "apply": "restart"})
    [restart] = done["plan"]
    assert (restart["field"], restart["class"]) == ("state", "restart")
    assert "takes up mtu" in restart["note"]
    assert full.link()["mtu"] == 1300
    assert done["pending_restart"] == []


def test_another_address_takes_its_dhcp_along_at_the_restart(full: Switch) -> None:
    moved = {
        "address": "192.168.233.1/24",
        "purge": True,
        "dhcp": {"ranges": [{"start": "192.168.233.9", "end": "192.168.233.99"}], "hosts": []},
        "dns": {"hosts": []},
    }
    done = full.converge(moved)
    assert full.addresses() == {"192.168.231.1/24", "fd00:231::1/64"}
    assert ("192.168.231.100", "192.168.231.199") in ranges_of(full.xml())
    classes = {change["field"]: change["class"] for change in done["plan"]}
    assert classes["dhcp.ranges.192.168.233.9"] == "restart"
    assert classes["dns.hosts.192.168.231.5"] == "live"
    full.converge({**moved, "apply": "restart"})
    assert full.addresses() == {"192.168.233.1/24", "fd00:231::1/64"}
    assert "dhcp-range=192.168.233.9,192.168.233.99" in full.dnsmasq()


def test_an_address_that_goes_takes_its_dhcp_along(full: Switch) -> None:
    done = full.converge({"address6": "", "apply": "restart"})
    gone = {change["field"] for change in done["plan"] if change["after"] == "absent"}
    assert gone == {"dhcp6.ranges.fd00:231::100", "dhcp6.hosts.00:01:00:01"}
    assert full.addresses() == {"192.168.231.1/24"}


def test_next_boot_touches_nothing_that_runs(full: Switch) -> None:
    live = full.libvirtd.virsh("net-dumpxml", full.name)
    more = {"dhcp": {"hosts": [{"mac": MAC3, "ip": "192.168.231.13"}]}}
    done = full.converge({**more, "apply": "next_boot"})
    assert [change["field"] for change in done["pending_restart"]] == [f"dhcp.hosts.{MAC3}"]
    assert full.libvirtd.virsh("net-dumpxml", full.name) == live
    full.converge(more)
    assert (MAC3, "192.168.231.13", None) in hosts_of(full.xml())


def test_a_list_waits_where_it_clashes_with_what_still_runs(full: Switch) -> None:
    """The reservation that is stored no more runs still, and has the address."""
    full.converge({"dhcp": {"hosts": [{"mac": MAC1, "state": "absent"}]}, "apply": "next_boot"})
    other = {"dhcp": {"hosts": [{"mac": MAC3, "ip": "192.168.231.11"}]}}
    [change] = full.converge(other)["plan"]
    assert change["class"] == "restart"
    full.converge({**other, "apply": "restart"})
    assert hosts_of(full.xml()) == [TWO, (MAC3, "192.168.231.11", None), SIX]


def test_the_type_changes_by_a_restart(full: Switch) -> None:
    full.converge({"type": "isolated", "apply": "restart"})
    assert full.xml().find("forward") is None
    full.converge({"type": "routed", "apply": "restart"})
    assert full.xml().find("forward").get("mode") == "route"


FOREIGN = """
<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>{name}</name>
  <metadata><o:owner xmlns:o='urn:other'>somebody</o:owner></metadata>
  <forward mode='nat' dev='lo'><nat><port start='2000' end='3000'/></nat></forward>
  <bridge name='vs-foreign' stp='off' delay='2'/>
  <domain name='old.example' localOnly='yes'/>
  <dns><txt name='here' value='there'/><host ip='192.168.231.5'><hostname>x</hostname></host></dns>
  <ip address='192.168.231.1' netmask='255.255.255.0' localPtr='yes'>
    <tftp root='/srv'/>
    <dhcp><range start='192.168.231.10' end='192.168.231.19'><lease expiry='5'/></range>
      <host name='by-name' ip='192.168.231.30'/><bootp file='pxe.0'/></dhcp>
  </ip>
  <ip address='192.168.234.1' prefix='24'/>
  <route address='198.51.100.0' prefix='24' gateway='192.168.231.2'/>
  <portgroup name='slow'>
    <bandwidth><inbound average='100'/><outbound average='7'/></bandwidth>
  </portgroup>
  <dnsmasq:options><dnsmasq:option value='no-negcache'/></dnsmasq:options>
</network>
"""


def test_what_nobody_declared_survives(switch: Switch) -> None:
    switch.define(FOREIGN.format(name=switch.name))
    before = switch.both()
    switch.converge(
        {
            "domain": "new.example",
            "dhcp": {
                "ranges": [{"start": "192.168.231.10", "end": "192.168.231.20"}],
                "hosts": [{"mac": MAC1, "ip": "192.168.231.31"}],
            },
            "dns": {"hosts": [{"ip": "192.168.231.6", "hostnames": ["y"]}]},
            "port_groups": [{"name": "slow", "bandwidth": {"inbound": {"average": "200KiB"}}}],
        }
    )
    for old, new in zip(before, switch.both()):
        assert undeclared(new) == undeclared(old)


def undeclared(network: ET.Element) -> str:
    """All of a network that the test above does not declare."""
    network.remove(network.find("domain"))
    dns, dhcp = network.find("dns"), network.find("ip/dhcp")
    for host in dns.findall("host[@ip='192.168.231.6']"):
        dns.remove(host)
    for host in dhcp.findall(f"host[@mac='{MAC1}']"):
        dhcp.remove(host)
    dhcp.find("range").attrib.pop("end")
    network.find("portgroup/bandwidth/inbound").attrib.pop("average")
    return ET.canonicalize(ET.tostring(network), strip_text=True)


# ---- what is refused, and what fails


def test_what_the_host_has_already_is_refused(
    libvirtd: PrivateLibvirtd, prefix: str, full: Switch, host_bridge: str
) -> None:
    libvirtd.run(["ip", "addr", "add", "192.168.235.1/24", "dev", host_bridge])
    libvirtd.run(["ip", "link", "set", host_bridge, "up"])
    other = Switch(libvirtd, full.modules, f"{prefix}other")
    cases = {
        "192.168.0.0/16 overlaps with 192.168.231.0/24 of vswitch/": {"address": "192.168.1.1/16"},
        "of the host's interface br-host": {"address": "192.168.235.7/26"},
        "fd00:231::/64 of vswitch/": {"type": "routed", "address6": "fd00:231:0:0:1::1/80"},
        "the host has an interface br-host already": {"type": "isolated", "bridge": host_bridge},
        f"is already the bridge of vswitch/{full.name}": {
            "type": "bridge",
            "bridge": full.xml().find("bridge").get("name"),
        },
    }
    for message, args in cases.items():
        assert message in "; ".join(other.refuse(args))


def test_a_missing_bridge_may_come_in_check_mode_only(switch: Switch) -> None:
    args = {"type": "bridge", "bridge": "br-later"}
    predicted = switch.module(args, check=True)
    assert predicted["changed"] and "br-later" in json.dumps(predicted["warnings"])
    assert "the host has no bridge br-later" in switch.module(args)["errors"][0]


def test_the_type_cannot_become_bridge(full: Switch, host_bridge: str) -> None:
    errors = full.refuse({"type": "bridge", "bridge": host_bridge})
    assert any("is nat and cannot become bridge" in error for error in errors)


REFUSES = """#!/bin/sh
case "$2" in start) grep -q "mtu size='1280'" && exit 1 ;; esac
exit 0
"""


@pytest.fixture
def hook(libvirtd: PrivateLibvirtd) -> Iterator[None]:
    """A libvirtd that refuses to start a network with an MTU of 1280."""
    hook = libvirtd.outside("/etc/libvirt/hooks/network")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(REFUSES)
    hook.chmod(0o755)
    libvirtd.restart()
    yield
    hook.unlink()


@pytest.mark.usefixtures("hook")
def test_one_that_does_not_start_is_not_left_behind(switch: Switch) -> None:
    before = switch.state()
    assert switch.module({**FULL, "mtu": 1280})["failed"]
    assert switch.state() == before


@pytest.mark.usefixtures("hook")
def test_one_that_does_not_restart_is_put_back(full: Switch) -> None:
    definitions = full.state()
    done = full.module({"mtu": 1280, "apply": "restart"})
    assert "is again as it was before" in done["errors"][0]
    assert full.state() == definitions
    assert full.link()["mtu"] == 1400


# ---- with a VM that runs

GUEST_FILES = IMAGES / "vswitch-guest"
GUEST = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{files}/vmlinuz</kernel>
    <initrd>{files}/initramfs.img</initrd>
    <cmdline>{command_line}</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <interface type='network'>
      <mac address='52:54:00:23:01:01'/><source network='{network}' portgroup='normal'/>
      <model type='virtio'/>
    </interface>
    <interface type='bridge'>
      <mac address='52:54:00:23:01:02'/><source bridge='{bridge}'/><model type='virtio'/>
    </interface>
    <channel type='unix'><target type='virtio' name='org.kvm.fleet.guest.0'/></channel>
    <memballoon model='none'/>
  </devices>
</domain>
"""


@pytest.fixture
def guest(libvirtd: PrivateLibvirtd, full: Switch) -> TinyGuest:
    """A VM with a NIC on the vswitch, and another that names only its bridge."""
    provide(libvirtd.outside(GUEST_FILES))
    bridge = full.xml().find("bridge").get("name")
    # With a default port group the second NIC would be of that group while it is connected again.
    full.converge({"port_groups": [{"name": "normal", "default": False}]})
    name = f"{full.name}-vm"
    xml = GUEST.format(
        name=name, files=GUEST_FILES, command_line=COMMAND_LINE, network=full.name, bridge=bridge
    )
    libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=xml)
    libvirtd.virsh("start", name)
    guest = TinyGuest(name, libvirtd.uri, libvirtd.outside)
    guest.wait_ready()
    return guest


def reaches(libvirtd: PrivateLibvirtd, address: str) -> bool:
    return libvirtd.try_run(["ping", "-c", "1", "-W", "1", address]).returncode == 0


@pytest.mark.boots_guest
def test_a_vm_that_runs_keeps_its_network(
    libvirtd: PrivateLibvirtd, full: Switch, guest: TinyGuest
) -> None:
    reserved = {MAC1: "192.168.231.11", MAC2: "192.168.231.12"}
    for mac, address in reserved.items():
        assert guest.wait_address(mac) == address
    info_tells_who_is_there(full, guest)
    what_would_cut_it_off_is_refused(full, guest)

    bridge = full.link()["ifindex"]
    done = full.converge({"stp": False, "mtu": 1300, "apply": "restart"})
    [restart] = [change for change in done["plan"] if change["field"] == "state"]
    assert all(f"{guest.name} ({mac})" in restart["note"] for mac in reserved)
    assert full.link()["ifindex"] != bridge
    wait_for(libvirtd, *reserved.values())
    by_name, _by_bridge = sources(guest)
    assert (by_name["network"], by_name["portgroup"]) == (full.name, "normal")
    assert len(ports(libvirtd, full)) == 2

    libvirtd.virsh("net-destroy", full.name)
    [start] = full.converge({})["plan"]
    assert all(f"{guest.name} ({mac})" in start["note"] for mac in reserved)
    wait_for(libvirtd, *reserved.values())


DETOUR = "<network><name>detour-of-{name}</name><bridge name='vs-detour'/></network>"


@pytest.mark.boots_guest
@pytest.mark.parametrize(
    ("args", "field"), [({}, "connections"), ({"mtu": 1300, "apply": "restart"}, "state")]
)
def test_what_an_interrupted_run_left_is_finished(
    libvirtd: PrivateLibvirtd, full: Switch, guest: TinyGuest, args: dict[str, Any], field: str
) -> None:
    """One NIC is on the bridge of the detour, the other on none: between start and connect."""
    by_name, by_bridge = (nic.get("dev") for nic in targets(guest))
    libvirtd.run(["virsh", "net-create", "/dev/stdin"], stdin=DETOUR.format(name=full.name))
    nic = ET.fromstring(guest.virsh("dumpxml", guest.name)).find("devices/interface")
    nic.set("type", "bridge")
    nic.find("source").attrib = {"bridge": "vs-detour"}
    xml = ET.tostring(nic, encoding="unicode")
    libvirtd.run(["virsh", "update-device", guest.name, "/dev/stdin", "--live"], stdin=xml)
    libvirtd.run(["ip", "link", "set", by_bridge, "nomaster"])
    assert not full.module({"apply": "next_boot"})["changed"]
    assert ports(libvirtd, full) == set()

    [change] = [one for one in full.converge(args)["plan"] if one["field"] == field]
    if field == "connections":
        lost = [f"{guest.name} ({mac})" for mac in (MAC1, MAC2)]
        assert change["before"] == {**dict.fromkeys(lost, "not connected"), "detour": "left"}
    assert ports(libvirtd, full) == {by_name, by_bridge}
    wait_for(libvirtd, "192.168.231.11", "192.168.231.12")
    source, _other = sources(guest)
    assert (source["network"], source["portgroup"]) == (full.name, "normal")
    assert f"detour-of-{full.name}" not in libvirtd.virsh("net-list", "--all")


def targets(guest: TinyGuest) -> list[ET.Element]:
    domain = ET.fromstring(guest.virsh("dumpxml", guest.name))
    return domain.findall("devices/interface/target")


def ports(libvirtd: PrivateLibvirtd, switch: Switch) -> set[str]:
    bridge = switch.xml().find("bridge").get("name")
    told = json.loads(libvirtd.run(["ip", "-json", "link", "show", "master", bridge]))
    return {port["ifname"] for port in told if port}


def wait_for(libvirtd: PrivateLibvirtd, *addresses: str) -> None:
    for address in addresses:
        wait_until(lambda address=address: reaches(libvirtd, address), 30, f"{address} to answer")


def sources(guest: TinyGuest) -> list[dict[str, str]]:
    domain = ET.fromstring(guest.virsh("dumpxml", guest.name))
    return [nic.find("source").attrib for nic in domain.findall("devices/interface")]


def what_would_cut_it_off_is_refused(full: Switch, guest: TinyGuest) -> None:
    for args in ({"state": "absent"}, {"state": "inactive"}):
        [error] = full.refuse(args)
        assert f"{guest.name} ({MAC1})" in error
    [error] = full.refuse({"bridge": "vs-elsewhere", "apply": "restart"})
    assert f"{guest.name} ({MAC2})" in error


def info_tells_who_is_there(full: Switch, guest: TinyGuest) -> None:
    told = full.told()
    domain = ET.fromstring(guest.virsh("dumpxml", guest.name))
    taps = [nic.find("target").get("dev") for nic in domain.findall("devices/interface")]
    assert [(nic["vm"], nic["mac"], nic["target"], nic["running"]) for nic in told["nics"]] == [
        (guest.name, MAC1, taps[0], True),
        (guest.name, MAC2, taps[1], True),
    ]
    leases = {lease["mac"]: lease["ip"] for lease in told["leases"]}
    assert leases[MAC1] == "192.168.231.11"
    assert (told["address"], told["dhcp"]) == (FULL["address"], FULL["dhcp"])


def test_a_vm_that_is_only_defined_is_warned_of(full: Switch) -> None:
    name = f"{full.name}-idle"
    xml = GUEST.format(
        name=name, files=GUEST_FILES, command_line="", network=full.name, bridge="vs-none"
    )
    full.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=xml)
    done = full.converge({"state": "absent"})
    assert name in json.dumps(done["warnings"])
