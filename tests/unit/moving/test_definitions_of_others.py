"""Definitions of other programs: a pre-flight has an answer for each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.moving.fate import SHARED
from ansible_collections.kvm.fleet.plugins.module_utils.moving.fates import fates
from ansible_collections.kvm.fleet.plugins.module_utils.moving.mapped import definition_there
from ansible_collections.kvm.fleet.plugins.module_utils.moving.preflight import preflight
from ansible_collections.kvm.fleet.plugins.module_utils.moving.standing import standing
from support.commands import ROOT
from support.moves import VM, Two

CORPUS = sorted((ROOT / "tests" / "corpus" / "vm").glob("*.xml"))


def hosts_with(path: Path, state: str) -> Two:
    tree = xmltree.parse(path.read_text(encoding="utf-8"))
    xmltree.put(tree, "name", VM)
    live = tree if state == "running" else None
    facts = {"state": state, "autostart": False, "persistent": True}
    two = Two()
    two.source.haves["vm"] = [Have("vm", VM, tree, live, facts)]
    text = xmltree.serialise(tree)
    two.source.facts[("migratable", VM)] = {"stored": text, "live": text}
    return two


@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_definition_of_others(path: Path, state: str) -> None:
    move = hosts_with(path, state).move()
    report = preflight(move)
    assert all(one.todo for one in report.findings if one.result != "pass")
    assert all(one.message and one.check for one in report.findings)
    assert len(set(report.findings)) == len(report.findings)
    told = standing(move.have, 0)
    assert told["reasons"] or told["live" if state == "running" else "offline"]
    # Nothing that stays where it is is written otherwise.
    found = fates(move)
    there = definition_there(move, found, move.have.definition)
    if all(fate.how == SHARED and fate.there == fate.source for fate in found):
        assert xmltree.serialise(there) == xmltree.serialise(move.have.definition)
    assert len(found) == len(there.findall("devices/disk"))
