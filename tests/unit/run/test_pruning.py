"""What a user may write about pruning, and what is said of the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.derived import derived_uuid
from ansible_collections.kvm.fleet.plugins.module_utils.run.pruning import (
    Prune,
    in_scope,
    is_pruned,
    prune_of,
    pruned,
)
from support import worlds

MADE = "# Made by kvm.fleet\n[Slice]\n"
NAMED = {"vms": [{"name": "web"}], "vswitches": None}


def asked(prune: Any, **lists: Any) -> tuple[Prune | None, list[str]]:
    mistakes = Mistakes()
    found = prune_of({**NAMED, **lists, "prune": prune, "prune_limit": 5}, mistakes)
    return found, [str(error) for error in mistakes.errors]


@pytest.mark.parametrize("given", [False, "no", "false", 0])
def test_no_pruning(given: Any) -> None:
    assert asked(given) == (None, [])


@pytest.mark.parametrize("given", [True, "yes", {}, {"scope": None}, {"empty": False}])
def test_pruning_what_has_no_scope(given: Any) -> None:
    assert asked(given) == (Prune(("vms",), 5), [])


def test_pruning_a_scope_by_tags() -> None:
    found, mistakes = asked({"scope": "shop", "tags": {"tier": 1}}, vswitches=[{"name": "lan"}])
    assert found == Prune(("vms", "vswitches"), 5, "shop", {"tier": "1"}) and not mistakes


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("perhaps", "'perhaps' is neither a boolean nor a mapping of scope, tags, empty"),
        (["shop"], "['shop'] is neither a boolean"),
        ({"scopes": "shop"}, "prune: there is no option scopes; supported parameters include"),
        ({"scope": "my shop"}, "prune.scope: 'my shop' is not a name of letters"),
        ({"scope": ""}, "prune.scope: is empty; leave it out to prune what has no scope"),
        ({"tags": "owner"}, "prune: "),
    ],
)
def test_mistakes_in_it(given: Any, said: str) -> None:
    [mistake] = asked(given)[1]
    assert said in mistake


@pytest.mark.parametrize("vms", [[], [{"name": "web", "state": "absent"}]])
def test_a_list_that_keeps_nothing_has_to_be_meant(vms: list[Any]) -> None:
    [mistake] = asked(True, vms=vms)[1]
    assert mistake.startswith("vms: names none that is to be there, and prune would remove all")
    assert asked({"empty": True}, vms=vms)[1] == []
    assert asked(False, vms=vms)[1] == []


def test_declarations_get_the_scope_of_their_task() -> None:
    mistakes = Mistakes()
    prune = Prune(("vms",), 5, "shop")
    assert in_scope(prune, "vms", {"name": "web"}, mistakes)["scope"] == "shop"
    absent = {"name": "web", "state": "absent"}
    assert in_scope(prune, "vms", absent, mistakes) == absent
    assert in_scope(prune, "storage_pools", {"name": "images"}, mistakes) == {"name": "images"}
    assert in_scope(None, "vms", {"name": "web"}, mistakes) == {"name": "web"}
    assert not mistakes.errors


def vm(mark: str, uuid: str | None = None) -> Have:
    uuid = uuid or derived_uuid("web")
    tree = xmltree.parse(
        f'<domain><name>web</name><uuid>{uuid}</uuid><metadata xmlns:fleet="urn:kvm.fleet:1">'
        f"<fleet:resource {mark}><fleet:tags>"
        '{"owner": "shop"}</fleet:tags></fleet:resource></metadata></domain>'
    )
    return Have("vm", "web", tree)


def pool(scope: str = "", protected: str = "", managed: bool = True, file: str = MADE) -> Have:
    ours = f"<Scope>{scope}</Scope><Protected>{protected}</Protected>"
    tree = xmltree.parse(f"<unit><X-kvm-fleet>{ours}</X-kvm-fleet></unit>")
    tree.set("file", json.dumps(file))
    return Have("resource_pool", "gold/in", tree, None, {"state": "present", "managed": managed})


@pytest.mark.parametrize(
    ("have", "prune", "goes"),
    [
        (pool(), {}, True),
        (pool(managed=False), {}, False),  # a copy of a file of ours, say
        (pool(file="[Slice]\n"), {}, False),  # others made it, and we only manage it
        (pool("shop"), {}, False),
        (pool("shop"), {"scope": "shop"}, True),
        (pool(), {"tags": {"owner": "shop"}}, False),
    ],
)
def test_which_resource_pools_are_pruned(have: Have, prune: dict[str, Any], goes: bool) -> None:
    assert is_pruned(Prune(("resource_pools",), 5, **prune), have) is goes


def test_resource_pools_go_unless_they_are_protected() -> None:
    there = {"gold/in": pool(), "gold/kept": replace(pool(protected="yes"), name="gold/kept")}
    world, said = worlds.world({"resource_pool": there}, worlds.HERE), list[str]()
    [goes] = pruned(world, Prune(("resource_pools",), 5), [], said.append)
    assert (goes.resource, goes.state, goes.pruned) == ("resource_pool/gold/in", "absent", True)
    assert said[0].startswith("prune leaves resource_pool/gold/kept, which is not declared: it is")


ANOTHER = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("have", "prune", "goes"),
    [
        (vm(f"managed='yes' uuid='{derived_uuid('web')}'"), {}, True),
        (vm("managed='yes'"), {}, True),  # a mark from before marks had UUIDs
        (vm("managed='yes'", ANOTHER), {}, False),
        (vm(f"managed='yes' uuid='{derived_uuid('web')}'", ANOTHER), {}, False),
        (vm(""), {}, False),
        (vm("managed='yes' scope='shop'"), {}, False),
        (vm("managed='yes' scope='shop'"), {"scope": "shop"}, True),
        (vm("managed='yes' scope='shop'"), {"scope": "blog"}, False),
        (vm("managed='yes'"), {"scope": "shop"}, False),
        (vm("managed='yes'"), {"tags": {"owner": "shop"}}, True),
        (vm("managed='yes'"), {"tags": {"owner": "shop", "tier": "1"}}, False),
    ],
)
def test_what_is_pruned(have: Have, prune: dict[str, Any], goes: bool) -> None:
    assert is_pruned(Prune(("vms",), 5, **prune), have) is goes
