# SPDX-License-Identifier: GPL-3.0-or-later
"""Network filters of NICs: where they can be, those of port groups, and those that we make."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine.changes import Change
from ...engine.errors import Mistakes
from ...engine.fields import items_of
from ...engine.keys import Key, Values
from ...engine.world import World
from ...engine.xmltree import Element
from ..vswitch import filters
from .following import followed
from .nic_isolation import elsewhere, is_on_the_same
from .nic_rows import MACVTAP, NICS

NAME, PARAMETERS = ("filter", "name"), ("filter", "parameters")
WHERE = "libvirt starts no VM with one there, but on ports of Linux bridges alone"


def follow(want: Values, stored: Values, world: World, mistakes: Mistakes) -> None:
    """Add the filters that NICs are to have by their port groups, and take away those that they
    have so no more."""

    def gives_its_own_up(key: Key) -> bool:
        return want.get((*key, *NAME)) in ("", filters.BY_GROUP)

    for key, network, group in followed(want, stored, world, NAME, gives_its_own_up):
        at = (*key, *NAME)
        said, now = want.get(at), stored.get(at) or ""
        will = filters.filter_by(network, group, now if said is None else said)
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
            gives_up = said == "" and now not in ("", filters.BY_GROUP)
            has_none = not will and stored.get((*key, *PARAMETERS))
            if gives_up or has_none:  # what goes, goes as a whole
                want.setdefault((*key, *PARAMETERS), {})


def check(
    domain: Element, before: Element | None, world: World, mistakes: Mistakes
) -> Iterator[str]:
    """Collect the NICs with filters where they cannot be, and with filters that are none; what is
    so already is no mistake. What is taken to come before the run is told."""
    there = {} if before is None else items_of(NICS, before)
    for name, nic in items_of(NICS, domain).items():
        was = there.get(name)
        is_so = was is not None and is_on_the_same(nic, was) and filters.filter_of(was)
        on_macvtap = nic.get("type") == MACVTAP  # of which `macvtap` tells
        has_none = is_so or on_macvtap or not filters.filter_of(nic)
        where = "" if has_none else elsewhere(nic, world)
        field = f"{NICS.name}.{name}.filter.name"
        if where:
            mistakes.add(f"is not possible {where}: {WHERE}", field)
        has = filters.filter_of(nic)
        if where or on_macvtap or (was is not None and filters.filter_of(was) == has):
            continue
        if filters.is_unknown(has, world.host) and world.assume_on_host:
            yield f"libvirt has no network filter {has}; taken to be made before the run"
        elif filters.is_unknown(has, world.host):
            mistakes.add(f"libvirt has no network filter {has} (virsh nwfilter-list)", field)


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
