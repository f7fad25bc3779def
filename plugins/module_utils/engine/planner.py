# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner: one way from a declaration to a plan, for every kind.

Resolve what is declared, edit a copy of what is stored, read it back, check it, compare, settle
what takes effect now and what waits, predict. A kind says in a `Draft` of its own what is special
about it, and as a `Removal` what has to be heeded when one goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from . import traits, xmltree
from .changes import RESTART, STORED, Change, Made, Removed, made_of
from .codecs import Value
from .comparing import EffectOf, compare, waiting
from .errors import FleetError, Mistakes
from .fields import Rows, edit, values_of
from .keys import ABSENT, Key, Values, is_of_any, named
from .plan import CREATE, DELETE, NONE, UPDATE, Have, Plan, Wanted
from .traits import STATE, Traits
from .world import World
from .xmltree import Element


@dataclass(frozen=True)
class Removal:
    """What is to be heeded when a resource of a kind goes. Each entry looks at its draft.

    `protected` is the row that keeps it. `used_by` collects mistakes and warnings. The others are
    what a plan says beside: what is in the way and cleared, what goes along, and what stays.
    """

    protected: Key = ()
    used_by: Callable[..., None] | None = None
    clears: tuple[Callable[..., Iterable[Change]], ...] = ()
    goes_with: tuple[Callable[..., Iterable[Change]], ...] = ()
    stays: tuple[Callable[..., Iterable[Change]], ...] = ()


class Draft:
    """A plan in the making, for one resource; and all that a kind says about its plans.

    What follows `resolve` may look at `want`, what follows the edit at `definition` and `after`.
    """

    rows: ClassVar[Rows] = ()
    traits: ClassVar[Traits] = ()
    # Rows that are for us alone: nothing of them runs, so nothing waits for a restart.
    ours: ClassVar[tuple[Key, ...]] = ()
    # As what a plan shows that it is stopped and started again.
    restarts_as: ClassVar[Key] = STATE
    # Whether a plan for a new one shows a thing of a list as one, or each of its values.
    shows_things: ClassVar[bool] = True

    want: Values
    definition: Element
    after: Values

    def __init__(self, wanted: Wanted, have: Have, world: World) -> None:
        self.wanted = wanted
        self.have = have
        self.world = world
        self.mistakes = Mistakes(wanted.resource)
        self.warnings: list[str] = []
        self.restarts = False

    # ---- what is there

    @cached_property
    def stored(self) -> Values:
        """What is stored; nothing of what does not exist."""
        return {} if self.have.stored is None else self.values_in(self.have.stored)

    @cached_property
    def was(self) -> Values:
        """What its traits are."""
        return traits.traits_of(self.traits, self.have.facts, self.have.exists)

    @cached_property
    def will(self) -> Values:
        """What its traits will be."""
        return traits.settled(self.traits, self.given(), self.was, self.have.exists)

    @cached_property
    def now(self) -> Values | None:
        """What runs, be it to be stopped."""
        return None if self.have.live is None else self.values_in(self.have.live)

    @cached_property
    def live(self) -> Values | None:
        """What runs and goes on; None where only the stored definition counts."""
        return self.now if self.will_run else None

    @property
    def will_run(self) -> bool:
        """Whether it runs in the end."""
        return bool(self.will[STATE] == traits.ACTIVE)

    @property
    def asks_restart(self) -> bool:
        """Whether a user has it restarted where something waits for that."""
        return self.wanted.options.get("apply") == RESTART

    # ---- what a kind says

    @property
    def removal(self) -> Removal:
        """What is to be heeded when one goes."""
        return Removal()

    def values_in(self, definition: Element) -> Values:
        """The values of a definition."""
        return values_of(self.rows, definition)

    def given(self) -> Values:
        """What is declared of its traits."""
        options = self.wanted.options
        return {**{t.key: options.get(t.name) for t in self.traits}, STATE: self.wanted.state}

    def resolve(self) -> Values:
        """The values to set, with what follows from names, the host and other resources."""
        return self.wanted.values

    def new(self) -> Element:
        """A bare definition, to be edited like one that exists."""
        raise NotImplementedError

    def edited(self, definition: Element, want: Mapping[Key, Value]) -> Element:
        """A copy of a definition with these values."""
        after = xmltree.clone(definition)
        edit(self.rows, after, want)
        return after

    def check(self) -> None:
        """The rules; mistakes and warnings are collected."""

    def asked(self) -> Mapping[Key, Value]:
        """The values that changes are told of."""
        return self.want

    def effects(self) -> EffectOf:
        """What a change does to what runs."""
        return lambda *_: RESTART

    @staticmethod
    def said(stored: Values, _runs: Values) -> Values:
        """Of what is stored, that which is to be compared with what runs."""
        return stored

    def runs_after(self, changes: Sequence[Change]) -> tuple[Element, Values]:
        """What runs, once those changes are made that take effect now."""
        runs = self.have.definition if self.have.live is None else self.have.live
        made = _in_place(self.want, changes)
        if not made:
            return runs, self.live or {}
        tree = self.edited(runs, made)
        return tree, self.values_in(tree)

    def can_restart(self) -> bool:
        """Whether it is something to be stopped and started again."""
        return True

    def check_waiting(self, pending: Sequence[Change]) -> None:
        """Rules about what waits, or is taken up by a restart."""

    def restarted(self, _pending: Sequence[Change], _changes: Sequence[Change]) -> list[Change]:
        """What a plan says of the restart by which something is taken up."""
        return []

    def facts(self) -> Mapping[str, Value]:
        """What is to be known of it afterwards beside its definitions."""
        return {trait.name: self.will[trait.key] for trait in self.traits}

    def not_there(self) -> None:
        """Warn of what is to be known where what is to go is not there."""

    def beside(self) -> list[Change]:
        """Changes of what is around it: what an interrupted run left, say."""
        return []

    def explained(self, change: Change) -> Change:
        """A change with what is to be said of it."""
        return change

    def foreseen(self, plan: Plan) -> Plan:
        """A plan that changes something, as others judge it: libvirt, or what the host lacks."""
        return plan


