# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall rules that libvirt made for a network and does not know of any more.

It writes them into chains of its own, by iptables or (from libvirt 10.4) by nft into tables of its
own. A rule is a network's that names its bridge or the addresses on it. Only these are looked at.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any

IPTABLES = ("iptables", "ip6tables")
IPTABLES_TABLES = ("filter", "nat", "mangle")
NFT_TABLES = (("ip", "libvirt_network"), ("ip6", "libvirt_network"))
CHAINS = "LIBVIRT_"  # how the names of libvirt's own begin

Command = list[str]


def remove_rules(bridge: str, subnets: set[str]) -> None:
    """Remove the rules of a network that does not run. Where there is no such program, none are."""
    for command in commands(bridge, subnets):
        _run(command)


def commands(bridge: str, subnets: set[str]) -> Iterator[Command]:
    """What removes the rules, one by one."""
    for program in IPTABLES:
        for table in IPTABLES_TABLES:
            base = [program, "-w", "-t", table]
            for rule in iptables_rules(_run([*base, "-S"]), bridge, subnets):
                yield [*base, "-D", *rule]
    for family, table in NFT_TABLES:
        told = _run(["nft", "--json", "--handle", "list", "table", family, table])
        for chain, handle in nft_rules(told, bridge, subnets):
            yield ["nft", "delete", "rule", family, table, chain, "handle", handle]


def iptables_rules(told: str, bridge: str, subnets: set[str]) -> Iterator[Command]:
    """The rules of a network in the output of `iptables -S`, each with its chain."""
    for line in told.splitlines():
        words = shlex.split(line)
        if words[:1] != ["-A"] or not words[1].startswith(CHAINS):
            continue
        said = set(zip(words, words[1:]))
        by_bridge = {("-i", bridge), ("-o", bridge)}
        by_source = {("-s", subnet) for subnet in subnets} if words[1].endswith("_PRT") else set()
        if said & (by_bridge | by_source):
            yield words[1:]


def nft_rules(told: str, bridge: str, subnets: set[str]) -> Iterator[tuple[str, str]]:
    """The rules of a network in the JSON of `nft list table`: the chain and the handle of each."""
    entries = json.loads(told)["nftables"] if told else []
    for rule in (entry["rule"] for entry in entries if "rule" in entry):
        if any(_is_of(match, bridge, subnets) for match in _matches(rule)):
            yield rule["chain"], str(rule["handle"])


def _matches(rule: Any) -> Iterable[Any]:
    return (part["match"] for part in rule["expr"] if "match" in part)


def _is_of(match: Any, bridge: str, subnets: set[str]) -> bool:
    left, right = match["left"], match["right"]
    if match["op"] != "==" or not isinstance(left, dict):
        return False
    if left.get("meta", {}).get("key") in ("iif", "oif", "iifname", "oifname"):
        return bool(right == bridge)
    if left.get("payload", {}).get("field") == "saddr" and isinstance(right, dict):
        prefix = right.get("prefix", {})
        return f"{prefix.get('addr')}/{prefix.get('len')}" in subnets
    return False


def _run(command: Command) -> str:
    """What a command prints; nothing where it fails: it has no such table, or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return "" if done.returncode else done.stdout
