"""The rooms of plugins/module_utils: who imports whom, and what nothing that plans has in hand.

Everything is read from the source, see tests/support/imports.py; the rooms are described in
docs/design.md, "Where things are".
"""

from __future__ import annotations

import pytest

from support.imports import PLUGINS, Module, Source, modules

LONGEST_FUNCTION, LONGEST_FILE = 40, 400

SOURCE = Source(modules())


def test_imports_point_downwards() -> None:
    found = sorted(str(one) for one in SOURCE.imports if one.is_upwards)
    assert found == [], "a room imports one that stands above it"


def test_no_modules_import_each_other() -> None:
    assert SOURCE.cycles() == []


def test_what_plans_depends_on_facts_alone() -> None:
    found = sorted(f"{m.name}: {door}" for m in SOURCE.planning() for door in SOURCE.side_doors(m))
    assert found == [], "make it a fact, or move it to what reads or applies"


def test_no_plugin_names_the_collection_it_is_in() -> None:
    imports = [one for module in modules(PLUGINS) for one in module.imports()]
    assert [str(i) for i in imports if i.imported.startswith("ansible_collections")] == []


def test_functions_and_files_can_be_read_at_a_glance() -> None:
    too_long = [f"{m.name}: {m.lines}" for m in SOURCE.modules.values() if m.lines > LONGEST_FILE]
    for module in SOURCE.modules.values():
        for name, lines in module.functions():
            if lines > LONGEST_FUNCTION:
                too_long.append(f"{module.name}.{name}: {lines}")
    assert too_long == []


# ---- what finds all that finds it


def source(**texts: str) -> Source:
    """A source of a few modules: engine_a is engine/a.py."""
    return Source(Module(name.replace("__", "."), text) for name, text in texts.items())


def doors(name: str, text: str, **others: str) -> set[str]:
    found = source(**{name: text}, **others)
    return {door for module in found.planning() for door in found.side_doors(module)}


@pytest.mark.parametrize(
    "text",
    [
        "from ..run import b",
        "from ..run.b import x",
        "def f():\n    from ..run.b import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..run.b import x",
    ],
)
def test_an_import_upwards_is_found_wherever_it_stands(text: str) -> None:
    found = source(host__a=text, run__b="")
    assert [str(one) for one in found.imports if one.is_upwards] == ["host.a imports run.b"]


def test_a_cycle_is_found_through_functions_and_through_several() -> None:
    found = source(
        kinds__vm__a="from . import b",
        kinds__vm__b="def f():\n    from .c import g",
        kinds__vm__c="from ..vm import a",
        kinds__vm__d="from . import a",
    )
    assert found.cycles() == [["kinds.vm.a", "kinds.vm.b", "kinds.vm.c"]]


@pytest.mark.parametrize(
    ("text", "door"),
    [
        ("import libvirt", "libvirt"),
        ("from pathlib import Path, PurePosixPath", "pathlib.Path"),
        ("import xml.dom", "xml.dom"),
        ("from os import environ", "os.environ"),
        ("def f():\n    import time", "time"),
        ("def f(path):\n    return open(path)", "open"),
        (
            "import posixpath\ndef f(path):\n    return posixpath.realpath(path)",
            "posixpath.realpath",
        ),
        ("from uuid import uuid4", "uuid.uuid4"),
        ("from ...host import kernel", "host.kernel"),
        ("from ...host import beside", "host.beside"),
        ("from .reader import read", "kinds.vm.reader"),
        ("from . import helper", "kinds.vm.helper"),
    ],
)
def test_a_side_door_is_found(text: str, door: str) -> None:
    others = {
        "host__kernel": "import os",
        "host__beside": "from . import kernel",
        "kinds__vm__reader": "import libvirt",
        "kinds__vm__applier": "from . import helper",
        "kinds__vm__helper": "import subprocess",
    }
    # What a rule imports is no longer there for the applier alone.
    found = doors("kinds__vm__rules", text, **others)
    assert found == ({"subprocess"} if door == "kinds.vm.helper" else {door})


@pytest.mark.parametrize(
    "text",
    [
        "import re, json, ipaddress, xml.etree.ElementTree as ET",
        "from pathlib import PurePosixPath",
        "from ...host import words",
        "import posixpath\nposixpath.join('a', 'b')",
        "def f(self):\n    return self.is_open(1) or self.host",
    ],
)
def test_what_is_pure_is_no_side_door(text: str) -> None:
    assert doors("kinds__vm__rules", text, host__words="import re") == set()


def test_a_kind_may_say_what_reads_and_applies_it() -> None:
    text = "from .reader import read\nif TYPE_CHECKING:\n    from ...host.a import Host"
    others = {"kinds__vm__reader": "import libvirt", "host__a": "import libvirt"}
    assert doors("kinds__vm__kind", text, **others) == set()
    assert doors("kinds__vswitch__kind", "from ..vm.reader import read", **others) != set()


def test_all_of_a_move_is_pure_but_what_reads_and_applies() -> None:
    others = {"moving__applier_live": "import libvirt\nfrom . import statistics"}
    # What is there for an applier alone decides nothing less.
    assert doors("moving__statistics", "import time", **others) == {"time"}
    assert doors("moving__mode", "from .reader import x", moving__reader="") == {"moving.reader"}