def plan_resource(draft: Draft) -> Plan:
    """What is to be done about one resource. Touches nothing. Or FleetErrors."""
    plan = _removal(draft) if draft.wanted.state == ABSENT else _convergence(draft)
    draft.mistakes.raise_any()
    if draft.warnings:
        plan = replace(plan, warnings=tuple(draft.warnings))
    return draft.foreseen(plan) if plan.changed else plan


# ---- what comes, changes or stays as it is


def _convergence(draft: Draft) -> Plan:
    draft.want = draft.resolve()
    draft.definition = _definition(draft)
    is_as_stored = draft.definition is draft.have.stored
    draft.after = draft.stored if is_as_stored else draft.values_in(draft.definition)
    draft.check()
    draft.mistakes.raise_any()
    changes = _changed_rows(draft)
    live, pending = _settled(draft, changes)
    draft.check_waiting(pending)
    draft.mistakes.raise_any()
    if draft.restarts:
        changes += draft.restarted(pending, changes)
        live, pending = draft.definition, []
    changes += [*draft.beside(), *_changed_traits(draft)]
    changes = _in_order(draft, [draft.explained(change) for change in changes])
    action = CREATE if not draft.have.exists else UPDATE if changes else NONE
    after = _predicted(draft, live)
    return Plan(draft.wanted, action, draft.have, after, tuple(changes), tuple(pending))


def _definition(draft: Draft) -> Element:
    """What will be stored; what is stored itself, where nothing of it changes."""
    stored = draft.have.stored
    if stored is None:
        return draft.edited(draft.new(), draft.want)
    if not draft.want:
        return stored
    differ = compare(draft.wanted.resource, draft.want, draft.stored, None, _stored_only)
    return draft.edited(stored, draft.want) if differ else stored


def _stored_only(*_of: Value) -> str:
    return STORED


