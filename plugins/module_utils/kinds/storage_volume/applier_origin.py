# SPDX-License-Identifier: GPL-3.0-or-later
"""What a volume is made from, as it is in libvirt at the moment when the volume is made."""

from __future__ import annotations

from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError, Mistakes
from ...engine.fields import edit
from ...engine.plan import Plan
from ...engine.units import format_size
from ...engine.xmltree import Element
from ...host.connection import Host
from .layouts import layout_of_new
from .table import LAYOUT_ROWS, layout_of
from .volumes import AS_ORIGIN, capacity_of, fits, format_of, name_in_pool, pool_of


def laid_out_as_origin(plan: Plan, tree: Element, origin: Any) -> Element:
    """The definition of a copy of what the run has fetched: only now it is seen how that is laid
    out."""
    found = xmltree.parse(origin.XMLDesc(0))
    form = xmltree.get(found, "target/format/@type")
    if not plan.after.facts.get(AS_ORIGIN) or form != "qcow2" or format_of(plan.after) != form:
        return tree
    like = (plan.wanted.options["copy_of"], layout_of(found))
    laid_out, mistakes = xmltree.clone(tree), Mistakes(plan.resource)
    edit(LAYOUT_ROWS, laid_out, layout_of_new(plan.wanted, form, like, mistakes))
    mistakes.raise_any()
    return laid_out


def check_not_cut_off(host: Host, plan: Plan) -> None:
    """That a copy or a clone is no less than what it is made from, which may be new itself: of a
    copy libvirt passes the capacity over, and a clone would end before its disk does."""
    capacity, options = capacity_of(plan.after), plan.wanted.options
    origin = options.get("copy_of") or (options.get("backing") or {}).get("volume")
    if not capacity or not origin:
        return
    with host.errors(plan.resource, f"look at {origin}"):
        there = host.conn.storagePoolLookupByName(pool_of(origin))
        has = there.storageVolLookupByName(name_in_pool(origin)).info()[1]
        pool_type = xmltree.parse(there.XMLDesc(0)).get("type", "")
    if capacity < has and not fits(has, capacity, pool_type):
        raise FleetError(
            f"{format_size(capacity)} is less than the {format_size(has)} of {origin}; declare as "
            "much, or leave it out",
            plan.resource,
            "capacity",
        )
