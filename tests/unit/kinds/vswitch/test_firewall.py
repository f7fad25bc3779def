"""Which rules of a firewall are a network's: texts as iptables and nft print them."""

from __future__ import annotations

import json

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.applier_firewall import (
    iptables_rules,
    nft_rules,
)

SUBNETS = {"192.0.2.0/29"}

FILTER = """\
-P INPUT ACCEPT
-N LIBVIRT_INP
-A INPUT -i vs-lan -j ACCEPT
-A LIBVIRT_INP -i vs-lan -p udp -m udp --dport 53 -j ACCEPT
-A LIBVIRT_INP -i vs-lan2 -p udp -m udp --dport 53 -j ACCEPT
-A LIBVIRT_FWI -d 192.0.2.0/29 -o vs-lan -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBVIRT_FWO -s 192.0.2.0/29 -i vs-other -j ACCEPT
"""
NAT = """\
-A LIBVIRT_PRT -s 192.0.2.0/29 ! -d 192.0.2.0/29 -p tcp -j MASQUERADE --to-ports 1024-65535
-A LIBVIRT_PRT -s 192.0.2.0/28 -d 224.0.0.0/24 -j RETURN
-A POSTROUTING -s 192.0.2.0/29 -j MASQUERADE
"""


def test_a_rule_of_iptables_is_found_by_bridge_or_addresses() -> None:
    found = [" ".join(rule) for rule in iptables_rules(FILTER, "vs-lan", SUBNETS)]
    lines = FILTER.splitlines()
    assert found == [line[len("-A ") :] for line in (lines[3], lines[5])]
    [found_nat] = iptables_rules(NAT, "vs-lan", SUBNETS)
    assert " ".join(found_nat) == NAT.splitlines()[0][len("-A ") :]


def _nft(handle: int, *expr: object, chain: str = "guest_nat") -> dict[str, object]:
    where = {"family": "ip", "table": "libvirt_network", "chain": chain, "handle": handle}
    return {"rule": {**where, "expr": [*expr, {"counter": {"packets": 0, "bytes": 0}}]}}


def _match(left: object, right: object, op: str = "==") -> dict[str, object]:
    return {"match": {"op": op, "left": left, "right": right}}


def _source(address: str, length: int) -> object:
    left = {"payload": {"protocol": "ip", "field": "saddr"}}
    return _match(left, {"prefix": {"addr": address, "len": length}})


def test_a_rule_of_nft_is_found_by_bridge_or_addresses() -> None:
    told = {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"chain": {"family": "ip", "table": "libvirt_network", "name": "guest_nat"}},
            _nft(1, _match({"meta": {"key": "iif"}}, "vs-lan"), chain="guest_output"),
            _nft(2, _match({"meta": {"key": "iif"}}, "vs-lan2"), chain="guest_output"),
            _nft(3, _source("192.0.2.0", 29), {"masquerade": None}),
            _nft(4, _source("192.0.2.0", 28), {"masquerade": None}),
            _nft(5, _match({"meta": {"key": "oif"}}, "vs-lan", op="!=")),
            _nft(6, {"accept": None}),
        ]
    }
    found = list(nft_rules(json.dumps(told), "vs-lan", SUBNETS))
    assert found == [("guest_output", "1"), ("guest_nat", "3")]


def test_without_a_table_there_is_no_rule() -> None:
    assert not list(nft_rules("", "vs-lan", SUBNETS))
    assert not list(iptables_rules("", "vs-lan", SUBNETS))
