# SPDX-License-Identifier: GPL-3.0-or-later
"""Isolated NICs: by themselves or by their port groups, and where they can be."""

from __future__ import annotations

from typing import Any

from ...engine import vlans, xmltree
from ...engine.errors import Mistakes
from ...engine.fields import items_of
from ...engine.keys import Key, Values
from ...engine.world import World
from ...engine.xmltree import Element
from ..vswitch import isolation
from .following import followed
from .nic_rows import NICS

ISOLATED = ("isolated",)
# virDomainActualNetDefValidate
WHERE = "it is possible on Linux bridges alone, be they of libvirt or of the host"
BY_GROUP = "on Open vSwitch declare it of their port group, which isolates all its NICs"
_BY_BRIDGE = ("", "nat", "route", "open", "bridge")  # the modes of networks


def follow(want: Values, stored: Values, world: World, mistakes: Mistakes) -> None:
    """Isolate NICs whose port groups say so, and others no more whose port groups say that."""

    def says(key: Key) -> bool:
        return want.get((*key, *ISOLATED)) is not None

    for key, network, group in followed(want, stored, world, ISOLATED, says):
        at, will = (*key, *ISOLATED), isolation.by_name(network, group)
        if will is None:
            continue
        if want.get(at) not in (None, will):
            message = (
                f"is declared as {_word(want[at])}, and its port group says {_word(will)} of all "
                "its NICs; change isolated there, or leave it out here"
            )
            mistakes.add(message, ".".join(at))
        elif bool(stored.get(at)) != will:
            want[at] = will


def _word(value: Any) -> str:
    return str(bool(value)).lower()


def check(domain: Element, before: Element | None, world: World, mistakes: Mistakes) -> None:
    """Collect the NICs that cannot be isolated where they are; what is so already is no mistake."""
    there = {} if before is None else items_of(NICS, before)
    for name, nic in items_of(NICS, domain).items():
        if not is_isolated(nic) or _is_so(nic, there.get(name)):
            continue
        where = elsewhere(nic, world)
        if where:
            way = f"; {BY_GROUP}" if "Open vSwitch" in where else ""
            mistakes.add(f"is not possible {where}: {WHERE}{way}", f"{NICS.name}.{name}.isolated")


def is_isolated(nic: Element) -> bool:
    """Whether a NIC is isolated by itself, or by its network where it runs."""
    return bool(isolation.isolation_of(nic))


def _is_so(nic: Element, was: Element | None) -> bool:
    return was is not None and is_on_the_same(nic, was) and is_isolated(was)


def is_on_the_same(nic: Element, was: Element) -> bool:
    """Whether a NIC stays where it is."""
    paths = ("@type", "source/@network", "source/@bridge", "source/@portgroup")
    return all(xmltree.get(nic, path) == xmltree.get(was, path) for path in paths)


def elsewhere(nic: Element, world: World) -> str:
    """Where a NIC is that is on no bridge of Linux; empty where it is, or nobody knows."""
    switch = xmltree.get(nic, "virtualport/@type")
    if nic.get("type") not in ("network", "bridge"):
        return "on an interface of the host"
    if nic.get("type") == "bridge" or switch:
        return f"with a virtual port ({switch})" if switch else ""
    vswitch = xmltree.get(nic, "source/@network") or ""
    network = world.will_be("vswitch", vswitch).stored
    if network is None:
        return ""
    group = vlans.group_of(network, nic)
    own = None if group is None else xmltree.get(group, "virtualport/@type")
    switch = own or xmltree.get(network, "virtualport/@type")
    if switch:
        kind = "Open vSwitch" if switch == "openvswitch" else switch
        return f"on the vswitch {vswitch}, which is on {kind}"
    on_bridge = (xmltree.get(network, "forward/@mode") or "") in _BY_BRIDGE
    has_none = xmltree.get(network, "forward/@mode") == "bridge" and not xmltree.get(
        network, "bridge/@name"
    )
    return "" if on_bridge and not has_none else f"on the vswitch {vswitch}, which is on no bridge"
