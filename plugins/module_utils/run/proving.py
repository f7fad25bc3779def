# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a declaration of what is there would change it, asked of the plan itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..engine.changes import Change
from ..engine.errors import FleetError, FleetErrors
from ..engine.hidden import Sensitive
from ..engine.showing import names
from ..engine.world import Kind, World
from . import arguments
from .host_config import named_by

Declaration = dict[str, Any]


def proved_by_plan(
    kind: Kind, declared: Declaration, world: World, warnings: list[str]
) -> Declaration | None:
    """The declaration, less what would be changed by it; None where it cannot be declared."""
    said = "/".join(str(declared[part]) for part in named_by(kind) if part in declared)
    hidden = list(_hidden(declared))
    if hidden:
        warnings.append(
            f"{kind.name}/{said}: {', '.join(hidden)} has a secret in it, and is not declared; add "
            "it where secrets are kept"
        )
        declared = _without(declared, hidden)
    try:
        changes = _changes(kind, declared, world)
    except (FleetError, FleetErrors) as error:
        return _barest(kind, declared, world, warnings, f"{kind.name}/{said}: {error}")
    if not changes:
        return declared
    left_out = names(changes)
    warnings.append(f"{kind.name}/{said}: {', '.join(left_out)} cannot be declared as it is")
    less = _without(declared, left_out)
    return _barest(kind, less, world, warnings, "") if _fails(kind, less, world) else less


def _changes(kind: Kind, declared: Declaration, world: World) -> tuple[Change, ...]:
    validator = ArgumentSpecValidator(dict(kind.spec()))
    params, wrong = arguments.check(validator, declared)
    if wrong:
        raise FleetError("; ".join(wrong))
    *_brought, wanted = kind.parse(params)
    have = world.will_be(kind.name, wanted.name)
    return kind.plan(wanted, have, world).changes


def _fails(kind: Kind, declared: Declaration, world: World) -> bool:
    try:
        return bool(_changes(kind, declared, world))
    except (FleetError, FleetErrors):
        return True


def _barest(
    kind: Kind, declared: Declaration, world: World, warnings: list[str], why: str
) -> Declaration | None:
    """The name alone, so that at least it is known to be there."""
    if why:
        warnings.append(f"{why} (declared by its name only)")
    bare: Declaration = {part: declared[part] for part in named_by(kind) if part in declared}
    return None if _fails(kind, bare, world) else bare


def _hidden(value: Any, at: str = "") -> Iterator[str]:
    """The options that hold secrets, as plans call them."""
    if isinstance(value, Sensitive):
        yield at
    elif isinstance(value, Mapping):
        for name, below in value.items():
            yield from _hidden(below, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for item in value:
            yield from _hidden(item, f"{at}.{_named(item)}" if isinstance(item, Mapping) else at)


def _without(declared: Declaration, fields: list[str]) -> Declaration:
    """A copy without these options, which are called as plans do: `disks.root.file`."""
    return {
        name: value
        for name, value in ((n, _less(v, n, fields)) for n, v in declared.items())
        if name not in fields and value not in ({}, [])
    }


def _less(value: Any, at: str, fields: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _less(below, f"{at}.{name}", fields)
            for name, below in value.items()
            if f"{at}.{name}" not in fields
        }
    if isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        return [
            _less(item, f"{at}.{_named(item)}", fields)
            for item in value
            if f"{at}.{_named(item)}" not in fields
        ]
    return value


def _named(item: Mapping[str, Any]) -> Any:
    return next(
        (item[key] for key in ("name", "mac", "id", "ip", "start", "path") if key in item), ""
    )
