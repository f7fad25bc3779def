# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory tells of a VM, as variables. Pure: a definition and answers in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ..engine import xmltree
from ..engine.codecs import Value
from ..engine.keys import UNION, Key, Values
from ..engine.mark import is_made_here
from ..engine.plan import Have
from ..kinds.vm.definition import domain_values
from ..kinds.vm.derived import derived_uuid
from ..kinds.vm.reader_addresses import Found, addresses_of
from ..kinds.vm.reserved import DECLARED, Reserved, declared_of
from ..kinds.vm.states import STOPPED
from ..kinds.vm.told import options
from ..moving.standing import standing

# Options of kvm.fleet.vm that are told as they are, and what stands for one that says nothing.
AS_DECLARED: Mapping[str, Any] = {
    "title": "",
    "description": "",
    "tags": {},
    "scope": "",
    "group": "",
    "resource_pool": "",
    "protected": False,
    "template": False,
    "machine": "",
    "firmware": "",
}
PARTS = {"cpu": ("count", "maximum"), "memory": ("size", "maximum")}
# Of each disk and NIC, beside its name and what it stands on.
DEVICES = {
    "disks": (("bus",), ("format",)),
    "nics": (("mac",), ("port_group",), ("model",), ("link",)),
}


def variables_of(
    have: Have, found: Found, reserved: Mapping[str, Iterable[Reserved]], snapshots: int
) -> dict[str, Any]:
    """The variables of a VM, whatever host it is on. `reserved` are the addresses by vswitch."""
    told = options(_told_of(domain_values(have.definition)))
    nics = told["nics"]
    answers = {**found.answers, DECLARED: declared_of(have, reserved)}
    told_of_nics = replace(have, live=have.definition)  # of one that does not run as well
    return {
        "kvm_name": have.name,
        "kvm_uuid": xmltree.get(have.definition, "uuid"),
        **{f"kvm_{name}": fact for name, fact in have.facts.items()},
        "kvm_managed": is_made_here(have.definition, derived_uuid(have.name)),
        **{f"kvm_{name}": told.get(name, unsaid) for name, unsaid in AS_DECLARED.items()},
        **{f"kvm_{name}": told.get(name, {}) for name in PARTS},
        "kvm_disks": told["disks"],
        "kvm_nics": nics,
        "kvm_vswitches": sorted({nic["vswitch"] for nic in nics if "vswitch" in nic}),
        "kvm_bridges": sorted({nic["bridge"] for nic in nics if "bridge" in nic}),
        "kvm_guest_agent": found.agent,
        "kvm_addresses": _on_networks(addresses_of(told_of_nics, answers), nics),
        "kvm_migration": standing(have, snapshots),
    }


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """The variables that every VM has."""
    bare = xmltree.parse("<domain><name>bare</name><uuid/><devices/></domain>")
    facts = {"state": STOPPED, "autostart": False, "persistent": True}
    return frozenset(variables_of(Have("vm", "bare", bare, None, facts), Found("none"), {}, 0))


def _told_of(values: Values) -> Values:
    """Those of all values that are told. To tell all takes ten times as long."""
    return {key: _without_auth(value) for key, value in values.items() if _is_told(key)}


def _without_auth(value: Value) -> Value:
    """A disk's source without who asks a server for it, which is nothing to a playbook inside."""
    server = value.get("network") if isinstance(value, dict) else None
    if not isinstance(server, dict):
        return value
    return {"network": {name: said for name, said in server.items() if name != "auth"}}


def _is_told(key: Key) -> bool:
    if key[0] in PARTS:
        return key[1:] in [(part,) for part in PARTS[key[0]]]
    if key[0] in DEVICES:
        return len(key) == 2 or key[2:] == (UNION,) or key[2:] in DEVICES[key[0]]
    return key[0] in AS_DECLARED


def _on_networks(
    addresses: Iterable[Mapping[str, Any]], nics: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Addresses with the vswitch or bridge that each one's NIC is on."""
    on = {nic["name"]: {k: nic[k] for k in ("vswitch", "bridge") if k in nic} for nic in nics}
    return [{**entry, **on.get(entry["nic"], {})} for entry in addresses]
