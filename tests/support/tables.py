"""The tables of all kinds, each with what declares, edits and reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ansible_collections.kvm.fleet.plugins.module_utils.engine import fields, specs, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import Rows
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import Values
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import Element
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool import (
    table as resource_pool,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.secret import table as secret
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import table as pool
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import kind as volume
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import table as vm
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import tree as vm_tree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import table as vswitch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import tree as vswitch_tree
from support.strategies import Params, declarations, things, values_for

ALL_ROWS: dict[str, Rows] = {
    "resource_pool": resource_pool.ROWS,
    "secret": secret.ROWS,
    "storage_pool": pool.ROWS,
    "storage_volume": volume.ROWS,
    "vm": vm.ROWS,
    "vswitch": (*vswitch.ROWS, vswitch.HOSTNAMES),
    "vswitch IPv4": vswitch.FAMILIES[0].rows,
    "vswitch IPv6": vswitch.FAMILIES[1].rows,
}


@dataclass(frozen=True)
class Table:
    """All that the table of a kind does to a tree, whatever the rules say of it."""

    rows: Rows
    bare: str
    declarations: SearchStrategy[Params]
    want_of: Callable[[Mapping[str, Any], Mistakes], Values]
    edited: Callable[[Element, Values], Element]
    values_of: Callable[[Element], Values]


def _of_rows(bare: str, rows: Rows) -> Table:
    def edited(tree: Element, want: Values) -> Element:
        after = xmltree.clone(tree)
        fields.edit(rows, after, want)
        return after

    return Table(
        rows,
        bare,
        declarations(rows),
        lambda params, mistakes: specs.want_of(rows, params, mistakes),
        edited,
        lambda tree: fields.values_of(rows, tree),
    )


@st.composite
def _vswitches(draw: st.DrawFn) -> Params:
    """The rows, and what stands apart from them: addresses, their DHCP and names in DNS."""
    params = draw(declarations(vswitch.ROWS, most=4))
    for host in params.get("dns", {}).get("hosts", ()):
        host["hostnames"] = draw(values_for(vswitch.HOSTNAMES.codec))
    for family in draw(st.lists(st.sampled_from(vswitch.FAMILIES), unique_by=lambda one: one.dhcp)):
        codec = vswitch.interface_address(family.version)
        params[family.address] = draw(values_for(codec).filter(bool))
        params[family.dhcp] = {row.name: draw(things(row)) for row in family.rows}
        for host in params[family.dhcp]["hosts"]:
            if ":" not in host[family.identity.attribute]:  # then it is its name
                host["name"] = host.pop(family.identity.attribute)
    return params


# A pool has one of a thing or a list of them, by its type: two rows for one place.
_ONE, _SEVERAL = (
    tuple(row for row in pool.ROWS if row.name not in others)
    for others in (pool.ONE_OR_MORE.values(), {*pool.ONE_OR_MORE, "source.port"})
)

TABLES = {
    "resource_pool": _of_rows("<unit/>", resource_pool.ROWS),
    "secret": _of_rows("<secret/>", secret.ROWS),
    "storage_pool": _of_rows("<pool/>", _ONE),
    "storage_pool of several": _of_rows("<pool/>", _SEVERAL),
    "storage_volume": _of_rows("<volume/>", volume.ROWS),
    "vm": _of_rows("<domain/>", vm.ROWS),
    "vswitch": Table(
        vswitch.ROWS,
        "<network/>",
        _vswitches(),
        vswitch.want_of,
        vswitch_tree.edited,
        vswitch_tree.values_of,
    ),
}

# What is told of a definition, with what libvirt leaves unsaid.
VALUES: dict[str, Callable[[Element], Values]] = {
    "resource_pool": TABLES["resource_pool"].values_of,
    "secret": TABLES["secret"].values_of,
    "storage_pool": pool.values_in,
    "storage_volume": TABLES["storage_volume"].values_of,
    "vm": vm_tree.domain_values,
    "vswitch": vswitch_tree.values_of,
}
