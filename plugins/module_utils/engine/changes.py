# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes: what a run makes otherwise, each of a type that knows its reverse and how it is shown.

A change is shown in three places: as a row of a result, in the diff, and in the summary. What it
says in each follows from its type, so that nobody has to look at its words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from .codecs import Value
from .keys import ABSENT, PRESENT, UNION, Key, Values, is_within, key_of, named, within

# What a change does to a resource that runs.
STORED = "stored"  # only the stored definition: the resource does not run, or runs so already
LIVE = "live"  # takes effect now
HOTPLUG = "hotplug"  # takes effect now, as a device that comes or goes
RESTART = "restart"  # stored now, takes effect when the resource is next started


class NoUndo(NamedTuple):
    """That nothing leads back from a change, and why."""

    resource: str
    field: Key
    reason: str


@dataclass(frozen=True, init=False)
class Change:
    """What a run makes otherwise of a resource: from what, to what, and with which effect.

    What all changes of a type have in common is said by the type. No more classes than needed are
    made by the decorator, which takes its time in every task.
    """

    resource: str
    field: Key
    before: Value
    after: Value
    effect: str
    live: Value  # what runs at present, where that is not `before`
    note: str
    final: str  # why nothing leads back from it, where that is so

    becomes: ClassVar[Value] = None
    takes_effect: ClassVar[str] = STORED
    never_back: ClassVar[str] = ""

    counts: ClassVar[bool] = True  # else it is told, but nothing is done
    removes: ClassVar[bool] = False  # something that the user had
    restarts: ClassVar[bool] = False
    guards: ClassVar[bool] = False  # what comes with it is set back unless somebody confirms it
    in_definition: ClassVar[bool] = True  # else libvirt learns of it by other calls than a define

    def __init__(
        self,
        resource: str,
        field: Key,
        before: Value,
        after: Value = None,
        effect: str = "",
        live: Value = None,
        note: str = "",
        final: str = "",
    ) -> None:
        put = object.__setattr__  # it is frozen
        put(self, "resource", resource)
        put(self, "field", field)
        put(self, "before", before)
        put(self, "after", self.becomes if after is None else after)
        put(self, "effect", effect or self.takes_effect)
        put(self, "live", live)
        put(self, "note", note)
        put(self, "final", final or self.never_back)

    # ---- what it is of

    @property
    def at_once(self) -> bool:
        """Whether what runs has it when the run is done."""
        return self.effect in (LIVE, HOTPLUG)

    @property
    def is_of_union(self) -> bool:
        """Whether its values are what a thing stands on: several options in one."""
        return False

    def is_of(self, option: str) -> bool:
        """Whether it is of an option, or of something below it."""
        return is_within(self.field, key_of(option))

    def thing_in(self, items: str) -> str:
        """The name of the thing in a list that it is of; empty where it is of none."""
        size = len(key_of(items))
        return self.field[size] if self.is_of(items) and len(self.field) > size else ""

    # ---- there and back

    def put(self, values: Values) -> None:
        """Make values what they are once it is made."""
        if self.after is None:
            values.pop(self.field, None)
        else:
            values[self.field] = self.after

    def undo(self) -> Change | NoUndo:
        """The change that leads back, or why there is none."""
        return NoUndo(self.resource, self.field, self.final) if self.final else self._back()

    def _back(self) -> Change:
        return replace(self, **self._swapped())

    def _swapped(self) -> dict[str, Any]:
        """What was put off to a restart has not reached what runs, and need not be taken back."""
        waits = self.effect == RESTART
        runs_so = waits and self.live in (None, self.before)
        return {
            "before": self.after,
            "after": self.before,
            "effect": STORED if runs_so else self.effect,
            "live": self.live if waits and not runs_so else None,
            "note": "",
        }

    # ---- how it is shown

    @property
    def found(self) -> Value:
        """What a diff has before: what is stored, or what runs where that alone is otherwise."""
        return self.before

    @property
    def was_there(self) -> bool:
        """Whether a diff has it before."""
        return True

    @property
    def will_be_there(self) -> bool:
        """Whether a diff has it after."""
        return True

    def unfolded(self) -> Iterator[Change]:
        """By the options that a user writes."""
        yield self

    def result(self) -> dict[str, Any]:
        """As a module returns it."""
        said = {
            "resource": self.resource,
            "field": named(self.field),
            "before": self.before,
            "after": self.after,
            "class": self.effect,
        }
        if self.found != self.before or self.live not in (None, self.before):
            said["live"] = self.live
        if self.note:
            said["note"] = self.note
        return said


# ---- options and things in lists


