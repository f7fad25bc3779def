"""Edits as data: a folder golden/KIND/CASE for each, and what must hold for all of them.

    before.xml   the stored definition; without the file the resource does not exist
    live.xml     what runs of it; without the file it does not run
    here         an empty file: on a host that is this machine
    of-others    an empty file: a resource pool that others made
    state        its state, where that is another than running or stopped, active or inactive
    world/K/N.xml  another resource that is there, of kind K and name N, and runs as it is stored
    snapshots/N.xml  libvirt's record of a snapshot of it
    want.yml     the options of the module
    changes.yml  the plan: rows of field, before, after and class
    after.xml    the definition that gets stored; without the file the resource goes
    waiting.yml  the fields in which what runs will then differ from what is stored; without the
                 file they are those of class restart

A new row of a table needs a case that sets it. What an edit takes along is in the plan, as rows
like others: `audited` raises where anything else differs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.accounting import audited
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import (
    RESTART,
    Change,
    NoUndo,
    applied,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import Items, Rows, values_of
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import Key, Values, is_of_any
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    DELETE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.sensitive import secrets_in
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import names, results
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import Kind, World
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.images import chains, one_writer
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool import (
    kind as resource_pool,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool import (
    table as resource_pool_table,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.secret import kind as secret
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.secret import table as secret_table
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import (
    kind as storage_pool,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import (
    table as storage_pool_table,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import (
    kind as storage_volume,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import kind as vm
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import table as vm_table
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import tree as vm_tree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import kind as vswitch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import table as vswitch_table
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import tree as vswitch_tree
from support import worlds

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True)
class Tried:
    """A kind and all its tables."""

    kind: Kind
    tables: tuple[Rows, ...]
    values_of: Callable[[xmltree.Element], Values]


KINDS: dict[str, Tried] = {
    "resource_pool": Tried(
        resource_pool.KIND,
        (resource_pool_table.ROWS,),
        partial(values_of, resource_pool_table.ROWS),
    ),
    "secret": Tried(secret.KIND, (secret_table.ROWS,), partial(values_of, secret_table.ROWS)),
    "storage_pool": Tried(
        storage_pool.KIND, (storage_pool_table.ROWS,), storage_pool_table.values_in
    ),
    "storage_volume": Tried(
        storage_volume.KIND, (storage_volume.ROWS,), partial(values_of, storage_volume.ROWS)
    ),
    "vm": Tried(vm.KIND, (vm_table.ROWS,), vm_tree.domain_values),
    "vswitch": Tried(
        vswitch.KIND,
        (vswitch_table.ROWS, *(family.rows for family in vswitch_table.FAMILIES)),
        vswitch_tree.values_of,
    ),
}
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/want.yml"))


class Case:
    """One folder, and the plan that its declaration makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tried = KINDS[folder.parent.name]
        self.kind = self.tried.kind

    def plan(self, after: Plan | None = None) -> Plan:
        """The plan for the files, or for what another plan has made of them."""
        wanted = self.wanted()[-1]
        return self.plan_in(self.world(after.after if after else self.have(wanted.name)))

    def plan_in(self, world: World) -> Plan:
        """The plan for a world, and for nothing else."""
        *brought, wanted = self.wanted()
        have = world.read(wanted.kind, [wanted.name])[wanted.name]
        for one in brought:  # a disk of a VM may bring its volume
            there = world.will_be(one.kind, one.name)
            world.add(KINDS[one.kind].kind.plan(one, there, world))
        return audited(self.kind.books, self.kind.plan(wanted, have, world))

    def wanted(self) -> list[Wanted]:
        options = yaml.safe_load((self.folder / "want.yml").read_text())
        checked = ArgumentSpecValidator(deepcopy(self.kind.spec())).validate(options)
        assert not checked.error_messages
        return self.kind.parse(checked.validated_parameters)

    def have(self, name: str) -> Have:
        return Have(self.kind.name, name, self.tree("before"), self.tree("live"), self.facts())

    def tree(self, name: str) -> xmltree.Element | None:
        file = self.folder / f"{name}.xml"
        return xmltree.parse(file.read_text()) if file.exists() else None

    def values(self, have: Have) -> Values:
        """What a table tells of a resource, and what is beside it."""
        if have.stored is None:
            return {}
        beside: Values = {(fact,): value for fact, value in have.facts.items()}
        return {**self.tried.values_of(have.stored), **beside}

    def facts(self) -> dict[str, Any]:
        if self.tree("before") is None:
            return {}
        if self.kind.name == "resource_pool":
            return {"state": "present", "managed": not (self.folder / "of-others").exists()}
        if self.kind.name == "secret":
            return {"state": "present"}
        runs = self.tree("live") is not None
        states = {"vm": ("stopped", "running")}.get(self.kind.name, ("inactive", "active"))
        file = self.folder / "state"
        state = file.read_text().strip() if file.exists() else states[runs]
        return {"state": state, "autostart": False, "persistent": True}

    def world(self, have: Have) -> World:
        there: dict[str, dict[str, Have]] = {name: {} for name in KINDS}
        for file in (self.folder / "world").rglob("*.xml"):
            # A name may have characters that no file of a collection can have.
            kind, name = unquote(str(file.relative_to(self.folder / "world"))).split("/", 1)
            tree = xmltree.parse(file.read_text())
            facts = {"state": "active", "autostart": True, "persistent": True}
            if kind == "resource_pool":
                facts = {"state": "present", "managed": True}
            other = Have(kind, name[: -len(".xml")], tree, tree, facts)
            there[kind][other.name] = other
        if have.exists:
            there[have.kind][have.name] = have
        is_here = self.kind.name == "resource_pool" or (self.folder / "here").exists()
        records = sorted((self.folder / "snapshots").glob("*.xml"))
        facts = dict(worlds.HERE if is_here else {})
        facts[("snapshots", have.name)] = [(file.read_text(), False) for file in records]
        return worlds.world(there, facts)


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


