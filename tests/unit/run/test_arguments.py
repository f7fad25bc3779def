"""Arguments against a spec, before the validator takes them for something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import Kind
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


# ---- many items, each by the part of the spec that it uses

GOLDEN = Path(__file__).parents[2] / "golden"
BROKEN: tuple[Mapping[str, Any], ...] = (
    {},
    {"name": None},
    {"nmae": "web"},
    {"name": "web", "memory": None},
    {"name": "web", "memory": "size=1GiB"},
    {"name": "web", "memory": {"size": "1GiB", "sise": "2GiB"}},
    {"name": "web", "disks": None},
    {"name": "web", "disks": {"name": "root"}},
    {"name": "web", "disks": [{"capacity": "1GiB"}, "name=data", None]},
    {
        "name": "web",
        "disks": [{"name": "a", "limits": {"read_iops": 1}}, {"name": "b", "limits": {}}],
    },
    {"name": "web", "disks": [{"name": "a", "bus": "isa"}, {"name": "b", "limits": {"iops": 1}}]},
    {
        "name": "web",
        "disks": [{"name": "a", "limits": {"total_iops": 1}}, {"name": "b", "size": 1}],
    },
    {"name": "web", "state": "gone", "cpu": {"count": "two", "topology": {"cores": 2}}},
)


def declared() -> Iterator[tuple[Kind, Mapping[str, Any]]]:
    """What is declared in all golden cases, and what is wrong in many ways."""
    for kind in host_config.KINDS:
        for file in sorted((GOLDEN / kind.name).glob("*/want.yml")):
            said = yaml.safe_load(file.read_text(encoding="utf-8"))
            yield from ((kind, one) for one in (said if isinstance(said, list) else [said]))
        yield from ((kind, one) for one in BROKEN)


def test_the_part_of_a_spec_that_is_used_says_the_same_as_all_of_it() -> None:
    wholes = {kind.name: ArgumentSpecValidator(kind.spec()) for kind in host_config.KINDS}
    parts = {kind.name: arguments.Items(kind.spec()) for kind in host_config.KINDS}
    count = 0
    for kind, item in declared():
        expected, wrong = arguments.check(wholes[kind.name], item)
        found, said = parts[kind.name].check(item)
        assert said == wrong, item
        assert wrong or found == expected, item
        count += 1
    assert count > 200


def test_a_text_that_is_no_utf8_is_told_by_its_line_and_not_quoted() -> None:
    spec = {"name": {"type": "str"}, "cloud_init": {"type": "dict"}, "tags": {"type": "dict"}}
    script = b"#!/bin/sh\necho SECRET\xe9\n".decode(errors="surrogateescape")
    params = {"name": "web\udce9", "cloud_init": {"user_data": script}, "tags": {"\udce9": "ü"}}
    wrong = arguments.check(ArgumentSpecValidator(spec), params)[1]
    assert wrong == [
        "name is no text in UTF-8; save it as UTF-8",
        "cloud_init.user_data is no text in UTF-8 (line 2); save it as UTF-8",
        "tags is no text in UTF-8; save it as UTF-8",
    ]
    " ".join(wrong).encode()
