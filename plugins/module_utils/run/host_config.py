# SPDX-License-Identifier: GPL-3.0-or-later
"""`host_config`: everything one host carries, declared in one task, and what is pruned from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..engine.errors import FleetError, FleetErrors, Mistakes
from ..engine.plan import Wanted
from ..engine.world import Kind, World
from ..kinds.resource_pool.kind import KIND as RESOURCE_POOL
from ..kinds.storage_pool.kind import KIND as STORAGE_POOL
from ..kinds.storage_volume.kind import KIND as STORAGE_VOLUME
from ..kinds.vm.going import volumes_that_go
from ..kinds.vm.kind import KIND as VM
from ..kinds.vswitch.kind import KIND as VSWITCH
from . import arguments, pruning, vm_defaults

KINDS: tuple[Kind, ...] = (RESOURCE_POOL, STORAGE_POOL, STORAGE_VOLUME, VSWITCH, VM)
SECTIONS: dict[str, Kind] = {
    "resource_pools": RESOURCE_POOL,
    "storage_pools": STORAGE_POOL,
    "storage_volumes": STORAGE_VOLUME,
    "vswitches": VSWITCH,
    "vms": VM,
}

# By which options a thing is known: a volume by its pool too, and a pool by the one it is in.
NAMED_BY = ("parent", "pool", "name")

SPEC: dict[str, Any] = {
    **{section: {"type": "list", "elements": "dict"} for section in SECTIONS},
    vm_defaults.OPTION: {"type": "dict"},
    **pruning.SPEC,
}


def options_within() -> dict[str, Any]:
    """The options with those inside of them, which are looked at one by one, by `parse`."""
    of = {**SECTIONS, vm_defaults.OPTION: VM}
    return {name: {**SPEC[name], "options": kind.spec()} for name, kind in of.items()}


def parse(params: Mapping[str, Any]) -> list[Wanted]:
    """All declarations of a host; every mistake in any of them is reported."""
    mistakes = Mistakes()
    wanted: list[Wanted] = []
    prune = pruning.prune_of(params, mistakes)
    defaults = vm_defaults.defaults_of(VM, params[vm_defaults.OPTION], mistakes)
    for section, kind in SECTIONS.items():
        validator = arguments.Items(kind.spec())
        for given in params[section] or ():
            own = vm_defaults.merged(defaults.options, given) if kind is VM else given
            item = pruning.in_scope(prune, section, own, mistakes)
            found = Mistakes(_resource(kind, item))
            reads = kind is not VM or defaults.usable
            declared = _declared(kind, validator, item, found, reads)
            if kind is VM and defaults.options:
                names = vm_defaults.inherited(defaults.options, given)
                declared = [replace(one, inherited=names) for one in declared]
            wanted += declared
            mistakes.errors += vm_defaults.as_own(defaults, found) if kind is VM else found.errors
    mistakes.raise_any()
    return wanted


def _resource(kind: Kind, item: Mapping[str, Any]) -> str:
    name = "/".join(str(item[part]) for part in NAMED_BY if item.get(part))
    return f"{kind.name}/{name or '?'}"


def _declared(
    kind: Kind,
    validator: arguments.Items,
    item: Mapping[str, Any],
    mistakes: Mistakes,
    reads: bool,
) -> list[Wanted]:
    """What one item declares; unless it `reads` it, only its options are looked at."""
    params, wrong = validator.check(item)
    for message in wrong:
        mistakes.add(message)
    if wrong or not reads:
        return []
    try:
        return kind.parse(params)
    except FleetErrors as errors:
        mistakes.extend(errors.errors)
    except FleetError as error:
        mistakes.extend([error])
    return []


def more(
    params: Mapping[str, Any], warn: Callable[[str], None]
) -> Callable[[World, Sequence[Wanted]], list[Wanted]]:
    """What goes beside what was declared absent: volumes of VMs that go, and what is pruned."""

    def found(world: World, wanted: Sequence[Wanted]) -> list[Wanted]:
        prune = pruning.prune_of(params, Mistakes())
        goes = [] if prune is None else pruning.pruned(world, prune, wanted, warn)
        return [*volumes_that_go(world, wanted), *goes]

    return found
