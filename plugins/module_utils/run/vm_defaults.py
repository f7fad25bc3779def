# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that many VMs of one host share: each declaration is merged over them before it is read.

Nothing else knows of defaults. A VM that got an option from them is planned and shown as one that
says it itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..engine.errors import FleetError, FleetErrors, Mistakes
from ..engine.keys import ABSENT
from ..engine.world import Kind
from ..kinds.together.taken_up import VOLUME_OPTIONS
from . import arguments

OPTION = "vm_defaults"
Options = Mapping[str, Any]

# Lists whose things are merged by their names. Other lists are replaced.
BY_NAME = ("disks", "nics")
# All that means anything for a VM that goes.
FOR_ABSENT = ("shutdown",)
# What only a VM itself can say, and why.
NEVER = {
    "name": "every VM has its own; leave it out",
    "group": "the members of vm_groups have it; leave it out",
    "remove_storage": "data goes only where its VM says so; write it there",
}
# Ways to say one thing. Who says it in one way drops the defaults' other ways.
ON_FILE, ON_DEVICE = frozenset({"file"}), frozenset({"device"})
IN_POOL = frozenset({"pool", "volume", "existing", *VOLUME_OPTIONS})
WAYS: tuple[tuple[frozenset[str], ...], ...] = (
    (ON_FILE, ON_DEVICE, IN_POOL),
    (frozenset({"copy_of"}), frozenset({"backing"}), frozenset({"image", "checksum", "download"})),
    (frozenset({"vswitch", "port_group"}), frozenset({"bridge"})),
)


@dataclass(frozen=True)
class Defaults:
    """The defaults, and what is wrong with them as (field, message)."""

    options: Options = field(default_factory=dict)
    wrong: frozenset[tuple[str, str]] = frozenset()
    usable: bool = True  # else nothing can be said of what a VM would be with them


def defaults_of(kind: Kind, given: Options | None, mistakes: Mistakes) -> Defaults:
    """The defaults that a user wrote. What is wrong with them whatever a VM says, is collected."""
    options = {name: value for name, value in (given or {}).items() if value is not None}
    own = Mistakes()
    for name, why in NEVER.items():
        if name in options:
            own.add(why, f"{OPTION}.{name}")
    if options.get("state") == ABSENT:
        own.add("would remove every VM; write it to the one that goes", f"{OPTION}.state")
    plain = {name: value for name, value in options.items() if name not in NEVER}
    params, wrong = arguments.check(
        ArgumentSpecValidator(kind.spec()), {**plain, "name": "default"}
    )
    for message in wrong:
        own.add(message, OPTION)
    mistakes.extend(own.errors)
    return (
        Defaults(usable=False) if own.errors else Defaults(plain, frozenset(_wrong(kind, params)))
    )


def _wrong(kind: Kind, params: Options) -> Iterator[tuple[str, str]]:
    """What is wrong with a VM that is declared by the defaults alone."""
    try:
        kind.parse(params)
    except FleetErrors as errors:
        yield from ((error.field, error.message) for error in errors.errors)
    except FleetError as error:
        yield error.field, error.message


def as_own(defaults: Defaults, found: Mistakes) -> list[FleetError]:
    """The mistakes of one VM, those that it has from the defaults told of these."""
    return [
        FleetError(error.message, "", f"{OPTION}.{error.field}")
        if (error.field, error.message) in defaults.wrong
        else error
        for error in found.errors
    ]


def inherited(defaults: Options, vm: Options) -> dict[str, str]:
    """The options that a VM has from the defaults, and where they stand."""
    said = set(_names(vm))
    return {name: f"{OPTION}.{name}" for name in _names(defaults) if name not in said}


def _names(options: Options, above: str = "") -> Iterator[str]:
    """The options that say something, as errors name them: `memory.size`, `disks.root.bus`."""
    for name, value in options.items():
        if value is None:
            continue
        yield f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _names(value, f"{above}{name}.")
        elif name in BY_NAME and _is_list(value):
            things = {str(thing.get("name")): thing for thing in value}
            yield from _names(things, f"{above}{name}.")


# ---- merging


def merged(defaults: Options, vm: Options, lists: Iterable[str] = BY_NAME) -> dict[str, Any]:
    """A declaration of a VM over the defaults: what it says itself counts.

    Of these `lists` things are merged by their names.
    """
    if vm.get("state") == ABSENT:
        defaults = {name: value for name, value in defaults.items() if name in FOR_ABSENT}
    result = _over(defaults, vm)
    for name in lists:
        if _is_list(defaults.get(name)) and _is_list(vm.get(name)):
            result[name] = _by_name(defaults[name], vm[name])
    if isinstance(result.get("cpu"), Mapping) and isinstance(vm.get("cpu"), Mapping):
        result["cpu"] = _cpu(result["cpu"], vm["cpu"])
    return result


def _over(below: Options, above: Options) -> dict[str, Any]:
    """Dictionaries merged into each other; an option that is null says nothing."""
    result = dict(below)
    for name, value in above.items():
        if isinstance(value, Mapping) and isinstance(result.get(name), Mapping):
            result[name] = _over(result[name], value)
        elif value is not None or name not in result:
            result[name] = value
    return result


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(thing, Mapping) for thing in value)


def _by_name(below: list[Options], above: list[Options]) -> list[Options]:
    """The defaults' things, each with what the VM says of it, then what only the VM has."""
    own = {thing.get("name"): thing for thing in above}
    both = [_thing(thing, own.get(thing.get("name"))) for thing in below]
    names = {thing.get("name") for thing in below}
    return [*both, *(thing for thing in above if thing.get("name") not in names)]


def _thing(below: Options, above: Options | None) -> Options:
    if above is None:
        return below
    if above.get("state") == ABSENT:
        return above
    said = {name for name, value in above.items() if value is not None}
    dropped = {
        name
        for ways in WAYS
        for way in ways
        if not way & said and any(other & said for other in ways)
        for name in way
    }
    return _over({name: value for name, value in below.items() if name not in dropped}, above)


def _cpu(both: Options, own: Options) -> Options:
    """A model is of the mode custom; who names one of the two does not mean the default's other."""
    named = {name for name in ("mode", "model") if own.get(name) is not None}
    drop = {"mode", "model"} - named if len(named) == 1 and own.get("mode") != "custom" else set()
    return {name: value for name, value in both.items() if name not in drop}
