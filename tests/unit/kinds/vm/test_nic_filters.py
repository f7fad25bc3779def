"""Network filters of NICs: those by their port groups, where there are any, and what is made."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import ABSENT, PRESENT, Values
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Wanted
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import nic_filters
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import filters
from support import worlds

STRICT, BY_GROUP = filters.STRICT, filters.BY_GROUP
NIC, FILTER, PARAMETERS = ("nics", "a"), ("nics", "a", *nic_filters.NAME), nic_filters.PARAMETERS
NETWORK = "<network><portgroup name='web' security='strict'/><portgroup name='open'/></network>"


def world(text: str = NETWORK, declared: bool = False) -> World:
    made = worlds.world({"vswitch": {"lan": Have("vswitch", "lan", xmltree.parse(text))}})
    made.declared = {("vswitch", "lan"): Wanted("vswitch", "lan", "active")} if declared else {}
    return made


def nic(group: str, name: str = "", **more: Any) -> Values:
    at = {(*NIC, "source"): {"vswitch": "lan"}, (*NIC, "port_group"): group, FILTER: name}
    return {NIC: PRESENT, **at, **{(*NIC, *key.split(".")): value for key, value in more.items()}}


def followed(want: Values, stored: Values, **of: Any) -> tuple[Values, list[str]]:
    mistakes, after = Mistakes("vm/web"), dict(want)
    nic_filters.follow(after, stored, world(**of), mistakes)
    changed = {key: value for key, value in after.items() if want.get(key) != value}
    return changed, [error.message for error in mistakes.errors]


@pytest.mark.parametrize(
    ("want", "stored", "changes"),
    [
        (nic("web"), {}, {FILTER: BY_GROUP}),
        (nic("open"), {}, {}),
        (nic("web", "mine"), {}, {}),
        (nic("web", STRICT), {}, {}),
        ({NIC: PRESENT}, nic("web"), {FILTER: BY_GROUP}),
        ({NIC: PRESENT}, nic("web", "mine"), {}),
        ({NIC: PRESENT}, nic("web", BY_GROUP), {}),
        ({NIC: PRESENT}, nic("open", BY_GROUP), {FILTER: ""}),
        ({NIC: PRESENT}, nic("gone", BY_GROUP), {}),
        (
            {NIC: PRESENT},
            nic("open", BY_GROUP, **{"filter.parameters": {"IP": "192.0.2.7"}}),
            {FILTER: "", (*NIC, *PARAMETERS): {}},
        ),
        ({NIC: PRESENT, (*NIC, "port_group"): "open"}, nic("web", BY_GROUP), {FILTER: ""}),
        ({NIC: ABSENT}, nic("web"), {}),
        ({}, nic("web"), {FILTER: BY_GROUP}),
    ],
)
def test_a_nic_follows_its_port_group_unless_it_says_itself(
    want: Values, stored: Values, changes: Values
) -> None:
    assert followed(want, stored, declared=True) == (changes, [])
    says = {*want} - {NIC}
    comes = not stored
    assert followed(want, stored) == (changes if says or comes else {}, [])


def test_the_vswitch_of_a_nic_that_stays_as_it_is_is_not_asked_for() -> None:
    asked = world()
    with asked.facts.scope() as facts:
        same = {NIC: PRESENT, (*NIC, "source"): {"vswitch": "lan"}, (*NIC, "port_group"): "web"}
        nic_filters.follow(same, nic("web"), asked, Mistakes("vm/web"))
        assert not facts


def test_a_nic_that_gives_its_own_filter_up_has_nothing_of_it() -> None:
    changes = followed({NIC: PRESENT, FILTER: ""}, nic("web", "mine"))[0]
    assert changes == {FILTER: BY_GROUP, (*NIC, *PARAMETERS): {}}
    said = {NIC: PRESENT, FILTER: "", (*NIC, *PARAMETERS): {"IP": "192.0.2.7"}}
    assert followed(said, nic("web", "mine"))[0] == {FILTER: BY_GROUP}


def test_the_filter_of_port_groups_is_for_nics_in_such() -> None:
    assert followed(nic("web", BY_GROUP), {}) == ({}, [])
    [message] = followed(nic("open", BY_GROUP), {})[1]
    assert "this one is in none" in message


def domain(name: str) -> xmltree.Element:
    return xmltree.parse(
        "<domain><devices><interface type='network'><mac address='52:54:00:00:00:01'/>"
        f"<source network='lan'/><filterref filter='{name}'/></interface></devices></domain>"
    )


def test_a_filter_is_possible_on_bridges_of_linux_alone() -> None:
    ovs = "<network><forward mode='bridge'/><bridge name='b'/><virtualport type='openvswitch'/>"
    for text, says in ((NETWORK, []), (f"{ovs}</network>", ["which is on Open vSwitch"])):
        mistakes = Mistakes("vm/web")
        assert not [*nic_filters.check(domain("clean-traffic"), None, world(text), mistakes)]
        assert [one in error.message for one, error in zip(says, mistakes.errors)] == [True] * len(
            says
        )
        assert len(mistakes.errors) == len(says)
        so = domain("other")
        assert not [*nic_filters.check(domain("clean-traffic"), so, world(text), mistakes)]
        assert len(mistakes.errors) == len(says), "what is so already is no mistake"


def test_a_filter_that_libvirt_has_not_is_refused() -> None:
    def told(named: list[str] | None, before: str = "", lenient: bool = False) -> list[str]:
        networks = {"lan": Have("vswitch", "lan", xmltree.parse(NETWORK))}
        there = worlds.world({"vswitch": networks}, {("nwfilters",): named})
        there.assume_on_host = lenient
        mistakes, was = Mistakes("vm/web"), domain(before) if before else None
        warnings = [*nic_filters.check(domain("mine"), was, there, mistakes)]
        return [*warnings, *(error.message for error in mistakes.errors)]

    assert told(["other"]) == ["libvirt has no network filter mine (virsh nwfilter-list)"]
    assert told(["mine"]) == told([], before="mine") == []
    assert told(None) == [], "without libvirt's driver nobody knows"
    [warning] = told([], lenient=True)
    assert warning == "libvirt has no network filter mine; taken to be made before the run"


def test_what_is_missing_is_made_unless_a_vswitch_of_the_run_does() -> None:
    there = world()
    assert not nic_filters.made("vm/web", domain(BY_GROUP), there)
    facts = {("network_filter", STRICT): ""}
    lacks = worlds.world({"vswitch": {}}, facts)
    [change] = nic_filters.made("vm/web", domain(BY_GROUP), lacks)
    assert change.after == {STRICT: "made"}
    assert not nic_filters.made("vm/web", domain("clean-traffic"), lacks)