@pytest.fixture(params=CASES, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def test_the_plan_is_the_one_written_down(case: Case) -> None:
    told = [plain(row) for row in results(case.plan().changes)]
    rows = [{key: row[key] for key in ("field", "before", "after", "class")} for row in told]
    assert rows == yaml.safe_load((case.folder / "changes.yml").read_text())


def test_the_definition_is_the_one_written_down(case: Case) -> None:
    after, written = case.plan().after.stored, case.tree("after")
    assert (after is None) == (written is None)
    if after is not None and written is not None:
        assert xmltree.same(after, written), xmltree.serialise(after)


def test_what_waits_for_a_restart_is_written_down(case: Case) -> None:
    plan, file = case.plan(), case.folder / "waiting.yml"
    waiting = set(names(c for c in plan.changes if c.effect == RESTART))
    if file.exists():
        waiting = set(yaml.safe_load(file.read_text()))
    assert set(names(plan.pending)) == waiting


def test_a_second_run_changes_nothing(case: Case) -> None:
    again = case.plan(after=case.plan())
    assert results(again.changes) == []


def test_planning_edits_nothing(case: Case) -> None:
    have, again = case.plan().have, case.tree("before")
    if have.stored is not None and again is not None:
        assert xmltree.same(have.stored, again)


def test_a_world_that_was_dumped_and_loaded_gives_the_same_plan(case: Case) -> None:
    world = case.world(case.have(case.wanted()[-1].name))
    plan = case.plan_in(world)
    loaded = World.load(plain(world.dump()), world.kinds)
    again = case.plan_in(loaded)
    assert results(again.changes) == results(plan.changes)
    assert results(again.pending) == results(plan.pending)
    assert again.warnings == plan.warnings
    assert again.after.exists == plan.after.exists
    if plan.after.stored is not None and not secrets_in(plan.after.definition):
        assert xmltree.same(again.after.definition, plan.after.definition)
        assert loaded.dump() == world.dump()


def test_undo_leads_back(case: Case) -> None:
    """Of what changed by itself: what goes along with an option goes back with it."""
    plan = case.plan()
    back = plan.undo()
    final = [change.field for change in back if isinstance(change, NoUndo)]
    assert plan.action != DELETE or len(final) == len(back)
    led = applied(case.values(plan.after), [one for one in back if isinstance(one, Change)])
    undone = [change.field for change in plan.changes if change.field not in final]
    was, now = (
        {k: v for k, v in values.items() if v is not None and is_of_any(k, undone)}
        for values in (case.values(plan.have), led)
    )
    assert now == was


@pytest.mark.parametrize("kind", sorted({folder.parent.name for folder in CASES}))
def test_every_row_is_set_by_a_case(kind: str) -> None:
    cases = [Case(folder) for folder in CASES if folder.parent.name == kind]
    keys = {key for case in cases for key in case.plan().wanted.values}
    unset = [name for rows in KINDS[kind].tables for name in _unset(rows, keys)]
    assert not unset, "add a case that sets them"


def _unset(rows: Rows, keys: set[Key], above: str = "") -> Iterator[str]:
    """The rows that are no key's, however deep below a list or a family of addresses."""
    names = {".".join(key) for key in keys}
    for row in rows:
        own = re.escape(row.name)
        is_thing = rf"\.{own}\..+" if isinstance(row, Items) else rf"\.{own}"
        if not any(re.fullmatch(f".*{above}{is_thing}", f".{name}") for name in names):
            yield row.name
        if isinstance(row, Items):
            yield from _unset(row.rows, keys, rf"\.{own}\..+")


@pytest.mark.parametrize("name", ["is-as-declared", "disks-are-adopted"])
def test_no_image_is_looked_at_for_what_is_as_declared(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host of hundreds of VMs has hundreds of headers, and clones of which to ask."""

    def looked_at(*_arguments: Any) -> None:
        raise AssertionError("an image is looked at")

    monkeypatch.setattr(chains.Chains, "place", looked_at)
    monkeypatch.setattr(chains.Chains, "of", looked_at)
    case = Case(GOLDEN / "vm" / name)
    plan = case.plan(after=case.plan())
    assert not plan.changed and plan.have.definition.find("devices/disk") is not None
    world = case.world(plan.have)
    monkeypatch.setattr(world, "everything", looked_at)
    assert list(one_writer.one_writer([plan], world)) == []
