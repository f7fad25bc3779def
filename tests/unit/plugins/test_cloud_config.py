"""A cloud-config against a schema, without a word of what is in it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ansible_collections.kvm.fleet.plugins.filter import cloud_config as plugin
from ansible_collections.kvm.fleet.plugins.filter.cloud_config import cloud_config

MARK = "CANARY-7"
# Made in the ways of cloud-init's: each module by a reference, several forms of one value.
SCHEMA = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "$defs": {
        "commands": {
            "properties": {
                "runcmd": {
                    "type": "array",
                    "items": {
                        "oneOf": [
                            {"type": "array", "items": {"type": "string"}},
                            {"type": "string"},
                            {"type": "null"},
                        ]
                    },
                }
            }
        },
        "users": {
            "properties": {
                "users": {
                    "type": "array",
                    "items": {
                        "oneOf": [
                            {"type": "string"},
                            {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "sudo": {"oneOf": [{"type": "string"}, {"enum": [False]}]},
                                },
                                "patternProperties": {"^x-": {}},
                                "additionalProperties": False,
                            },
                        ]
                    },
                }
            }
        },
    },
    "type": "object",
    "allOf": [{"$ref": "#/$defs/commands"}, {"$ref": "#/$defs/users"}],
    "properties": {"runcmd": {}, "users": {}, "mode": {"enum": ["auto", "off"]}},
    "additionalProperties": False,
}


@pytest.fixture
def schema(tmp_path: Path) -> str:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    return str(path)


@pytest.mark.parametrize(
    "data",
    [
        {"runcmd": ["a", ["b", "c"], None], "users": ["default", {"name": "ops", "sudo": False}]},
        {"users": [{"name": "ops", "x-any": 1}]},
        "#cloud-config\nruncmd: [a]\n",
        "#cloud-config\n",
        "#!/bin/sh\nruncmd: 1\n",
        "## template: jinja\n#cloud-config\nruncmd: {{ x }}\n",
    ],
)
def test_what_the_schema_knows_is_returned_as_it_is(data: Any, schema: str) -> None:
    assert cloud_config(data, schema) is data


MISTAKES: dict[str, tuple[Any, str]] = {
    "a type": ({"runcmd": MARK}, "runcmd: wanted a list, found a text"),
    "a text": (f"#cloud-config\nruncmd: {MARK}\n", "runcmd: wanted a list, found a text"),
    "no form": (
        {"runcmd": [{"a": MARK}]},
        "runcmd.0: wanted a list or a text or nothing, found a mapping",
    ),
    "one form": ({"runcmd": [["a", 5]]}, "runcmd.0.1: wanted a text, found a whole number"),
    "below": (
        {"users": ["a", {"name": "b", "sudo": [MARK]}]},
        "users.1.sudo: wanted a text or False, found a list",
    ),
    "missing": ({"users": [{}]}, "users.0: wanted name, which is not there"),
    "unknown": (
        {"users": [{"name": "a", "sudos": MARK}]},
        "users.0: there is no sudos; near to it is sudo",
    ),
    "misspelt": ({"runcmds": [MARK]}, "there is no runcmds; near to it is runcmd"),
    "a word": ({"mode": MARK}, "mode: wanted auto or off, found another"),
    "a list": ([MARK], "wanted a mapping, found a list"),
    "no YAML": (f"#cloud-config\nruncmd: [{MARK}\n", "is no YAML from line 3 on"),
    "two": ({"mode": 1.5, "runcmd": True}, "mode: wanted auto or off, found a number; runcmd"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_without_its_value(name: str, schema: str) -> None:
    data, said = MISTAKES[name]
    with pytest.raises(AnsibleFilterError) as failed:
        cloud_config(data, schema)
    assert f"cloud-config: {said}" in str(failed.value)
    assert MARK not in str(failed.value)


def test_of_many_mistakes_the_first_are_told(schema: str) -> None:
    with pytest.raises(AnsibleFilterError, match="; and 12 more") as failed:
        cloud_config({"runcmd": [1] * 20}, schema)
    assert str(failed.value).count("wanted") == plugin.MANY


def test_what_cannot_be_checked_is_an_error_or_a_warning(
    tmp_path: Path, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, text: warned.append(text))
    (tmp_path / "none.json").write_text("{")
    data = {"runcmd": 1}
    cases = [(str(tmp_path / "nosuch"), "cannot be read"), (str(tmp_path / "none.json"), "no JSON")]
    monkeypatch.setattr(plugin, "find_spec", lambda _name: None)
    monkeypatch.setattr(plugin, "PLACES", ())
    for path, said in (*cases, ("", "give one by schema=PATH")):
        with pytest.raises(AnsibleFilterError, match=f"not checked: .*{said}"):
            cloud_config(data, path)
        assert cloud_config(data, path, required=False) is data
        assert said in warned[-1]
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(AnsibleFilterError, match="install jsonschema"):
        cloud_config(data, schema)


def test_what_holds_itself_is_told(schema: str) -> None:
    with pytest.raises(AnsibleFilterError, match="has a value that holds itself"):
        cloud_config("#cloud-config\nruncmd: &a [*a]", schema)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "is no mapping"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"$ref": "#/nope"}', "jsonschema can follow"),
        ('{"properties": {"runcmd": {"type": "foo"}}}', "jsonschema can follow"),
        ('{"type": 3}', "jsonschema can follow"),
    ],
)
def test_what_is_no_schema_is_told_without_what_was_to_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(text, encoding="utf-8")
    data, warnings = {"runcmd": [MARK]}, []
    with pytest.raises(AnsibleFilterError, match=says) as told:
        cloud_config(data, str(wrong))
    assert MARK not in str(told.value)
    monkeypatch.setattr(Display, "warning", lambda _self, text: warnings.append(text))
    assert cloud_config(data, str(wrong), required=False) is data
    assert [says in one and MARK not in one for one in warnings] == [True]


def test_the_schema_of_an_installed_cloud_init_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cloudinit/config/schemas"
    folder.mkdir(parents=True)
    (folder / plugin.SCHEMA).write_text(json.dumps(SCHEMA))
    monkeypatch.setattr(plugin, "find_spec", lambda _name: None)
    monkeypatch.setattr(plugin, "PLACES", (tmp_path,))
    with pytest.raises(AnsibleFilterError, match="runcmd: wanted a list"):
        cloud_config({"runcmd": 1})
