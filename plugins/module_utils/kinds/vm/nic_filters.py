# SPDX-License-Identifier: GPL-3.0-or-later
"""Network filters of NICs: where they can be, those of port groups, and those that we make."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine.changes import Change
from ...engine.errors import Mistakes
from ...engine.fields import items_of
from ...engine.keys import ABSENT, PRESENT, UNION, Key, Values
from ...engine.world import World
from ...engine.xmltree import Element
from ..vswitch import filters
from . import nic_isolation
from .nic_isolation import elsewhere, is_on_the_same
from .nic_rows import MACVTAP, NICS

NAME, PARAMETERS = ("filter", "name"), ("filter", "parameters")
WHERE = "libvirt starts no VM with one there, but on ports of Linux bridges alone"


def follow(want: Values, stored: Values, world: World, mistakes: Mistakes) -> None:
    """Add the filters that NICs are to have by their port groups, and take away those that such
    have no more: of all on vswitches of the run, and of NICs that come, move or say of filters. Of
    others nobody asks their vswitch, by whose plan they follow."""
    for key in _nics(want, stored, world):
        network = world.will_be("vswitch", _vswitch(key, want, stored)).stored
        if network is None:
            continue
        at, group = (*key, *NAME), (*key, "port_group")
        said, now = want.get(at), stored.get(at) or ""
        will = filters.filter_by(
            network, want.get(group, stored.get(group)), now if said is None else said
        )
        if will is None:
            continue
        if said == filters.BY_GROUP != will:
            message = (
                "is what NICs have by a port group with security: strict, and this one is in none; "
                f"name {filters.STRICT}, or such a port group"
            )
            mistakes.add(message, ".".join(at))
        elif will != now or said is not None:
            want[at] = will
            if said == "" and now not in ("", filters.BY_GROUP):  # what goes, goes as a whole
                want.setdefault((*key, *PARAMETERS), {})


def _nics(want: Values, stored: Values, world: World) -> Iterator[Key]:
    keys = {key: None for key in (*want, *stored) if len(key) == 2 and key[0] == NICS.name}
    for key in keys:
        vswitch = _vswitch(key, want, stored)
        counts = ("vswitch", vswitch) in world.declared or _says(key, want, stored)
        if vswitch and counts and want.get(key) is not ABSENT:
            yield key


def _says(key: Key, want: Values, stored: Values) -> bool:
    """Whether a declaration has anything to do with which filter a NIC follows."""
    if want.get((*key, *NAME)) in ("", filters.BY_GROUP):
        return True
    at = [(*key, UNION), (*key, "port_group"), (*key, *NAME)]
    moves = any(want.get(one) not in (None, stored.get(one)) for one in at)
    return moves or (want.get(key) is PRESENT and key not in stored)


def _vswitch(key: Key, want: Values, stored: Values) -> str:
    at = (*key, UNION)
    return str((want.get(at) or stored.get(at) or {}).get("vswitch") or "")


def check(domain: Element, before: Element | None, world: World, mistakes: Mistakes) -> None:
    """Collect the NICs with filters, or isolated, where they cannot be; what is so already is no
    mistake."""
    nic_isolation.check(domain, before, world, mistakes)
    there = {} if before is None else items_of(NICS, before)
    for name, nic in items_of(NICS, domain).items():
        was = there.get(name)
        is_so = was is not None and is_on_the_same(nic, was) and filters.filter_of(was)
        on_macvtap = nic.get("type") == MACVTAP  # of which `macvtap` tells
        has_none = is_so or on_macvtap or not filters.filter_of(nic)
        where = "" if has_none else elsewhere(nic, world)
        if where:
            mistakes.add(f"is not possible {where}: {WHERE}", f"{NICS.name}.{name}.filter.name")


def made(resource: str, domain: Element, world: World) -> list[Change]:
    """The filters of ours that NICs have and libvirt has not, but for those that a vswitch of this
    run brings."""
    nics = domain.findall("devices/interface")
    names = {filters.filter_of(nic) for nic in nics} & {*filters.NAMES}
    if not names:
        return []
    planned = [have.stored for have in world.planned("vswitch")]
    groups = [one for tree in planned if tree is not None for one in tree.findall("portgroup")]
    if any(map(filters.is_strict, groups)):
        names -= {filters.STRICT, filters.BY_GROUP}
    return filters.made(resource, names, world.host)
