# SPDX-License-Identifier: GPL-3.0-or-later
"""Pruning: what goes from a host because the task that declares all of its kind does not name it.

A task prunes the kinds whose lists it gives, within its scope, and takes only what the collection
made. So neither an omitted list, nor another task on the same host, nor a clone by another program
costs anybody a VM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean

from ..engine import xmltree
from ..engine.codecs import mapping
from ..engine.errors import FleetError, Mistakes
from ..engine.keys import ABSENT
from ..engine.mark import MARK, SCOPE, SCOPE_PATH, is_made_here
from ..engine.plan import Have, Wanted
from ..engine.world import Kind, World
from ..kinds.resource_pool import tree as pool_tree
from ..kinds.resource_pool.kind import KIND as RESOURCE_POOL
from ..kinds.vm import derived
from ..kinds.vm.kind import KIND as VM
from ..kinds.vswitch import tree as vswitch_tree
from ..kinds.vswitch.kind import KIND as VSWITCH
from . import arguments
from .group_spec import OPTION as GROUPS

# What a host carries for nobody but its VMs. Storage is never pruned.
PRUNABLE: dict[str, Kind] = {"vms": VM, "vswitches": VSWITCH, "resource_pools": RESOURCE_POOL}
DERIVED_UUID: dict[str, Callable[[str], str]] = {
    VM.name: derived.derived_uuid,
    VSWITCH.name: vswitch_tree.derived_uuid,
}

SPEC: dict[str, Any] = {
    "prune": {"type": "raw", "default": False},
    "prune_limit": {"type": "int", "default": 5},
}
OPTIONS: dict[str, Any] = {
    "scope": {"type": "str"},
    "tags": {"type": "dict"},
    "empty": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class Prune:
    """What a task prunes."""

    sections: tuple[str, ...]
    limit: int
    scope: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


# ---- what was asked for


def prune_of(params: Mapping[str, Any], mistakes: Mistakes) -> Prune | None:
    """The pruning that a user wrote, None where there is none. Mistakes are collected."""
    options = _options(params["prune"], mistakes)
    if options is None:
        return None
    scope = _parsed(SCOPE.parse, options["scope"] or "", "prune.scope", mistakes)
    tags = _parsed(mapping().parse, options["tags"] or {}, "prune.tags", mistakes)
    if options["scope"] == "":
        mistakes.add("is empty; leave it out to prune what has no scope", "prune.scope")
    given = tuple(section for section in PRUNABLE if params.get(section) is not None)
    for section in given if not options["empty"] else ():
        if not any(item.get("state") != ABSENT for item in _named(params, section)):
            mistakes.add(_why_not_empty(section), section)
    return Prune(given, params["prune_limit"], scope, tags)


def _named(params: Mapping[str, Any], section: str) -> Iterator[Mapping[str, Any]]:
    """What a list declares, and of VMs what groups declare beside it."""
    yield from params[section]
    groups = params.get(GROUPS) or () if section == "vms" else ()
    yield from ({"name": group["name"]} for group in groups if group["count"] > 0)


def _options(given: Any, mistakes: Mistakes) -> dict[str, Any] | None:
    if isinstance(given, Mapping):
        options, wrong = arguments.check(ArgumentSpecValidator(OPTIONS), given)
        for message in wrong:
            mistakes.add(message, "prune")
        return None if wrong else options
    try:
        return {"scope": None, "tags": None, "empty": False} if boolean(given) else None
    except TypeError:
        mistakes.add(
            f"{given!r} is neither a boolean nor a mapping of {', '.join(OPTIONS)}", "prune"
        )
        return None


def _parsed(parse: Callable[[Any], Any], given: Any, name: str, mistakes: Mistakes) -> Any:
    try:
        return parse(given)
    except ValueError as error:
        mistakes.add(str(error), name)
        return given


def _why_not_empty(section: str) -> str:
    return (
        f"names none that is to be there, and prune would remove all {section} of its scope; "
        f"leave {section} out to keep them, or write prune: {{empty: true}} if this is meant"
    )


def in_scope(
    prune: Prune | None, section: str, item: Mapping[str, Any], mistakes: Mistakes
) -> Mapping[str, Any]:
    """A declaration with the scope of its task, by which later runs of the task know it."""
    if prune is None or not prune.scope or section not in PRUNABLE or item.get("state") == ABSENT:
        return item
    own = item.get("scope")
    if own is not None and own != prune.scope:
        mistakes.add(
            f"is {own!r}, and the task prunes the scope {prune.scope!r}; leave it out, or declare "
            "it in a task of its scope",
            "scope",
            f"{PRUNABLE[section].name}/{item.get('name', '?')}",
        )
    return {**item, "scope": prune.scope}


# ---- what goes

PROTECTED = "it is protected; set protected to false and run again to remove it"


def pruned(
    world: World, prune: Prune, wanted: Sequence[Wanted], warn: Callable[[str], None]
) -> list[Wanted]:
    """The declarations by which goes what is not declared."""
    if not prune.sections:
        *some, last = PRUNABLE
        warn(f"prune keeps to the lists that are given; {', '.join(some)} and {last} are not")
    declared = {(one.kind, one.name) for one in wanted}
    goes: list[Wanted] = []
    for section in prune.sections:
        kind = PRUNABLE[section]
        haves = world.everything(kind.name).values()
        there = [have for have in haves if (kind.name, have.name) not in declared]
        mine = [have for have in there if is_pruned(prune, have)]
        for reason, kept in _kept(mine):
            warn(f"prune leaves {kind.name}/{kept.name}, which is not declared: {reason}")
        goes += [_absent(kind, have.name) for have in mine if not _reason(have)]
    _check_limit(prune.limit, goes)
    return goes


def is_pruned(prune: Prune, have: Have) -> bool:
    """Whether the collection made it, and it is in the scope and has the tags."""
    tree = have.stored
    if have.kind == RESOURCE_POOL.name:
        is_made = tree is not None and pool_tree.is_made_here(have)
        return is_made and pool_tree.scope_of(have) == prune.scope and not prune.tags
    if tree is None or not is_made_here(tree, DERIVED_UUID[have.kind](have.name)):
        return False
    scope = xmltree.get(tree, SCOPE_PATH) or ""
    tags = mapping().decode(xmltree.get(tree, f"{MARK}/fleet:tags")) or {}
    return scope == prune.scope and prune.tags.items() <= tags.items()


def _kept(haves: Iterable[Have]) -> Iterator[tuple[str, Have]]:
    return ((_reason(have), have) for have in haves if _reason(have))


def _reason(have: Have) -> str:
    """Why something of the collection's own stays nevertheless; empty if it goes."""
    tree = have.stored
    if have.kind == RESOURCE_POOL.name:
        return PROTECTED if pool_tree.is_protected(have) else ""
    if tree is None or xmltree.get(tree, f"{MARK}/@protected") == "yes":
        return PROTECTED
    if xmltree.get(tree, "uuid") != DERIVED_UUID[have.kind](have.name):
        return "somebody renamed it; declare it with state: absent to remove it"
    return ""


def _check_limit(limit: int, goes: Sequence[Wanted]) -> None:
    if len(goes) <= limit:
        return
    names = ", ".join(sorted(one.resource for one in goes))
    raise FleetError(
        f"prune would remove {len(goes)} things and prune_limit is {limit}: {names}; declare those "
        f"that are to stay, or set prune_limit to {len(goes)} if all of them are to go",
        field="prune_limit",
    )


def _absent(kind: Kind, name: str) -> Wanted:
    params = ArgumentSpecValidator(kind.spec()).validate({**_said(kind, name), "state": ABSENT})
    return replace(kind.parse(params.validated_parameters)[0], pruned=True)


def _said(kind: Kind, name: str) -> dict[str, str]:
    """The options by which a declaration names a thing."""
    parent, _slash, own = name.rpartition("/") if kind is RESOURCE_POOL else ("", "", name)
    return {"name": own, **({"parent": parent} if parent else {})}
