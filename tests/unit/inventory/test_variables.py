"""What an inventory tells of a VM, and the addresses that vswitches keep for it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.inventory.variables import variables_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.cloud_init.note import Note, put
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.reader_addresses import Found
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.reserved import (
    declared_of,
    reserved_in,
)

LAN, DMZ = "52:54:00:00:00:01", "52:54:00:00:00:0a"
DOMAIN = f"""
<domain type="kvm"><name>web</name><uuid>5c3a9b7e-6f0f-5d38-9d6c-9a6f7c1f0c55</uuid>
<title>The shop</title>
<metadata><fleet:resource xmlns:fleet="urn:kvm.fleet:1" scope="shop" protected="yes"
  managed="yes" uuid="5c3a9b7e-6f0f-5d38-9d6c-9a6f7c1f0c55">
  <fleet:tags>{{"role": "web"}}</fleet:tags></fleet:resource></metadata>
<memory unit="KiB">2097152</memory><currentMemory unit="KiB">1048576</currentMemory>
<vcpu current="2">8</vcpu>
<os><type arch="x86_64" machine="pc-q35-7.2">hvm</type></os>
<devices>
  <disk type="file" device="disk"><source file="/srv/a.qcow2"/><target dev="vda" bus="virtio"/>
    <alias name="ua-disk-root"/></disk>
  <disk type="network" device="disk"><auth username="u"><secret type="ceph" usage="SECRET"/></auth>
    <source protocol="rbd" name="p/i"/><target dev="vdb" bus="virtio"/></disk>
  <interface type="network"><mac address="{LAN}"/><source network="lan" portgroup="web"/>
    <alias name="ua-nic-lan"/></interface>
  <interface type="bridge"><mac address="{DMZ}"/><source bridge="br0"/></interface>
  <graphics type="vnc" passwd="SECRET"/>
</devices></domain>
"""
NETWORK = f"""
<network><name>lan</name>
<ip address="192.0.2.1" netmask="255.255.255.0"><dhcp>
  <host mac="{LAN.upper()}" ip="192.0.2.10"/><host mac="52:54:00:ff:ff:ff" ip="192.0.2.11"/>
  <host name="WEB" ip="192.0.2.12"/></dhcp></ip>
<ip family="ipv6" address="2001:db8::1" prefix="64"><dhcp>
  <host name="web" ip="2001:db8::10"/></dhcp></ip>
</network>
"""


def told(state: str = "running", found: Found | None = None, network: str = NETWORK) -> Any:
    domain = xmltree.parse(DOMAIN)
    runs = domain if state in ("running", "paused") else None
    facts = {"state": state, "autostart": True, "persistent": True}
    reserved = {"lan": reserved_in(xmltree.parse(network))}
    have = Have("vm", "web", domain, runs, facts)
    return variables_of(have, found or Found("none"), reserved, 0)


def test_what_is_told_of_a_vm() -> None:
    vm = told()
    del vm["kvm_addresses"]
    assert vm == {
        "kvm_name": "web",
        "kvm_uuid": "5c3a9b7e-6f0f-5d38-9d6c-9a6f7c1f0c55",
        "kvm_state": "running",
        "kvm_autostart": True,
        "kvm_persistent": True,
        "kvm_managed": True,
        "kvm_title": "The shop",
        "kvm_description": "",
        "kvm_tags": {"role": "web"},
        "kvm_scope": "shop",
        "kvm_group": "",
        "kvm_protected": True,
        "kvm_template": False,
        "kvm_resource_pool": "",
        "kvm_machine": "pc-q35-7.2",
        "kvm_firmware": "bios",
        "kvm_cpu": {"count": 2, "maximum": 8},
        "kvm_memory": {"size": "1GiB", "maximum": "2GiB"},
        "kvm_disks": [
            {"name": "root", "file": "/srv/a.qcow2", "bus": "virtio"},
            {"name": "vdb", "network": {"protocol": "rbd", "name": "p/i"}, "bus": "virtio"},
        ],
        "kvm_nics": [
            {"name": "lan", "vswitch": "lan", "mac": LAN, "port_group": "web", "link": "up"},
            {"name": DMZ, "bridge": "br0", "mac": DMZ, "link": "up"},
        ],
        "kvm_vswitches": ["lan"],
        "kvm_bridges": ["br0"],
        "kvm_guest_agent": "none",
        "kvm_migration": {"live": True, "offline": False, "reasons": []},
    }


def test_no_secret_of_a_definition_is_told() -> None:
    assert "SECRET" not in str(told())


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_addresses_are_kept_for_a_mac_and_for_a_name(state: str) -> None:
    found = told(state)["kvm_addresses"]
    assert [(one["address"], one["prefix"], one["vswitch"]) for one in found] == [
        ("192.0.2.10", 24, "lan"),
        ("192.0.2.12", 24, "lan"),
        ("2001:db8::10", 64, "lan"),
    ]
    assert all(one["sources"] == ["declared"] and one["nic"] == "lan" for one in found)


def test_an_address_is_told_with_all_who_know_it() -> None:
    answers = {"lease": [(LAN, "192.0.2.10", 24)], "agent": [(DMZ, "198.51.100.7", 24)]}
    found = told(found=Found("connected", answers))["kvm_addresses"]
    by_address = {one["address"]: one for one in found}
    assert by_address["192.0.2.10"]["sources"] == ["lease", "declared"]
    assert by_address["198.51.100.7"]["bridge"] == "br0"


def test_addresses_are_given_by_a_seed_for_cloud_init() -> None:
    domain = xmltree.parse(DOMAIN)
    nics = {"lan": {"address": ["dhcp", "192.0.2.50/24", "2001:db8::50/64"]}, "gone": {}}
    put(domain, Note({"nics": nics}))
    assert declared_of(Have("vm", "web", domain), {}) == [
        (LAN, "192.0.2.50", 24),
        (LAN, "2001:db8::50", 64),
    ]


def test_a_network_without_addresses_keeps_none() -> None:
    assert told(network="<network><name>lan</name></network>")["kvm_addresses"] == []
