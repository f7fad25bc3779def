"""Who leaves a host and who comes back, by what their definitions say, and what is noted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.moving import evacuation
from ansible_collections.kvm.fleet.plugins.module_utils.moving.evacuation import Noted
from ansible_collections.kvm.fleet.plugins.module_utils.moving.fate import (
    COPIED,
    SHARED,
    DiskFate,
)
from ansible_collections.kvm.fleet.plugins.module_utils.moving.homes import (
    Home,
    element_of,
    home_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.moving.placing import Placed, Placing

UUID = "0fd1a4f8-3c5b-4b1e-9f27-0d7a1c4d2b11"


def vm(name: str, state: str = "running", home: Home | None = None, tags: str = "") -> Have:
    """A VM as a host has it."""
    note = ""
    if home is not None:
        bare = element_of(home, UUID).replace("<home", "<fleet-home:home")
        note = bare.replace(" uuid", ' xmlns:fleet-home="urn:kvm.fleet:1:home" uuid', 1)
    tagged = f'<fleet:resource xmlns:fleet="urn:kvm.fleet:1"><fleet:tags>{tags}</fleet:tags>'
    tree = xmltree.parse(
        f"<domain><name>{name}</name><uuid>{UUID}</uuid><memory unit='KiB'>1024</memory>"
        f"<metadata>{tagged}</fleet:resource>{note}</metadata></domain>"
    )
    return Have("vm", name, stored=tree, facts={"state": state})


def side(name: str, *vms: Have) -> Any:
    there = {have.name: have for have in vms}
    return SimpleNamespace(name=name, vms=lambda: there, vm=lambda one: there[one])


def test_a_note_is_read_as_it_was_written_and_of_one_uuid() -> None:
    home = Home("kvm1", ran=False)
    noted = vm("web", home=home).definition
    assert home_of(noted) == home
    xmltree.put(noted, "uuid", "another")
    assert home_of(noted) is None
    assert home_of(None) is None


def test_wishes_are_of_the_mapping_then_of_the_tag_then_of_all() -> None:
    tag = '{"on_evacuate": "stay"}'
    kvm1 = side(
        "kvm1", vm("a", tags=tag), vm("b", tags=tag), vm("c"), vm("off", "stopped"), vm("bad")
    )
    wishes = {"b": "migrate", "*": "shutdown", "bad": "migrate"}
    found = {one.name: one for one in evacuation.leaving(kvm1, wishes)}
    assert {name: one.wish for name, one in found.items()} == {
        "a": "stay",
        "b": "migrate",
        "c": "shutdown",
        "off": "stay",  # nothing has to be shut down
        "bad": "migrate",
    }
    assert found["a"].promise.memory == 1024 * 1024
    assert (found["a"].running, found["off"].running) == (True, False)


def test_wishes_that_are_none_are_told_at_once() -> None:
    kvm1 = side("kvm1", vm("a", tags='{"on_evacuate": "go"}'))
    with pytest.raises(FleetErrors) as raised:
        evacuation.leaving(kvm1, {"x": "run"})
    said = str(raised.value)
    assert "evacuation on_evacuate.x: 'run' is none of migrate, shutdown, stay" in said
    assert "vm/a tags.on_evacuate: its tag is 'go' is none of" in said


def test_who_leaves_is_noted_once() -> None:
    kvm1 = side("kvm1", vm("a"), vm("b", home=Home("kvm0")), vm("c"), vm("d"))
    guests = {one.name: one for one in evacuation.leaving(kvm1, {})}
    placing = Placing(moves=(Placed("a", "kvm1", "kvm2"), Placed("b", "kvm1", "kvm2")))
    noted = evacuation.notes_before(placing._replace(shutdowns=("c",)), kvm1, guests)
    assert noted == [Noted("a", "kvm1", Home("kvm1")), Noted("c", "kvm1", Home("kvm1"))]


def test_who_is_at_home_elsewhere_comes_back() -> None:
    home = Home("kvm1")
    sides = {
        "kvm1": side(
            "kvm1",
            vm("back", home=home),
            vm("off", "stopped", home=home),
            vm("was_off", "stopped", home=home._replace(ran=False)),
            vm("guest", home=Home("kvm2")),
        ),
        "kvm2": side("kvm2", vm("away", home=home), vm("own"), vm("other", home=Home("kvm3"))),
    }
    found = evacuation.returning(sides, "kvm1")
    assert [(one.name, one.source) for one in found.guests] == [("away", "kvm2")]
    assert found.starts == ("off",)
    assert [(one.name, one.home) for one in found.notes] == [("back", None), ("was_off", None)]


def test_targets_are_in_the_order_that_is_said() -> None:
    hosts = ["kvm3", "kvm1", "kvm2"]
    assert evacuation.targets_of(hosts, "kvm1", None) == ["kvm2", "kvm3"]
    assert evacuation.targets_of(hosts, "kvm1", ["kvm3", "kvm2", "kvm3"]) == ["kvm3", "kvm2"]
    with pytest.raises(FleetErrors) as raised:
        evacuation.targets_of(hosts, "kvm9", ["kvm9", "kvm8"])
    assert len(raised.value.errors) == 3


def test_no_two_disks_go_to_one_place() -> None:
    def root(pool: str, how: str = COPIED) -> DiskFate:
        there = f"/{pool}/root"
        return DiskFate("vda", "vda", how, there=there, pool_there=pool, volume_there="root")

    claims = evacuation.Claims()
    assert claims.against("web", "kvm2", [root("images")]) == []
    [said] = claims.against("db", "kvm2", [root("images"), root("other")])
    assert said.startswith("disks disks.vda: a disk of web")
    # It was not placed there, and so has no place there.
    assert claims.against("build", "kvm2", [root("other")]) == []
    assert claims.against("db", "kvm3", [root("images")]) == []
    assert claims.against("ci", "kvm2", [root("images", SHARED)]) == []
