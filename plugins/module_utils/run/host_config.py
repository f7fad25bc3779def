# SPDX-License-Identifier: GPL-3.0-or-later
"""`host_config`: everything one host carries, declared in one task, and what goes from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..engine.errors import FleetError, FleetErrors, Mistakes
from ..engine.plan import Wanted
from ..engine.world import Kind, World
from ..kinds.resource_pool.kind import KIND as RESOURCE_POOL
from ..kinds.secret.kind import KIND as SECRET
from ..kinds.storage_pool.kind import KIND as STORAGE_POOL
from ..kinds.storage_volume.kind import KIND as STORAGE_VOLUME
from ..kinds.vm.going import volumes_that_go
from ..kinds.vm.kind import KIND as VM
from ..kinds.vswitch.kind import KIND as VSWITCH
from . import arguments, pruning, vm_defaults
from .group_spec import OPTION as GROUPS
from .group_spec import SPEC as GROUP_SPEC

KINDS: tuple[Kind, ...] = (SECRET, RESOURCE_POOL, STORAGE_POOL, STORAGE_VOLUME, VSWITCH, VM)
SECTIONS: dict[str, Kind] = {
    "secrets": SECRET,
    "resource_pools": RESOURCE_POOL,
    "storage_pools": STORAGE_POOL,
    "storage_volumes": STORAGE_VOLUME,
    "vswitches": VSWITCH,
    "vms": VM,
}

# By which options a thing is known: a volume by its pool too, and a pool by the one it is in.
_NAMED_BY = ("parent", "pool", "name")
_NAMED_BY_TYPE = ("type", "name")

SPEC: dict[str, Any] = {
    **{section: {"type": "list", "elements": "dict"} for section in SECTIONS},
    # Ansible takes it for one by its name; which of its options are is said by each of them.
    "secrets": {"type": "list", "elements": "dict", "no_log": False},
    vm_defaults.OPTION: {"type": "dict"},
    GROUPS: {"type": "list", "elements": "dict", "options": GROUP_SPEC},
    "drained": {"type": "list", "elements": "str", "default": []},
    **pruning.SPEC,
}


def options_within() -> dict[str, Any]:
    """The options with those inside of them, which are looked at one by one, by `parse`."""
    of = {**SECTIONS, vm_defaults.OPTION: VM}
    within = {name: {**SPEC[name], "options": kind.spec()} for name, kind in of.items()}
    of_group = {**GROUP_SPEC, "vm": {**GROUP_SPEC["vm"], "options": VM.spec()}}
    return {**within, GROUPS: {**SPEC[GROUPS], "options": of_group}}


def parse(params: Mapping[str, Any]) -> list[Wanted]:
    """All declarations of a host; every mistake in any of them is reported."""
    mistakes = Mistakes()
    wanted: list[Wanted] = []
    prune = pruning.prune_of(params, mistakes)
    vms = Vms(params, prune, mistakes)
    for section, kind in SECTIONS.items():
        validator = arguments.Items(kind.spec())
        for given in params[section] or () if kind is not VM else ():
            item = pruning.in_scope(prune, section, given, mistakes)
            found = Mistakes(_resource(kind, item))
            wanted += _declared(kind, validator, item, found)
            mistakes.errors += found.errors
    for given in params["vms"] or ():
        declared, errors = vms.read(given)
        wanted += declared
        mistakes.errors += errors
    if params.get(GROUPS):
        wanted += _members(params, vms, mistakes)
    mistakes.raise_any()
    return wanted


class Vms:
    """Reads declarations of VMs, each over what all have in common."""

    def __init__(
        self, params: Mapping[str, Any], prune: pruning.Prune | None, mistakes: Mistakes
    ) -> None:
        self.defaults = vm_defaults.defaults_of(VM, params[vm_defaults.OPTION], mistakes)
        self.prune = prune
        self.validator = arguments.Items(VM.spec())

    def read(self, given: Mapping[str, Any]) -> tuple[list[Wanted], list[FleetError]]:
        """What one declares, and what is wrong with it."""
        defaults, mistakes = self.defaults, Mistakes()
        own = vm_defaults.merged(defaults.options, given)
        item = pruning.in_scope(self.prune, "vms", own, mistakes)
        found = Mistakes(_resource(VM, item))
        declared = _declared(VM, self.validator, item, found, defaults.usable)
        if defaults.options:
            names = vm_defaults.inherited(defaults.options, given)
            declared = [replace(one, inherited=names) for one in declared]
        return declared, [*mistakes.errors, *vm_defaults.as_own(defaults, found)]


def _members(params: Mapping[str, Any], vms: Vms, mistakes: Mistakes) -> list[Wanted]:
    """What groups of VMs declare."""
    from . import vm_groups

    groups = vm_groups.groups_of(params[GROUPS], mistakes)
    wanted: list[Wanted] = []
    for group in groups:
        errors = []
        for member, given, unfilled in vm_groups.members_of(group, vms.validator.spec):
            declared, found = vms.read(given) if not unfilled.errors else ([], unfilled.errors)
            errors.append(found)
            if group.indices:
                wanted += [vm_groups.of_member(one, member) for one in declared]
        mistakes.errors += vm_groups.told_once(group, errors)
    mistakes.errors += vm_groups.clashes(groups, params["vms"] or ())
    return wanted


def named_by(kind: Kind) -> tuple[str, ...]:
    """The options by which a thing of a kind is known."""
    return _NAMED_BY_TYPE if kind is SECRET else _NAMED_BY


def _resource(kind: Kind, item: Mapping[str, Any]) -> str:
    name = "/".join(str(item[part]) for part in named_by(kind) if item.get(part))
    return f"{kind.name}/{name or '?'}"


def _declared(
    kind: Kind,
    validator: arguments.Items,
    item: Mapping[str, Any],
    mistakes: Mistakes,
    reads: bool = True,
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
    """What goes beside what was declared absent: volumes, members that leave, what is pruned."""

    def found(world: World, wanted: Sequence[Wanted]) -> list[Wanted]:
        prune = pruning.prune_of(params, Mistakes())
        leaves = _leaving(params, world, wanted, warn) if params.get(GROUPS) else []
        known = [*wanted, *leaves]
        goes = [] if prune is None else pruning.pruned(world, prune, known, warn)
        return [*volumes_that_go(world, known), *leaves, *goes]

    return found


def _leaving(
    params: Mapping[str, Any],
    world: World,
    wanted: Sequence[Wanted],
    warn: Callable[[str], None],
) -> list[Wanted]:
    """The members that leave their groups."""
    from . import leaving

    vms = Vms(params, None, Mistakes())
    return leaving.leaving(world, params, vms.read, wanted, warn)
