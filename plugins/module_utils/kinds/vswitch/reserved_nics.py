# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations for a VM's NIC, by the names of both: the MAC that it has, or that it will get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ...engine import fields, specs
from ...engine.codecs import Value
from ...engine.errors import Mistakes
from ...engine.keys import ABSENT, PRESENT, Key, Values
from ...engine.plan import Wanted
from ...engine.world import World
from ..vm.derived import derived_mac
from ..vm.nic_rows import NICS
from .reservations import MAC
from .table import FAMILIES

[_FAMILY] = [family for family in FAMILIES if family.identity is MAC]
HOSTS = (_FAMILY.dhcp, "hosts")
[_ROW] = [row for row in _FAMILY.rows if row.name == "hosts"]


def with_macs(wanted: Wanted, world: World) -> tuple[Wanted, list[str]]:
    """The declaration with reservations by MAC only, and what to warn of."""
    items = wanted.options.get("nics") or ()
    if not items:
        return wanted, []
    mistakes, values = Mistakes(wanted.resource), dict(wanted.values)
    warnings = []
    for item in items:
        vm, nic = item["vm"], item["nic"]
        found = _mac_of(vm, nic, world)
        if found is None:
            warnings.append(f"the VM {vm} has no NIC {nic}; the address is kept for one to come")
        mac, derived = found or derived_mac(vm, nic), derived_mac(vm, nic)
        if (*HOSTS, mac) in values:
            mistakes.add(f"the NIC {nic} of the VM {vm} has it, and is named too", f"dhcp.{mac}")
        values.update(_reserved({**item, "mac": mac}, mistakes))
        if mac != derived:
            values.setdefault((*HOSTS, derived), ABSENT)  # reserved when the NIC had no MAC yet
    mistakes.raise_any()
    options = {**wanted.options, "nics": ()}
    return replace(wanted, values=values, options=options), warnings


def _reserved(item: Mapping[str, Value], mistakes: Mistakes) -> Values:
    return specs.want_of((_ROW,), {"hosts": [item]}, mistakes, (_FAMILY.dhcp,))


def _mac_of(vm: str, nic: str, world: World) -> str | None:
    """The MAC that is declared in this run, or the one that the NIC has; `""` for one to come."""
    key: Key = ("nics", nic)
    declared = world.declared.get(("vm", vm))
    said: Values = declared.values if declared is not None else {}
    if said.get((*key, "mac")):
        return str(said[(*key, "mac")])
    have = world.will_be("vm", vm)
    there = {} if have.stored is None else fields.values_of((NICS,), have.stored)
    if there.get(key) is PRESENT and there.get((*key, "mac")):
        return str(there[(*key, "mac")])
    is_to_come = said.get(key) is PRESENT or (declared is None and not have.exists)
    return "" if is_to_come else None


def given(items: Iterable[Mapping[str, Value]]) -> list[Mapping[str, Value]]:
    """The reservations of a declaration that are for a VM's NIC."""
    return [item for item in items if item.get("vm") and item.get("nic")]
