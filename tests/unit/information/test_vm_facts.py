"""What is made of the answers about addresses and of libvirt's records: from plain values."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.information import vm_facts
from ansible_collections.kvm.fleet.plugins.module_utils.information.vm_statistics import (
    statistics_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.reader_addresses import (
    Found,
    addresses_of,
    agent_of,
)

LAN, DMZ, INSIDE = "52:54:00:00:00:01", "52:54:00:00:00:02", "02:42:00:00:00:01"
DOMAIN = f"""
<domain><devices>
  <disk device="disk"><alias name="ua-disk-root"/><target dev="vda" bus="virtio"/></disk>
  <disk device="cdrom"><target dev="sda" bus="sata"/></disk>
  <interface type="network"><mac address="{LAN}"/><source network="lan"/><target dev="vnet0"/>
    <alias name="ua-nic-lan"/></interface>
  <interface type="bridge"><mac address="{DMZ}"/><source bridge="br0"/><target dev="vnet1"/>
  </interface>
  {{more}}
</devices></domain>
"""
CHANNEL = '<channel><target type="virtio" name="org.qemu.guest_agent.0"{}/></channel>'


def vm(more: str = "", state: str = "running") -> Have:
    domain = xmltree.parse(DOMAIN.format(more=more))
    live = domain if state in ("running", "paused") else None
    return Have("vm", "web", domain, live, {"state": state})


def test_an_address_is_told_once_with_all_who_know_it() -> None:
    answers = {
        "lease": [(LAN, "192.0.2.10", 24)],
        "agent": [(LAN, "192.0.2.10", 24), (LAN, "fe80::1", 64)],
        "arp": [(LAN, "192.0.2.10", 0)],
    }
    told = [
        (entry["nic"], entry["address"], entry["prefix"], entry["sources"])
        for entry in addresses_of(vm(), answers)
    ]
    assert told == [
        ("lan", "192.0.2.10", 24, ["lease", "agent", "arp"]),
        ("lan", "fe80::1", 64, ["agent"]),
    ]


def test_a_nic_without_our_name_is_called_by_its_mac_address() -> None:
    [entry] = addresses_of(vm(), {"arp": [(DMZ, "198.51.100.7", 0)]})
    assert (entry["nic"], entry["prefix"]) == (DMZ, 0)


def test_what_a_guest_has_beside_its_nics_is_left_out() -> None:
    assert addresses_of(vm(), {"agent": [(INSIDE, "172.17.0.1", 16)]}) == []


@pytest.mark.parametrize(
    ("channel", "state", "agent"),
    [
        ("", "running", "none"),
        (CHANNEL.format(""), "stopped", "disconnected"),
        (CHANNEL.format(' state="disconnected"'), "running", "disconnected"),
        (CHANNEL.format(' state="connected"'), "running", "connected"),
        # The channel is open, but nobody in a paused guest can answer.
        (CHANNEL.format(' state="connected"'), "paused", "disconnected"),
    ],
)
def test_the_state_of_the_agent(channel: str, state: str, agent: str) -> None:
    assert agent_of(vm(channel, state)) == agent


def test_statistics_have_the_names_of_the_vms_devices() -> None:
    record: dict[str, Any] = {
        "cpu.time": 7,
        "balloon.rss": 3,
        "block.count": 2,
        "block.0.name": "vda",
        "block.0.rd.bytes": 512,
        "block.1.name": "sda",
        "net.count": 1,
        "net.0.name": "vnet0",
        "net.0.rx.bytes": 60,
    }
    assert statistics_of(vm().live, record) == {
        "cpu": {"time_ns": 7},
        "memory": {"rss_bytes": 3072},
        "disks": [
            {"name": "root", "target": "vda", "read_bytes": 512},
            {"name": "sda", "target": "sda"},
        ],
        "nics": [{"name": "lan", "target": "vnet0", "received_bytes": 60}],
    }


@pytest.mark.parametrize(
    ("asked", "warned"), [(None, False), ([], False), (["lease", "arp"], True), (["arp"], True)]
)
def test_an_arp_table_that_cannot_be_read_is_told_to_who_asked_for_it(
    asked: list[str] | None, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(_host: Any, vms: list[Have], sources: list[str]) -> dict[str, Found]:
        warning = "libvirt cannot read the ARP table: no" if "arp" in sources else ""
        return {one.name: Found("none", {}, warning) for one in vms}

    monkeypatch.setattr(vm_facts.vm_addresses, "find", find)
    monkeypatch.setattr(vm_facts, "_Images", lambda _host: NoImages())
    monkeypatch.setattr(vm_facts, "read_domains", lambda *_: {"web": Have("vm", "web")})
    asks = {"names": None, "addresses": asked, "statistics": False, "resources": False}
    told = vm_facts.gather(None, asks)
    assert bool(told["warnings"]) is warned


class NoImages:
    def of(self, _have: Have) -> dict[str, Any]:
        return {}
