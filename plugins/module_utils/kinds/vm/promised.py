# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM is promised, from its definition."""

from __future__ import annotations

from ...engine import xmltree
from ...engine.cpu_lists import cpus_in
from ...engine.mark import MARK
from ...engine.promises_held import CORE, KIB, MIB, Vm, number_in
from ...engine.xmltree import Element
from .memory import bytes_at, huge_page

RESERVATION = f"{MARK}/fleet:reservation"
ALL, YES = "all", "yes"
POOLS = "/machine"  # the slice in which pools are
USUAL_PAGE = 2 * MIB  # where a definition says no size


def promise_of(domain: Element) -> Vm:
    """What the VM of a definition, stored or live, has and holds."""
    memory = bytes_at(domain, "memory") or 0
    reservation = xmltree.find(domain, RESERVATION)
    said = {} if reservation is None else reservation.attrib
    reserved, is_dedicated = said.get("memory"), said.get("dedicated") == YES
    return Vm(
        name=xmltree.get(domain, "name") or "",
        uuid=xmltree.get(domain, "uuid") or "",
        pool=_pool(xmltree.get(domain, "resource/partition") or ""),
        vcpus=int(xmltree.get(domain, "vcpu/@current") or xmltree.get(domain, "vcpu") or 1),
        memory=memory,
        cpu=round(number_in(said.get("cpu")) * CORE),
        shares=int(xmltree.get(domain, "cputune/shares") or 0),
        reserved=memory if reserved == ALL else int(number_in(reserved)) * KIB,
        huge_page=huge_page(domain, USUAL_PAGE),
        dedicated=is_dedicated,
        cpus=_pinned(domain, is_dedicated),
    )


def _pool(partition: str) -> str:
    """The path of the pool; a slice of others by its whole path, which is no pool's."""
    if partition == POOLS or not partition.startswith(f"{POOLS}/"):
        return "" if partition == POOLS else partition
    return partition[len(POOLS) + 1 :]


def _pinned(domain: Element, is_dedicated: bool) -> tuple[int, ...]:
    """The CPUs that are the VM's own: all that are dedicated, and those to which one is pinned."""
    lists = [cpus_in(pin.get("cpuset", "")) for pin in domain.findall("cputune/vcpupin")]
    return tuple(sorted({cpu for one in lists for cpu in one if is_dedicated or len(one) == 1}))
