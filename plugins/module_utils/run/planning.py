# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for all declarations of a run, in the order in which they are to be applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

from ..engine.errors import Doubt, FleetError, FleetErrors, Mistakes
from ..engine.keys import ABSENT
from ..engine.plan import Have, Plan, Wanted
from ..engine.unknown import said
from ..engine.world import World
from ..kinds.together.identities import free_uuid
from ..kinds.together.references import names_of, uses_of
from . import secrecy

# What is made first; what goes, goes in the opposite order.
ORDER = (
    *("secret", "resource_pool", "storage_pool", "storage_volume", "vswitch", "vm"),
    "vm_snapshot",
)

Id = tuple[str, str]  # (kind, name)
Rule = Callable[[Sequence[Plan], World], Iterable[FleetError]]
RulesOfChanges = Callable[[], Sequence[Rule]]
InTurn = Callable[[Any, World, Sequence[Plan]], AbstractContextManager[None]]


class Promising(Protocol):
    """What those heed that may change what the host promises: `promising.py`."""

    in_turn: InTurn  # by which others wait meanwhile
    clear_faults: Callable[[Sequence[str]], None]


def plan_all(
    world: World,
    wanted: Sequence[Wanted],
    rules: Sequence[Rule] = (),
    rules_of_changes: RulesOfChanges = tuple,
) -> list[Plan]:
    """The plans for all declarations, in the order in which they are to be applied."""
    mistakes = Mistakes()
    _refuse_twins(wanted, mistakes)
    world.declared = {(one.kind, one.name): one for one in wanted}
    haves = _read(world, wanted)
    plans = []
    mistaken: set[Id] = set()
    for one in _ordered(wanted, haves):
        seen = world.lenient() if one.needs & mistaken else world
        try:
            plan = _planned(one, seen)
        except (FleetErrors, FleetError) as error:
            mistaken.add((one.kind, one.name))
            found = error.errors if isinstance(error, FleetErrors) else [error]
            spared = secrecy.spared(found, one, haves[(one.kind, one.name)])
            mistakes.extend(mistake.within(one.resource) for mistake in spared)
        else:
            mistakes.extend(free_uuid(plan, world))
            world.add(plan)
            plans.append(plan)
    if not mistakes.errors:
        changes = any(plan.changed for plan in plans)
        for rule in (*rules, *(rules_of_changes() if changes else ())):
            mistakes.extend(rule(plans, world))
    doubts = [error for error in mistakes.errors if isinstance(error, Doubt)]
    mistakes.errors = [error for error in mistakes.errors if not isinstance(error, Doubt)]
    declared = {one.resource: one for one in wanted}
    mistakes.errors = [_where_it_stands(error, declared) for error in mistakes.errors]
    mistakes.raise_any()
    return _doubted(plans, doubts) if doubts else plans


def _doubted(plans: Sequence[Plan], doubts: Sequence[Doubt]) -> list[Plan]:
    """Plans with what rules say of them that is no mistake."""
    said: dict[str, list[str]] = {}
    for doubt in doubts:
        where = f"{doubt.field}: " if doubt.field else ""
        said.setdefault(doubt.resource, []).append(f"{where}{doubt.message}")
    return [
        replace(plan, warnings=(*plan.warnings, *said.get(plan.resource, ()))) for plan in plans
    ]


def _planned(wanted: Wanted, world: World) -> Plan:
    """The plan for one declaration, with the facts that it is made from."""
    kind = world.kinds[wanted.kind]
    with world.facts.scope() as asked:
        have = world.was(wanted.kind, wanted.name)
        plan = kind.plan(wanted, have, world)
    if plan.changed:
        from ..engine.accounting import audited

        plan = audited(kind.books, plan)
    unknown = tuple(said(fact for fact in world.facts.missing if fact in asked))
    if not plan.changed and not unknown:
        return plan  # by what it would be bound nobody asks
    return replace(plan, facts=frozenset(asked), warnings=(*plan.warnings, *unknown))


def _where_it_stands(error: FleetError, declared: Mapping[str, Wanted]) -> FleetError:
    """A mistake told of the place where a user wrote it, which may be one for many resources."""
    one = declared.get(error.resource)
    place = one.inherited.get(error.field) if one else None
    return FleetError(error.message, "", place) if place else error


def _refuse_twins(wanted: Sequence[Wanted], mistakes: Mistakes) -> None:
    seen: set[str] = set()
    for one in wanted:
        if one.resource in seen:
            mistakes.add(_twin(one, wanted), resource=one.resource)
        seen.add(one.resource)


def _twin(one: Wanted, wanted: Sequence[Wanted]) -> str:
    """What to do about two declarations of one thing; two VMs may bring a volume of one name."""
    vms = [vm.resource for vm in wanted if vm.kind == "vm" and (one.kind, one.name) in vm.needs]
    if len(vms) < 2:
        return "is declared twice; keep one declaration"
    return (
        f"is declared twice, by disks of {' and '.join(vms)}; name another volume (volume) for the "
        "disk of one of them"
    )


def _read(world: World, wanted: Sequence[Wanted]) -> dict[Id, Have]:
    haves = {}
    for name in ORDER:
        names = [one.name for one in wanted if one.kind == name]
        if names:
            for key, have in world.read(name, names).items():
                haves[(name, key)] = have
    return haves


def _ordered(wanted: Sequence[Wanted], haves: Mapping[Id, Have]) -> list[Wanted]:
    """VMs that go, then what comes or stays in the order of ORDER, then what else goes, backwards.

    So a volume goes after the VM that used it was changed or removed, and a clone before its image.
    """
    depth = _depths(wanted, haves)

    def place(one: Wanted) -> tuple[int, int, int]:
        rank = ORDER.index(one.kind)
        if one.state == ABSENT:
            return (0 if one.kind == "vm" else 2, -rank, -depth[(one.kind, one.name)])
        return 1, rank, depth[(one.kind, one.name)]

    return sorted(wanted, key=place)


def _depths(wanted: Sequence[Wanted], haves: Mapping[Id, Have]) -> dict[Id, int]:
    """How many declarations of its own kind stand before each (a clone comes after its image)."""
    by_id = {(one.kind, one.name): one for one in wanted}
    called = {name: at for at in by_id for name in names_of(haves[at])}
    depths: dict[Id, int] = {}

    def depth(at: Id, above: frozenset[Id]) -> int:
        if at in above:
            chain = " and ".join(sorted(f"{kind}/{name}" for kind, name in above))
            raise FleetError(f"need each other: {chain}", "/".join(at))
        if at not in depths:
            goes = by_id[at].state == ABSENT  # and says nothing of what it stands on
            needs = {called.get(r, r) for r in uses_of(haves[at])} if goes else by_id[at].needs
            needed = [n for n in needs if n in by_id and n[0] == at[0]]
            depths[at] = 1 + max((depth(n, above | {at}) for n in needed), default=0)
        return depths[at]

    for at in by_id:
        depth(at, frozenset())
    return depths
