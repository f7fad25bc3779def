# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of NICs that their switch takes for none."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import vlans, xmltree
from ...engine.fields import items_of
from ...engine.world import World
from ...engine.xmltree import Element
from ..vswitch import limits
from .nic_rows import NICS


def unlimited(domain: Element, before: Element | None, world: World) -> Iterator[str]:
    """What is to be said of NICs whose limit is none; of what is so already nothing."""
    there = {} if before is None else items_of(NICS, before)
    for name, nic in items_of(NICS, domain).items():
        was = there.get(name)
        is_new = was is None or not limits.is_none(was) or _place(was) != _place(nic)
        if is_new and limits.is_none(nic) and _is_by_open_vswitch(nic, world):
            yield f"nics.{name}.bandwidth.inbound: {limits.PEAK}"


def _place(nic: Element) -> dict[str, str]:
    source = nic.find("source")
    return {} if source is None else dict(source.attrib)


def _is_by_open_vswitch(nic: Element, world: World) -> bool:
    own = xmltree.get(nic, "virtualport/@type")
    vswitch = xmltree.get(nic, "source/@network")
    if own or not vswitch:
        return own == "openvswitch"
    network = world.will_be("vswitch", vswitch).stored
    return network is not None and limits.is_by_open_vswitch(network, vlans.group_of(network, nic))
