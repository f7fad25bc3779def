"""Reservations of DHCP for NICs by the names of VM and NIC, and those that others wrote."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import count
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.filter.mac import mac
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]


class Site:
    """A vswitch and the VMs on it, seen by virsh."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.net, self.web, self.db = (f"{prefix}{name}" for name in ("net", "web", "db"))

    def converge(self, module: str, args: Args) -> list[str]:
        """Run as it has to be run; the fields of the plan."""
        predicted = self.modules.run(module, args, check=True)
        done = self.modules.run(module, args)
        assert not done.get("failed"), done["msg"]
        assert predicted["plan"] == done["plan"]
        assert self.modules.run(module, args)["plan"] == []
        return [change["field"] for change in done["plan"]]

    def vm(self, name: str, **nic: str) -> Args:
        vm = {"name": name, "virt_type": "qemu", "memory": {"size": "32MiB"}, "state": "present"}
        return {**vm, "nics": [{"name": "lan", "vswitch": self.net, **nic}]}

    def mac(self, vm: str) -> str:
        xml = ET.fromstring(self.libvirtd.virsh("dumpxml", vm))
        return xml.find("devices/interface/mac").get("address")

    def hosts(self, *flags: str) -> list[Args]:
        xml = ET.fromstring(self.libvirtd.virsh("net-dumpxml", self.net, *flags))
        return [host.attrib for host in xml.iterfind("ip/dhcp/host")]


@pytest.fixture
def site(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Site:
    return Site(libvirtd, modules, prefix)


def test_an_address_is_for_the_nic_of_a_vm(site: Site) -> None:
    hosts = [
        {"vm": site.web, "nic": "lan", "ip": "192.0.2.10"},
        {"vm": site.db, "nic": "lan", "ip": "192.0.2.11"},
    ]
    switch = {"name": site.net, "address": "192.0.2.1/24", "dhcp": {"hosts": hosts}}
    vms = [site.vm(site.web), site.vm(site.db, mac="52:54:00:00:07:01")]
    site.converge("host_config", {"vswitches": [switch], "vms": vms})
    assert site.mac(site.web) == mac(site.web, "lan")
    expected = [(site.mac(site.web), "192.0.2.10"), ("52:54:00:00:07:01", "192.0.2.11")]
    for flags in ([], ["--inactive"]):
        assert [(host["mac"], host["ip"]) for host in site.hosts(*flags)] == expected
    # The MAC of the VM that is there counts, also where the module knows of nothing else.
    site.converge("vswitch", {**switch, "purge": True})
    assert [host["mac"] for host in site.hosts()] == [one for one, _ip in expected]


def test_the_address_goes_along_to_another_mac(site: Site) -> None:
    hosts = [{"vm": site.web, "nic": "lan", "ip": "192.0.2.10"}]
    switch = {"name": site.net, "address": "192.0.2.1/24", "dhcp": {"hosts": hosts}}
    site.converge("vswitch", switch)
    assert [host["mac"] for host in site.hosts()] == [mac(site.web, "lan")]
    vms = [site.vm(site.web, mac="52:54:00:00:07:02")]
    site.converge("host_config", {"vswitches": [switch], "vms": vms})
    assert [host["mac"] for host in site.hosts()] == ["52:54:00:00:07:02"]
    gone = [{"vm": site.web, "nic": "lan", "state": "absent"}]
    site.converge("vswitch", {"name": site.net, "dhcp": {"hosts": gone}})
    assert site.hosts() == []


OF_OTHERS = """
<network>
  <name>{name}</name>
  <bridge name='{name}'/>
  <ip address='192.0.2.1' prefix='24'>
    <dhcp>
      <host mac='52:54:0:AB:CD:1' ip='192.0.2.10'/>
      <host name='Printer' ip='192.0.2.11'/>
      <host name='scanner' ip='192.0.2.12'/>
    </dhcp>
  </ip>
  <ip family='ipv6' address='fd00:7::1' prefix='64'>
    <dhcp>
      <host id='0:1:0:AB' ip='fd00:7::10'/>
      <host name='camera' ip='fd00:7::11'/>
    </dhcp>
  </ip>
</network>
"""


@pytest.fixture
def others(site: Site) -> Site:
    xml = OF_OTHERS.format(name=site.net)
    site.libvirtd.run(["virsh", "net-define", "/dev/stdin"], stdin=xml)
    site.libvirtd.virsh("net-start", site.net)
    return site


def test_what_others_reserved_changes_in_place(others: Site) -> None:
    dhcp = {
        "hosts": [
            {"mac": "52:54:00:ab:cd:01", "ip": "192.0.2.20"},
            {"name": "printer", "state": "absent"},
            {"name": "scanner", "ip": "192.0.2.22"},
            {"name": "plotter", "ip": "192.0.2.23"},
        ]
    }
    dhcp6 = {
        "hosts": [{"id": "00:01:00:ab", "ip": "fd00:7::20"}, {"name": "camera", "ip": "fd00:7::21"}]
    }
    others.converge("vswitch", {"name": others.net, "dhcp": dhcp, "dhcp6": dhcp6})
    for flags in ([], ["--inactive"]):
        assert sorted(host["ip"] for host in others.hosts(*flags)) == [
            "192.0.2.20",
            "192.0.2.22",
            "192.0.2.23",
            "fd00:7::20",
            "fd00:7::21",
        ]


def test_what_others_reserved_is_purged_in_place(others: Site) -> None:
    keep = {"hosts": [{"name": "scanner"}]}
    switch = {"name": others.net, "dhcp": keep, "dhcp6": {"hosts": []}, "purge": True}
    fields = others.converge("vswitch", switch)
    assert len(fields) == 4
    for flags in ([], ["--inactive"]):
        assert others.hosts(*flags) == [{"name": "scanner", "ip": "192.0.2.12"}]


def test_what_is_told_of_others_can_be_declared(others: Site) -> None:
    [told] = others.modules.run("vswitch_info", {"names": [others.net]})["vswitches"]
    again = {key: told[key] for key in ("name", "dhcp", "dhcp6")}
    before = others.libvirtd.virsh("net-dumpxml", others.net)
    assert others.converge("vswitch", {**again, "purge": True}) == []
    assert others.libvirtd.virsh("net-dumpxml", others.net) == before


def _names_of_one_mac(prefix: str) -> tuple[str, str]:
    """Two names of VMs whose NICs called lan get the same MAC: 24 bits are soon used up."""
    seen: dict[str, str] = {}
    for number in count():
        name = f"{prefix}{number}"
        if (other := seen.setdefault(mac(name, "lan"), name)) != name:
            return other, name
    raise AssertionError("count() has no end")


def test_derived_macs_that_clash_are_told_with_what_to_do(site: Site, prefix: str) -> None:
    one, other = _names_of_one_mac(prefix)
    switch = {"name": site.net, "type": "isolated"}
    site.converge("host_config", {"vswitches": [switch], "vms": [site.vm(one)]})
    done = site.modules.run("host_config", {"vms": [site.vm(other)]})
    [error] = done["errors"]
    assert error.startswith(f"vm/{other} nics.lan.mac: {mac(one, 'lan')}, which the names")
    assert f"also the MAC address of {one}; set another mac" in error
    site.converge("host_config", {"vms": [site.vm(other, mac="52:54:00:00:07:09")]})