class Changed(Change):
    """An option has another value."""

    @property
    def is_of_union(self) -> bool:
        """As a thing in a list has them."""
        return self.field[-1] == UNION and len(self.field) > 1

    @property
    def found(self) -> Value:
        """As of each change."""
        return self.live if self.before == self.after else self.before

    @property
    def was_there(self) -> bool:
        """Of ways to say what a thing stands on one is told: the one that is taken."""
        return not (self.found is None and self._is_text_of_thing(self.after))

    @property
    def will_be_there(self) -> bool:
        """As before it."""
        return not (self.after is None and self._is_text_of_thing(self.found))

    def _is_text_of_thing(self, value: Value) -> bool:
        return isinstance(value, (str, dict)) and len(self.field) > 2

    def unfolded(self) -> Iterator[Change]:
        """One of what a thing stands on is one of each option that becomes another."""
        if not self.is_of_union:
            yield self
            return
        before, after, live = (value or {} for value in (self.before, self.after, self.live))
        for name in {**before, **after, **(live if before == after else {})}:
            was, will, runs = before.get(name), after.get(name), live.get(name)
            if was != will or (live and runs != will):
                at = (*self.field[:-1], name)
                yield replace(self, field=at, before=was, after=will, live=runs)


class Beside(Changed):
    """An option that libvirt keeps beside the definition, as whether it starts with the host."""

    in_definition = False


@dataclass(frozen=True, init=False)
class _OfThing(Change):
    """A thing in a list as a whole."""

    fields: Values  # all that stands below it, the union as one

    def __init__(self, *said: Any, fields: Values | None = None, **more: Any) -> None:
        super().__init__(*said, **more)
        object.__setattr__(self, "fields", fields or {})

    @property
    def found(self) -> Value:
        """As of each change. Of one that is stored as wanted it is not told how else it is."""
        is_as_stored = (self.before is ABSENT) == (self.after is ABSENT)
        return self.live if is_as_stored and self.live is not None else self.before

    def unfolded(self) -> Iterator[Change]:
        """What it stands on is told among its options."""
        yield _as_thing(self)


class Came(_OfThing):
    """A thing in a list has come."""

    def put(self, values: Values) -> None:
        """The thing, and all that is said of it."""
        values.update({self.field: PRESENT, **self.fields})

    def _back(self) -> Change:
        return Went(self.resource, self.field, fields=self.fields, **self._swapped())


class Went(_OfThing):
    """A thing in a list has gone."""

    removes = True

    def put(self, values: Values) -> None:
        """Neither the thing nor anything below it."""
        for key in within(values, self.field):
            del values[key]

    def _back(self) -> Change:
        return Came(self.resource, self.field, fields=self.fields, **self._swapped())


def _as_thing(change: Change) -> Change:
    before, after, live = map(_with_options_of_union, (change.before, change.after, change.live))
    return replace(change, before=before, after=after, live=live)


def _with_options_of_union(value: Value) -> Value:
    if not isinstance(value, Mapping) or not isinstance(value.get(UNION), Mapping):
        return value
    options = dict(value)
    return {**options.pop(UNION), **options}


# ---- the resource as a whole


class Stepped(Change):
    """A resource goes from one state to another: it is started, stopped, paused."""

    in_definition = False


class Made(Stepped):
    """A resource that was not there."""

    def _back(self) -> Change:
        return Removed(self.resource, self.field, self.after, self.before)


class Removed(Stepped):
    """A resource is there no more."""

    becomes = ABSENT
    takes_effect = LIVE
    never_back = "its definition is kept by nobody"

    def put(self, values: Values) -> None:
        """Nothing is left to have any."""
        values.clear()


# ---- what is no value of a resource


class _Aside(Change):
    """What is in the plan, but is no option of the resource."""

    in_definition = False

    def put(self, values: Values) -> None:
        """Values say nothing of it."""


class Restarted(_Aside):
    """A resource is stopped and started again, so that it takes up what is stored."""

    becomes = "restarted"
    takes_effect = RESTART
    never_back = "what ran before has ended"
    restarts = True


class Lost(_Aside):
    """Data that goes with its resource."""

    becomes = ABSENT
    never_back = "what was in it is lost"
    removes = True


class Kept(_Aside):
    """Data that is left when its resource goes."""

    becomes = "kept"
    counts = False


class Mended(_Aside):
    """What an interrupted run left, put right."""

    never_back = "it was left by a run that was interrupted"


class TakenUp(_Aside):
    """What was stored before, and is taken up by a restart."""

    takes_effect = RESTART
    never_back = "it was stored before"

    # Other types say it of all their changes alike, by a class variable, and mypy wants that here.
    @property
    def removes(self) -> bool:  # type: ignore[override]
        """Whether a thing runs no more."""
        return self.after is ABSENT


class Along(_Aside):
    """What is edited along with an option on which it hangs, and goes back with that."""

    in_definition = True

    def unfolded(self) -> Iterator[Change]:
        """As a thing in a list."""
        yield _as_thing(self)


class WentAlong(Along):
    """A thing that cannot stay beside an option."""

    removes = True


# ---- several


def applied(values: Values, changes: Iterable[Change]) -> Values:
    """The values once changes are made."""
    after = dict(values)
    for change in changes:
        change.put(after)
    return after


def made_of(resource: str, values: Mapping[Key, Value]) -> list[Change]:
    """The changes of a resource that is made with these values."""
    return [
        (Came if value is PRESENT else Changed)(resource, key, None, value)
        for key, value in values.items()
    ]
