# SPDX-License-Identifier: GPL-3.0-or-later
"""The declarations of a whole host, as it is: what to begin with where others made it.

Each declaration is tried against the host before it is handed out. What would be changed by it,
against all expectation, is left out and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..engine import xmltree
from ..engine.plan import Have
from ..engine.traits import ACTIVE
from ..engine.world import World
from ..kinds.resource_pool.told import unsaid as unsaid_of_pool
from ..kinds.resource_pool.tree import is_managed
from ..kinds.secret.told import is_declarable
from ..kinds.storage_volume.table import CLUSTER_SIZE, USUAL_CLUSTER
from ..kinds.storage_volume.volumes import name_in_pool, pool_of
from ..kinds.vm.declaring import declaration
from ..kinds.vm.declaring import unsaid as unsaid_of_vm
from ..kinds.vswitch import tree as vswitch_tree
from .host_config import SECTIONS
from .proving import proved_by_plan

Declaration = dict[str, Any]

VOLUMES = ("used", "all", "none")
# Options whose value for a new vswitch is no empty one.
VSWITCH_DEFAULTS = {("stp",): True, ("dns", "enabled"): True, ("state",): ACTIVE}


@dataclass
class Exported:
    """Declarations by section, and what is to be known of them."""

    sections: dict[str, list[Declaration]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def export(world: World, volumes: str) -> Exported:
    """The declarations of all that the host carries."""
    exported = Exported(warnings=list(_unsaid(world)))
    for section, told in _declarations(world, volumes).items():
        proved = (proved_by_plan(SECTIONS[section], one, world, exported.warnings) for one in told)
        exported.sections[section] = [one for one in proved if one is not None]
    return exported


def _declarations(world: World, volumes: str) -> dict[str, list[Declaration]]:
    secrets, slices, pools, vswitches, vms = (
        {name: have for name, have in sorted(world.everything(kind).items()) if _stays(have)}
        for kind in ("secret", "resource_pool", "storage_pool", "vswitch", "vm")
    )
    kept = _volumes(world, vms, volumes) if volumes != "none" else []
    return {
        "secrets": [_secret(have) for have in secrets.values() if is_declarable(have)],
        "resource_pools": [_resource_pool(have) for have in slices.values() if is_managed(have)],
        "storage_pools": [_pool(have) for have in pools.values()],
        "storage_volumes": kept,
        "vswitches": [_vswitch(have) for have in vswitches.values()],
        "vms": [declaration(have, world.host) for have in vms.values()],
    }


def _unsaid(world: World) -> Iterator[str]:
    """What is promised in ways that no option has, and what would be less without."""
    yield from _unsaid_of_secrets(world)
    unsaid = {"vm": unsaid_of_vm, "resource_pool": unsaid_of_pool}
    for kind, found_in in unsaid.items():
        for name, have in sorted(world.everything(kind).items()):
            found = found_in(have) if _is_declared(have) else []
            if found:
                yield f"{kind}/{name}: {', '.join(found)} cannot be declared, and is left out"


def _unsaid_of_secrets(world: World) -> Iterator[str]:
    for name, have in sorted(world.everything("secret").items()):
        if is_declarable(have):
            yield f"secret/{name}: its value is not exported; add it where secrets are kept"
        else:
            yield f"secret/{name}: is known by its UUID alone, and cannot be declared"


def _is_declared(have: Have) -> bool:
    return _stays(have) and (have.kind != "resource_pool" or is_managed(have))


def _stays(have: Have) -> bool:
    """Whether it is defined; what is there only until it stops cannot be declared."""
    return bool(have.facts.get("persistent", True))


# ---- one declaration of each kind


def _pool(have: Have) -> Declaration:
    told = _options("storage_pools", have)
    return _without_empty(told, {("state",): ACTIVE})


def _secret(have: Have) -> Declaration:
    return _without_empty(_options("secrets", have), {("state",): "present"})


def _resource_pool(have: Have) -> Declaration:
    return _without_empty(_options("resource_pools", have), {("state",): "present"})


def _vswitch(have: Have) -> Declaration:
    told = _options("vswitches", have)
    return _without_empty(
        told, {**VSWITCH_DEFAULTS, ("bridge",): vswitch_tree.derived_bridge(have.name)}
    )


def _volumes(world: World, vms: Mapping[str, Have], which: str) -> list[Declaration]:
    """Volumes that disks stand on, themselves or by what they are made from; or all there are."""
    there = world.everything("storage_volume")
    by_path = {_path(have): name for name, have in there.items() if _path(have)}
    wanted = set(there)
    if which == "used":
        wanted = {name for have in vms.values() for name in _used_by(have, by_path)}
        for name in list(wanted):
            wanted |= set(_stood_on(there.get(name), there, by_path))
    return [_volume(there[name], by_path) for name in sorted(wanted) if name in there]


def _path(have: Have) -> str:
    return (xmltree.get(have.stored, "target/path") or "") if have.stored is not None else ""


def _used_by(vm: Have, by_path: Mapping[str, str]) -> Iterator[str]:
    for disk in vm.definition.findall("devices/disk"):
        source = disk.find("source")
        if disk.get("device", "disk") != "disk" or source is None:
            continue
        if source.get("pool"):
            yield f"{source.get('pool')}/{source.get('volume')}"
        path = source.get("file") or source.get("dev") or ""
        if path in by_path:
            yield by_path[path]


def _stood_on(
    volume: Have | None, there: Mapping[str, Have], by_path: Mapping[str, str]
) -> Iterator[str]:
    seen: set[str] = set()
    while volume is not None and volume.stored is not None:
        name = by_path.get(xmltree.get(volume.stored, "backingStore/path") or "", "")
        if not name or name in seen:
            return
        seen.add(name)
        yield name
        volume = there.get(name)


def _volume(have: Have, by_path: Mapping[str, str]) -> Declaration:
    told = _without_empty(
        _options("storage_volumes", have),
        {("state",): "present", CLUSTER_SIZE: USUAL_CLUSTER},
    )
    told.pop("permissions", None)  # those that libvirt has given it for the time, as it may be
    backing = (told.get("backing") or {}).get("file", "")
    if backing in by_path:
        pool, name = pool_of(by_path[backing]), name_in_pool(by_path[backing])
        told["backing"] = (
            {"volume": name} if pool == told["pool"] else {"pool": pool, "volume": name}
        )
    return told


def _options(section: str, have: Have) -> Declaration:
    """What is told of a resource, as far as it is options."""
    kind = SECTIONS[section]
    return _known(kind.result(have), kind.spec())


def _known(told: Mapping[str, Any], spec: Mapping[str, Any]) -> Declaration:
    return {name: _known_in(told[name], spec[name]) for name in told if name in spec}


def _known_in(value: Any, spec: Mapping[str, Any]) -> Any:
    if "options" not in spec:
        return value
    if isinstance(value, list):
        return [_known(item, spec["options"]) for item in value]
    return _known(value, spec["options"])


def _without_empty(
    told: Mapping[str, Any], defaults: Mapping[tuple[str, ...], Any], at: tuple[str, ...] = ()
) -> Declaration:
    """The options that say something: neither nothing, nor what would be so anyway."""
    kept: Declaration = {}
    for name, value in told.items():
        here = (*at, name)
        if isinstance(value, Mapping):
            value = _without_empty(value, defaults, here)
        elif isinstance(value, list):
            value = [_without_empty(v, {}) if isinstance(v, Mapping) else v for v in value]
        says_nothing = value in (None, "", 0, "0B", [], {}) and here not in defaults
        if not says_nothing and value != defaults.get(here, _NONE):
            kept[name] = value
    return kept


_NONE = object()
