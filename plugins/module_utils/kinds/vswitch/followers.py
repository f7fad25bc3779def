# SPDX-License-Identifier: GPL-3.0-or-later
"""The NICs that have a network filter by their port group, or are to have one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ...engine import xmltree
from ...engine.plan import Have
from ...engine.xmltree import Element
from ..vm.states import PAUSED, RUNNING
from .attached import nics_on
from .filters import BY_GROUP, by_group, filter_of

WORDS = {BY_GROUP: "strict", "": "permissive"}


class Follower(NamedTuple):
    """A NIC that has not the filter of its port group: as it is stored, or as it runs."""

    vm: str
    mac: str
    runs: bool
    now: str
    will: str

    def __str__(self) -> str:
        return f"{self.vm} ({self.mac})"


def astray(
    network: Element, domains: Mapping[str, Have], but: Collection[str], waits: bool
) -> Iterator[Follower]:
    """The NICs that do not follow the port groups of a network, of all VMs but some. Where it
    `waits`, what runs is left as it is."""
    name = xmltree.get(network, "name") or ""
    for vm, have in sorted(domains.items()):
        if vm in but or have.stored is None:
            continue
        own = {_mac(nic) for nic in nics_on(have.stored, name, None) if _says_itself(network, nic)}
        runs = have.live if have.facts.get("state") in (RUNNING, PAUSED) and not waits else None
        for tree in (have.stored, runs):
            for nic in nics_on(tree, name, None) if tree is not None else ():
                will = by_group(network, nic)
                if will is not None and will != filter_of(nic) and _mac(nic) not in own:
                    yield Follower(vm, _mac(nic), tree is runs, filter_of(nic), will)


def _says_itself(network: Element, nic: Element) -> bool:
    return by_group(network, nic) is None


def _mac(nic: Element) -> str:
    return xmltree.get(nic, "mac/@address") or ""
