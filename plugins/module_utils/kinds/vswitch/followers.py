# SPDX-License-Identifier: GPL-3.0-or-later
"""The NICs that have what they have by their port group, or are to have it: filters, isolation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from ...engine import xmltree
from ...engine.plan import Have
from ...engine.xmltree import Element
from ..vm.states import PAUSED, RUNNING
from . import filters, isolation
from .attached import is_on
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


class Nic(NamedTuple):
    """A NIC on the network, in what is stored of its VM or in what runs."""

    mac: str
    nth: int  # of the VM's NICs with this MAC, of which it may have several
    element: Element


class User(NamedTuple):
    """A VM that has NICs on a network."""

    vm: str
    state: str
    ends: bool  # with what runs
    stored: list[Nic]
    live: list[Nic]


class Follower(NamedTuple):
    """A NIC that has not what its port group says: as it is stored, or as it runs."""

    vm: str
    mac: str
    nth: int  # of the VM's NICs with this MAC
    runs: bool
    now: str
    will: str
    parameters: str = ""  # of its filter, which go with that

    def __str__(self) -> str:
        return f"{self.vm} ({self.mac})"


def users_of(lan: str, domains: Mapping[str, Have], but: Collection[str]) -> list[User]:
    """The VMs with NICs on the network of that name, but for some."""
    found = []
    for vm, have in sorted(domains.items()):
        if vm in but:
            continue
        state, ends = have.facts.get("state"), not have.facts.get("persistent", True)
        stored = _nics(have.stored, lan)
        live = _nics(have.live, lan) if state in (RUNNING, PAUSED) else []
        if stored or live:
            found.append(User(vm, str(state), ends, stored, live))
    return found


def _nics(domain: Element | None, lan: str) -> list[Nic]:
    macs: Counter[str] = Counter()
    found = []
    for element in () if domain is None else domain.findall("devices/interface"):
        mac = mac_of(element)
        if is_on(element, lan, None):
            found.append(Nic(mac, macs[mac], element))
        macs[mac] += 1
    return found


def astray(name: str, network: Element, users: list[User], waits: bool) -> Iterator[Follower]:
    """The NICs that do not follow the port groups of a network in the trait of that name. Where it
    `waits`, what runs is left as it is."""
    now_of, will_of = TRAITS[name].now, _asked_once(TRAITS[name], network)
    for user in users:
        own = {nic[:2] for nic in user.stored if will_of(nic.element) is None}
        for nics, runs in _sides(user, waits):
            for mac, nth, element in nics:
                will, now = will_of(element), now_of(element)
                if will not in (None, now) and (mac, nth) not in own:
                    gone = "" if will or name != SECURITY else filters.parameters_of(element)
                    yield Follower(user.vm, mac, nth, runs, now, will or "", gone)


def _asked_once(trait: Trait, network: Element) -> Callable[[Element], str | None]:
    """What NICs are to have, which is the same for all of a port group that have the same now."""
    known: dict[tuple[str | None, str], str | None] = {}

    def will_of(nic: Element) -> str | None:
        what = xmltree.get(nic, "source/@portgroup"), trait.now(nic)
        if what not in known:
            known[what] = trait.will(network, nic)
        return known[what]

    return will_of


def _sides(user: User, waits: bool) -> Iterator[tuple[list[Nic], bool]]:
    """What is stored of a VM, unless it ends with what runs, and that."""
    if not user.ends:
        yield user.stored, False
    if not waits:
        yield user.live, True


def left_alone(name: str, before: Element, after: Element, users: list[User]) -> list[str]:
    """The NICs that keep a trait which they had by a port group, of which none says anything any
    more."""
    trait, found = TRAITS[name], dict[str, None]()
    was_of, will_of = (_asked_once(trait, network) for network in (before, after))
    for user in users:
        for nic in (nic for nics, _runs in _sides(user, waits=False) for nic in nics):
            had = trait.now(nic.element)
            if had and was_of(nic.element) == had and will_of(nic.element) is None:
                found[f"{user.vm} ({nic.mac})"] = None
    return list(found)


def naming(groups: Collection[str], users: list[User]) -> list[str]:
    """The NICs that name one of these port groups, as they are stored or as they run."""
    found = {
        f"{user.vm} ({nic.mac})": None
        for user in users
        for nics, _runs in _sides(user, waits=False)
        for nic in nics
        if xmltree.get(nic.element, "source/@portgroup") in groups
    }
    return list(found)


def isolated_by_themselves(network: Element, users: list[User]) -> list[str]:
    """The NICs that are isolated, and of whose isolation their port groups say nothing."""
    trait = TRAITS[ISOLATION]
    found = {
        f"{user.vm} ({nic.mac})": None
        for user in users
        for nics, _runs in _sides(user, waits=False)
        for nic in nics
        if trait.now(nic.element) and trait.will(network, nic.element) is None
    }
    return list(found)


def nth_with_mac(domain: Element, mac: str, nth: int) -> Element | None:
    """One of the NICs with a MAC: of one VM two may have the same."""
    nics = [nic for nic in domain.findall("devices/interface") if mac_of(nic) == mac]
    return nics[nth] if nth < len(nics) else None


def mac_of(nic: Element) -> str:
    """The MAC of a NIC; empty where it has none yet."""
    return xmltree.get(nic, "mac/@address") or ""
