# SPDX-License-Identifier: GPL-3.0-or-later
"""The NICs that have what they have by their port group, or are to have it: filters, isolation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from ...engine import xmltree
from ...engine.plan import Have
from ...engine.xmltree import Element
from ..vm.states import PAUSED, RUNNING
from . import filters, isolation
from .attached import nics_on
from .noted_vlans import ISOLATION, SECURITY


class Trait(NamedTuple):
    """What NICs have by their port group: where it stands in them, and its words in a plan."""

    place: str
    will: Callable[[Element, Element], str | None]  # of a network and a NIC
    now: Callable[[Element], str]
    words: Mapping[str, str]


TRAITS: Mapping[str, Trait] = {
    SECURITY: Trait(
        "filterref!/@filter",
        filters.by_group,
        filters.filter_of,
        {filters.BY_GROUP: "strict", "": "permissive"},
    ),
    ISOLATION: Trait(
        "port!/@isolated",
        isolation.by_group,
        isolation.isolation_of,
        {"yes": "isolated", "": "not isolated"},
    ),
}


class Follower(NamedTuple):
    """A NIC that has not what its port group says: as it is stored, or as it runs."""

    vm: str
    mac: str
    nth: int  # of the VM's NICs with this MAC
    runs: bool
    now: str
    will: str

    def __str__(self) -> str:
        return f"{self.vm} ({self.mac})"


def astray(
    name: str, network: Element, domains: Mapping[str, Have], but: Collection[str], waits: bool
) -> Iterator[Follower]:
    """The NICs that do not follow the port groups of a network in the trait of that name, of all
    VMs but some. Where it `waits`, what runs is left as it is."""
    trait, lan = TRAITS[name], xmltree.get(network, "name") or ""
    for vm, have in sorted(domains.items()):
        if vm in but or have.stored is None:
            continue
        stored = list(nics_on(have.stored, lan, None))
        own = {mac_of(nic) for nic in stored if trait.will(network, nic) is None}
        for tree in _sides(have, waits):
            for nic in nics_on(tree, lan, None):
                will, now = trait.will(network, nic), trait.now(nic)
                if will not in (None, now) and mac_of(nic) not in own:
                    nth = with_mac(tree, mac_of(nic)).index(nic)
                    yield Follower(vm, mac_of(nic), nth, tree is have.live, now, will or "")


def _sides(have: Have, waits: bool) -> Iterator[Element]:
    """What is stored of a VM, unless it ends with what runs, and that."""
    if have.stored is not None and have.facts.get("persistent", True):
        yield have.stored
    if have.live is not None and have.facts.get("state") in (RUNNING, PAUSED) and not waits:
        yield have.live


def left_alone(
    name: str, before: Element, after: Element, domains: Mapping[str, Have], but: Collection[str]
) -> list[str]:
    """The NICs that keep a trait which they had by a port group, of which none says anything any
    more."""
    trait, lan = TRAITS[name], xmltree.get(after, "name") or ""
    found: dict[str, None] = {}
    for vm, have in sorted(domains.items()):
        for tree in () if vm in but else _sides(have, waits=False):
            for nic in nics_on(tree, lan, None):
                had = trait.now(nic) if trait.will(before, nic) == trait.now(nic) else ""
                if had and trait.will(after, nic) is None:
                    found[f"{vm} ({mac_of(nic)})"] = None
    return list(found)


def with_mac(domain: Element, mac: str) -> list[Element]:
    """The NICs with a MAC: of one VM two may have the same."""
    return [nic for nic in domain.findall("devices/interface") if mac_of(nic) == mac]


def mac_of(nic: Element) -> str:
    """The MAC of a NIC; empty where it has none yet."""
    return xmltree.get(nic, "mac/@address") or ""
