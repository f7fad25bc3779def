"""What Ansible ships with a module: all that its source imports, wherever that stands.

So a module is to import what its task is about. These tests tie what each brings of other kinds,
and that what it plans can be answered by what it brings.
"""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.host import HostFacts
from ansible_collections.kvm.fleet.plugins.module_utils.host import live, live_guests, live_moves
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool.readers import STORAGE
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.readers_alone import RECORDS
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.readers import VSWITCHES
from support.imports import PLUGINS, SHARED, Source, modules

SOURCE = Source(modules(PLUGINS))
OURS = "module_utils."
LICENCE = "# SPDX-License-Identifier: GPL-3.0-or-later"

KINDS = ("resource_pool", "secret", "storage_pool", "storage_volume", "vm", "vswitch")
# By one file each: that a kind is planned, read, applied; and whole parts that few have use for.
PARTS = {
    **{f"kinds.{kind}.kind": f"plans {kind}" for kind in KINDS},
    **{f"kinds.{kind}.reader": f"reads {kind}" for kind in KINDS},
    **{f"kinds.{kind}.applier": f"applies {kind}" for kind in KINDS},
    "engine.promises_summed": "promises",
    "host.enforcing": "promises held",
    "host.moves": "moves",
    "moving.standing": "what hinders moves",
    "kinds.images.one_writer": "writers of images",
    "kinds.vm.agree": "edits of VMs",
    "run.host_config": "whole hosts",
}


def whole(*kinds: str) -> set[str]:
    return {f"{does} {kind}" for kind in kinds for does in ("plans", "reads", "applies")}


STORAGE_OF_VMS = {"reads storage_pool", "reads storage_volume", "reads vm", "writers of images"}
FOR_VMS = {
    *whole("storage_volume", "vm"),
    *(f"reads {kind}" for kind in KINDS if kind != "secret"),
    *("promises", "promises held", "writers of images", "edits of VMs"),
}
BRINGS = {
    "vswitch": {*whole("vswitch"), "reads vm"},
    "secret": {*whole("secret"), "reads storage_pool", "reads storage_volume", "reads vm"},
    "storage_pool": {*whole("storage_pool"), *STORAGE_OF_VMS},
    "storage_volume": {*whole("storage_volume"), *STORAGE_OF_VMS},
    "vm": FOR_VMS,
    "reservation": FOR_VMS,
    "host_config": {*whole(*KINDS), *FOR_VMS, "whole hosts"},
    "vm_info": {
        *("reads storage_pool", "reads storage_volume", "reads vm", "reads vswitch"),
        "what hinders moves",
    },
}

ANSWERED_BY = {
    "host.live": live.ANSWERS,
    "host.live_guests": live_guests.READS.answers,
    "host.live_moves": live_moves.READS.answers,
    "kinds.storage_pool.readers": STORAGE.answers,
    "kinds.vm.readers_alone": RECORDS.answers,
    "kinds.vswitch.readers": VSWITCHES.answers,
}


@cache
def shipped(module: str) -> frozenset[str]:
    return frozenset(name.replace(OURS, "", 1) for name in SOURCE.shipped(f"modules.{module}"))


@pytest.mark.parametrize("module", BRINGS)
def test_a_module_brings_what_its_task_is_about(module: str) -> None:
    assert {part for name, part in PARTS.items() if name in shipped(module)} == BRINGS[module]


def test_each_file_begins_with_one_line_on_its_licence() -> None:
    """It goes to a host with every task, and each file is compressed by itself."""
    texts = {path: path.read_text(encoding="utf-8") for path in SHARED.rglob("*.py")}
    assert [
        str(p) for p, text in texts.items() if text and not text.startswith(f'{LICENCE}\n"""')
    ] == []


def test_the_parts_are_there() -> None:
    assert {f"{OURS}{name}" for name in PARTS} - set(SOURCE.modules) == set()


def asked_in(name: str) -> set[str]:
    """The questions that a module asks of a host's facts, by how it calls them."""
    path = SHARED.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    called = set(re.findall(r"\bhost\.(\w+)", file.read_text(encoding="utf-8")))
    return {question for member in called for question in questions().get(member, ())}


@cache
def questions() -> dict[str, set[str]]:
    """What each member of HostFacts asks."""
    tree = ast.parse((SHARED / "engine" / "host.py").read_text(encoding="utf-8"))
    found: dict[str, set[str]] = {}
    for member in ast.walk(tree):
        if isinstance(member, ast.FunctionDef) and hasattr(HostFacts, member.name):
            found[member.name] = {
                str(call.args[0].value)
                for call in ast.walk(member)
                if isinstance(call, ast.Call)
                and ast.unparse(call.func) == "self.facts.ask"
                and isinstance(call.args[0], ast.Constant)
            }
    return found


@pytest.mark.parametrize(
    "module",
    ["vswitch", "secret", "storage_pool", "storage_volume", "resource_pool", "vm", "host_config"],
)
def test_what_is_asked_is_answered_by_what_is_there(module: str) -> None:
    plans = [name for name in shipped(module) if name.startswith("kinds.")]
    plans = [name for name in plans if not re.match(r"(reader|applier)", name.rpartition(".")[2])]
    asked = {question for name in plans for question in asked_in(name)}
    there = {q for name, answers in ANSWERED_BY.items() if name in shipped(module) for q in answers}
    assert asked and asked - there == set()


@pytest.mark.parametrize(
    "module", ["vswitch", "secret", "storage_pool", "storage_volume", "resource_pool"]
)
def test_resources_that_are_asked_for_can_be_read(module: str) -> None:
    asks = re.compile(r"\b(?:world|facts)\.(?:everything|read|was|will_be)\(\s*\"(\w+)\"")
    plans = [name for name in shipped(module) if re.match(r"kinds\.(?!.*\.(reader|applier))", name)]
    texts = [SHARED.joinpath(*name.split(".")).with_suffix(".py") for name in plans]
    asked = {kind for file in texts if file.is_file() for kind in asks.findall(file.read_text())}
    assert asked and {f"kinds.{kind}.reader" for kind in asked} - shipped(module) == set()
