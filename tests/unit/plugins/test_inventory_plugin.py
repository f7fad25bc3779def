"""The documentation of the inventory plugin, and its examples, as Ansible shows them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.kvm.fleet.plugins.inventory.vms import InventoryModule
from ansible_collections.kvm.fleet.plugins.module_utils.inventory.hosts import sources_of
from ansible_collections.kvm.fleet.plugins.module_utils.inventory.reader import is_reading
from ansible_collections.kvm.fleet.plugins.module_utils.inventory.variables import names
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.reaching import FAMILIES
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.reader_addresses import SOURCES
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.reserved import DECLARED

ROOT = Path(__file__).resolve().parents[3]
NAME = "kvm.fleet.vms"
PLUGINS = sorted(path.stem for path in (ROOT / "plugins" / "inventory").glob("*.py"))


@lru_cache(maxsize=1)
def documentation() -> dict[str, Any]:
    program = Path(sys.executable).with_name("ansible-doc")
    done = subprocess.run(
        [str(program), "--type", "inventory", "--json", NAME],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )
    found: dict[str, Any] = json.loads(done.stdout)[NAME]
    return found


def options() -> dict[str, Any]:
    found: dict[str, Any] = documentation()["doc"]["options"]
    return found


def sources() -> list[tuple[str, dict[str, Any]]]:
    """All sources of this plugin that are shown: in its examples, on pages, in examples."""
    found = [("EXAMPLES", doc) for doc in yaml.safe_load_all(documentation()["examples"])]
    page = (ROOT / "docs" / "guests.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    found += [("docs/guests.md", yaml.safe_load(block)) for block in blocks]
    folder = ROOT / "examples" / "vms_as_inventory" / "inventory"
    found += [(path.name, yaml.safe_load(path.read_text())) for path in folder.glob("*.yml")]
    return [(where, doc) for where, doc in found if "plugin" in doc]


def test_this_is_all_there_is() -> None:
    assert PLUGINS == ["vms"]


def test_what_is_shown_uses_options_that_exist() -> None:
    assert {where for where, _doc in sources()} == {"EXAMPLES", "docs/guests.md", "20-vms.yml"}
    for where, doc in sources():
        assert set(doc) - set(options()) == set(), where
        assert doc["plugin"] == NAME
        # YAML takes `on` for true, in the place of a word as well.
        assert all(isinstance(one.get("prefix", ""), str) for one in doc.get("keyed_groups", ()))
        assert sources_of(doc["hosts"], lambda name: {name: f"qemu+ssh://{name}/system"})


@pytest.mark.parametrize(
    ("option", "choices"), [("addresses", {*SOURCES, DECLARED}), ("families", {*FAMILIES})]
)
def test_the_choices_are_those_of_the_code(option: str, choices: set[str]) -> None:
    told = options()[option]
    assert set(told["choices"]) == choices
    assert set(told["default"]) <= choices


def test_all_variables_are_documented() -> None:
    text = " ".join(documentation()["doc"]["notes"])
    told = [*names(), "kvm_host", "kvm_uri"]
    assert [name for name in told if f"C({name})" not in text] == []


WHOLE: dict[str, object] = {"vms": [dict.fromkeys((*names(), "kvm_new"))], "warnings": []}


@pytest.mark.parametrize(
    ("entry", "is_ours"),
    [
        (WHOLE, True),
        ({"vms": [], "warnings": []}, True),
        *((one, False) for one in (None, [], "x", {}, {"vms": 3, "warnings": []}, {"vms": []})),
        ({"vms": [{**dict.fromkeys(sorted(names())[1:])}], "warnings": []}, False),
    ],
)
def test_what_another_version_left_in_a_cache_is_read_anew(entry: object, is_ours: bool) -> None:
    assert is_reading(entry) is is_ours
    plugin: Any = InventoryModule()
    plugin.get_cache_key = str
    plugin._cache = {"source": {"kvm1": entry}}
    assert plugin._cached("source") == ({"kvm1": entry} if is_ours else {})
    plugin._cache = {"source": entry}
    assert plugin._cached("source") == {} == plugin._cached("another")