def _changed_rows(draft: Draft) -> list[Change]:
    """Who owns it, say, has no part in what runs, so what runs has no say in it."""
    resource, asked = draft.wanted.resource, draft.asked()
    if not (draft.have.exists or draft.shows_things):
        return made_of(resource, asked)
    if draft.definition is draft.have.stored and (draft.live is None or draft.live is draft.stored):
        return []  # it has been compared, and nothing differs
    rest = dict(asked)
    ours = {key: rest.pop(key) for key in draft.ours if key in rest}
    effect_of = _stored_only if draft.live is None else _asked_first_where_needed(draft)
    return [
        *compare(resource, rest, draft.stored, draft.live, effect_of),
        *compare(resource, ours, draft.stored, None, _stored_only),
    ]


def _asked_first_where_needed(draft: Draft) -> EffectOf:
    """The effects of a kind, which most resources never ask for: nothing differs in them."""
    made: list[EffectOf] = []

    def effect_of(key: Key, now: Value, after: Value) -> str:
        if not made:
            made.append(draft.effects())
        return made[0](key, now, after)

    return effect_of


def _settled(draft: Draft, changes: Sequence[Change]) -> tuple[Element, list[Change]]:
    """What will run, and every field in which what is stored differs from it then."""
    if draft.live is None:
        return draft.definition, []
    tree, runs = draft.runs_after(changes)
    same = runs is draft.after
    pending = [] if same else pending_of(type(draft), draft.wanted.resource, draft.after, runs)
    draft.restarts = bool(pending) and draft.asks_restart and draft.can_restart()
    return tree, pending


def pending_of(of: type[Draft], resource: str, stored: Values, runs: Values) -> list[Change]:
    """What waits for a restart, whoever changed it: in the one place where that is decided."""
    said = dict(of.said(stored, runs))
    for key in of.ours:
        said.pop(key, None)
    return waiting(resource, said, runs)


def _changed_traits(draft: Draft) -> list[Change]:
    if draft.was == draft.will:
        return []
    differ = (t for t in draft.traits if draft.was[t.key] != draft.will[t.key])
    return [
        (Made if t.key == STATE and not draft.have.exists else t.change)(
            draft.wanted.resource, t.key, draft.was[t.key], draft.will[t.key], t.effect
        )
        for t in differ
    ]


def _in_order(draft: Draft, changes: list[Change]) -> list[Change]:
    """What is in the definition, then what is around it, then its traits."""
    if len(changes) < 2:
        return changes
    last = [trait.key for trait in draft.traits if trait.key != draft.restarts_as]
    rank = {key: place for place, key in enumerate((*last, draft.restarts_as), 1)}
    return sorted(changes, key=lambda change: rank.get(change.field, 0))


def _predicted(draft: Draft, live: Element) -> Have:
    runs = live if draft.will_run else None
    return Have(draft.have.kind, draft.have.name, draft.definition, runs, draft.facts())


def _in_place(want: Mapping[Key, Value], changes: Iterable[Change]) -> Values:
    """The wanted values of changes that take effect now."""
    now = tuple(change.field for change in changes if change.at_once)
    return {k: v for k, v in want.items() if is_of_any(k, now)} if now else {}


# ---- what goes


def _removal(draft: Draft) -> Plan:
    policy, gone = draft.removal, Have(draft.have.kind, draft.have.name)
    state = next(trait for trait in draft.traits if trait.key == STATE)
    if draft.was[STATE] == state.gone:
        draft.not_there()
        return Plan(draft.wanted, NONE, draft.have, gone)
    if policy.protected and draft.stored[policy.protected]:
        field = named(policy.protected)
        raise FleetError(
            f"is protected; set {field} to false first", draft.wanted.resource, "state"
        )
    if policy.used_by is not None:
        policy.used_by(draft)
    draft.mistakes.raise_any()
    changes = [
        *(one for found in policy.clears for one in found(draft)),
        draft.explained(Removed(draft.wanted.resource, STATE, draft.was[STATE])),
        *(one for found in (*policy.goes_with, *policy.stays) for one in found(draft)),
    ]
    return Plan(draft.wanted, DELETE, draft.have, gone, tuple(changes))
