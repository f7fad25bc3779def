"""Arguments against a spec, before the validator takes them for something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.run import arguments, host_config

NUMBERS = ("int", "float")


def numbers(spec: Mapping[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The options that are numbers, each with those in which it is."""
    for name, option in spec.items():
        if option.get("type") in NUMBERS or option.get("elements") in NUMBERS:
            yield (*at, name)
        yield from numbers(option.get("options") or {}, (*at, name))


def option_at(spec: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    for name in path[:-1]:
        spec = spec[name]["options"]
    found: Mapping[str, Any] = spec[path[-1]]
    return found


def given(spec: Mapping[str, Any], path: tuple[str, ...], value: Any) -> Any:
    name, *inner = path
    inside = given(spec[name]["options"], tuple(inner), value) if inner else value
    return {name: [inside] if spec[name].get("type") == "list" else inside}


CASES = [(kind, path) for kind in host_config.KINDS for path in numbers(kind.spec())]


@pytest.mark.parametrize(
    ("kind", "path"), CASES, ids=[".".join((kind.name, *path)) for kind, path in CASES]
)
@pytest.mark.parametrize("value", [True, False, "nan", float("inf"), "-Infinity", "1e999", 10**400])
def test_what_is_taken_for_a_number_and_is_none(
    kind: Any, path: tuple[str, ...], value: Any
) -> None:
    spec = kind.spec()
    validator = ArgumentSpecValidator(dict(spec))
    wrong = arguments.check(validator, given(spec, path, value))[1]
    assert f"{'.'.join(path)} is {str(value).lower()}, which is no number" in wrong
    assert not any(
        "no number" in one for one in arguments.check(validator, given(spec, path, 1))[1]
    )
