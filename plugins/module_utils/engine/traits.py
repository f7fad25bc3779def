# SPDX-License-Identifier: GPL-3.0-or-later
"""Traits: rows of what stands in no XML, such as whether a resource runs, or is stored at all.

Like other rows they have a key, a codec and an effect, so that a resource that comes, changes or
goes differs in them as in any other value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .changes import LIVE, STORED, Beside, Change, Changed, Stepped
from .codecs import Codec, Value, boolean, choice
from .keys import Key, Values

# The states of what libvirt starts and stops as a whole: pools and vswitches.
ACTIVE, INACTIVE, GONE = "active", "inactive", "absent"
KEPT = "present"  # defined, and whether it runs left as it is


@dataclass(frozen=True)
class Trait:
    """One fact of a resource, and the option that sets it, if there is one.

    `gone` is what it is of a resource that is not there, `new` what a new one has where nothing is
    said, by its state. `leaves` is the word by which a user leaves it as it is.
    """

    name: str
    codec: Codec
    effect: str = STORED
    gone: Value = None
    new: Callable[[Value], Value] = lambda _state: None
    leaves: str = ""
    is_option: bool = True
    change: type[Change] = Beside  # the type of a change of it

    @property
    def key(self) -> Key:
        """Its key among the values of a resource."""
        return (self.name,)


Traits = tuple[Trait, ...]

STATE, AUTOSTART, PERSISTENT = ("state",), ("autostart",), ("persistent",)


def persistence() -> Trait:
    """Whether it is stored: all that is declared is, what others made may not be."""
    return Trait(
        "persistent", boolean(), gone=True, new=lambda _state: True, is_option=False, change=Changed
    )


def state_codec(*words: str, default: str) -> Codec:
    """The states that a user can ask for, and the one that is meant where nothing is said."""
    codec = choice(*words)
    return replace(codec, spec={**codec.spec, "default": default})


def state_of(codec: Codec, new: str, leaves: str = "") -> Trait:
    """Whether a resource is there, and in which state."""
    return Trait("state", codec, LIVE, GONE, lambda _state: new, leaves=leaves, change=Stepped)


_STATES = state_codec(ACTIVE, INACTIVE, KEPT, GONE, default=ACTIVE)

# What pools and vswitches have, in the order in which a plan shows it.
OF_WHAT_RUNS: Traits = (
    persistence(),
    Trait("autostart", boolean(), new=lambda state: state == ACTIVE),
    state_of(_STATES, new=INACTIVE, leaves=KEPT),
)


def spec_of(traits: Traits) -> dict[str, Any]:
    """The argument spec of traits."""
    return {trait.name: dict(trait.codec.spec) for trait in traits if trait.is_option}


def traits_of(traits: Traits, facts: Mapping[str, Value], exists: bool) -> Values:
    """The values that traits have of a resource, there or not."""
    return {t.key: facts.get(t.name, t.gone) if exists else t.gone for t in traits}


def settled(traits: Traits, given: Values, was: Values, exists: bool) -> Values:
    """The values that traits will have: what is said, or else what they have, or what is new."""
    will: Values = {}
    # The state, which is the last, first: whether it starts with its host hangs on that.
    for trait in reversed(traits):
        said = given.get(trait.key) if trait.is_option else trait.new(None)
        if said is None or said == trait.leaves:
            said = was[trait.key] if exists else trait.new(will.get(STATE))
        will[trait.key] = said
    return will
