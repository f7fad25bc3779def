"""Groups of VMs: what they declare, who leaves, and what is refused before anything changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors, Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Member, Wanted
from ansible_collections.kvm.fleet.plugins.module_utils.run import host_config, vm_groups
from ansible_collections.kvm.fleet.plugins.module_utils.run.done import Run
from ansible_collections.kvm.fleet.plugins.module_utils.run.planning import plan_all
from ansible_collections.kvm.fleet.plugins.module_utils.run.reporting import groups, report
from support import worlds

Args = dict[str, Any]


def validated(**args: Any) -> Args:
    spec = {**host_config.SPEC}
    result = ArgumentSpecValidator(spec).validate(args)
    assert not result.error_messages, result.error_messages
    return result.validated_parameters


def declared(*groups: Args, **more: Any) -> list[Wanted]:
    return host_config.parse(validated(vm_groups=list(groups), **more))


def refused(*groups: Args, **more: Any) -> list[str]:
    with pytest.raises(FleetErrors) as error:
        declared(*groups, **more)
    return [str(one) for one in error.value.errors]


WEB = {"name": "web", "count": 3, "vm": {"memory": {"size": "1GiB"}}}


# ---- what is declared


def test_members_are_declared_like_vms_that_stand_in_vms() -> None:
    vm = {
        "title": "Web %{index} of %{name}",
        "nics": [{"name": "lan", "vswitch": "lan", "mac": "52:54:00:00:01:%{index + 7:02x}"}],
        "disks": [{"name": "root", "pool": "p", "capacity": "1GiB", "serial": "S%{index:04}"}],
        "graphics": {"type": "vnc", "port": "%{index + 5900}"},
        "cloud_init": {
            "hostname": "%{name}.example.com",
            "nics": [{"name": "lan", "address": "192.0.2.%{index + 10}/24"}],
            "user_data": {"runcmd": [["echo", "%{index}", 5, True]]},
        },
    }
    group = {"name": "web", "count": 12, "start": 5, "vm": vm, "name_format": "w%{index:02}"}
    one = {
        "name": "w11",
        "group": "web",
        "title": "Web 11 of w11",
        "nics": [{"name": "lan", "vswitch": "lan", "mac": "52:54:00:00:01:12"}],
        "disks": [{"name": "root", "pool": "p", "capacity": "1GiB", "serial": "S0011"}],
        "graphics": {"type": "vnc", "port": 5911},
        "cloud_init": {
            "hostname": "w11.example.com",
            "nics": [{"name": "lan", "address": "192.0.2.21/24"}],
            "user_data": {"runcmd": [["echo", "11", 5, True]]},
        },
    }
    defaults = {"autostart": True, "memory": {"size": "1GiB"}}
    found = declared(group, vm_defaults=defaults)
    assert len([one for one in found if one.kind == "vm"]) == 12
    [alone] = [
        w for w in host_config.parse(validated(vms=[one], vm_defaults=defaults)) if w.kind == "vm"
    ]
    [member] = [w for w in found if w.name == "w11"]
    assert member.member == Member("web", 11)
    assert (member.values, member.options, member.needs, member.inherited) == (
        alone.values,
        alone.options,
        alone.needs,
        alone.inherited,
    )


@given(
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True),
    form=st.sampled_from([None, "%{index}", "a%{index:03}b", "%{index:02}", "1%{index}1"]),
    start=st.integers(0, 1200),
    count=st.integers(0, 40),
)
def test_each_number_is_told_by_its_name_and_by_no_other(
    name: str, form: str | None, start: int, count: int
) -> None:
    mistakes = Mistakes()
    params = validated(
        vm_groups=[{"name": name, "count": count, "start": start, "name_format": form}]
    )
    [found] = vm_groups.groups_of(params["vm_groups"], mistakes)
    assert not mistakes.errors
    assert len(set(found.names)) == count
    assert [found.index_of(one) for one in found.names] == list(range(start, start + count))
    for other in (name, f"{name}-", f"{name}-01", "web-1-1", f"{name}-1 ", f"{name}-²"):
        number = found.index_of(other)
        assert number is None or found.name_of(number) == other


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"count": -1}, "vm_groups.web.count: -1 is no number from 0 to 1000"),
        ({"count": 100000}, "vm_groups.web.count: 100000 is no number from 0 to 1000"),
        ({"start": -3}, "vm_groups.web.start: -3 is no number from 0 to"),
        ({"name": "my web"}, "vm_groups.name: 'my web' is not a name of letters"),
        ({"name": ""}, "vm_groups.name: '/' is not a name of letters"),
        ({"name_format": "web"}, "vm_groups.web.name_format: 'web' does not have the number once"),
        ({"name_format": "%{index}-%{index}"}, "vm_groups.web.name_format: "),
        ({"name_format": "w-%{index + 1}"}, "vm_groups.web.name_format: "),
        ({"name_format": "w-%{name}-%{index}"}, "vm_groups.web.name_format: "),
        ({"name_format": "w/%{index}"}, "vm_groups.web.name_format: 'w/"),
        ({"name_format": "w" * 300 + "%{index}"}, "vm_groups.web.name_format: "),
        ({"vm": {"name": "x"}}, "vm_groups.web.vm.name: follows from the group"),
        ({"vm": {"group": "x"}}, "vm_groups.web.vm.group: is the group's name"),
        ({"vm": {"state": "absent"}}, "vm_groups.web.vm.state: would remove all of them; write"),
        ({"vm": {"remove_storage": True}}, "vm_groups.web.vm.remove_storage: is said of those"),
        ({"vm": {"colour": "red"}}, "vm_groups.web.vm: there is no option colour"),
        ({"vm": {"title": "%{who}"}}, "vm_groups.web.vm.title: %{who} is no placeholder"),
        ({"vm": {"tags": {"%{index}": 1}}}, "vm_groups.web.vm.tags.%{index}: what a value is"),
        (
            {"vm": {"nics": [{"name": "lan", "vswitch": "v", "mac": "%{mac}"}]}},
            "vm_groups.web.vm.nics.lan.mac: %{mac} is no placeholder",
        ),
        (
            {"vm": {"cloud_init": {"user_data": {"chpasswd": ["a%{b}c"]}}}},
            "vm_groups.web.vm.cloud_init.user_data.chpasswd.0: something is no placeholder",
        ),
        ({"vm": {"memory": {"size": "1"}}}, "vm_groups.web.vm.memory.size: 1 has no unit"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_mistake_of_all_members_is_told_once(group: Args, said: str, count: int) -> None:
    told = refused({**WEB, "count": count, **group})
    assert [one for one in told if one.startswith(said)] == told, told
    assert len(told) == 1


def test_a_mistake_of_some_members_is_their_own() -> None:
    told = refused(
        {
            **WEB,
            "start": 250,
            "count": 8,
            "vm": {"cloud_init": {"nics": [{"name": "lan", "address": "192.0.2.%{index}/24"}]}},
        }
    )
    assert len(told) == 3
    assert told[0].startswith("vm/web-255 cloud_init.nics.lan.address: "), told
    assert told[2].startswith("vm/web-257 cloud_init.nics.lan.address: ")


@pytest.mark.parametrize(
    ("groups", "vms", "said"),
    [
        ([WEB, WEB], [], "vm_groups.web: is declared twice"),
        ([WEB], [{"name": "web-2"}], "vm/web-2: is declared in vms, and is a member of the group"),
        (
            [WEB],
            [{"name": "web-2", "state": "absent"}],
            "vm/web-2: is declared in vms, and is a member of the group web",
        ),
        (
            [WEB],
            [{"name": "web-4", "group": "web"}],
            "vm/web-4 group: is declared in vms, and the group web, which is declared too,",
        ),
        (
            [WEB, {**WEB, "name": "www", "count": 1, "name_format": "web-%{index}"}],
            [],
            "vm/web-1: is declared by the groups web and www",
        ),
    ],
)  # fmt: skip
def test_a_vm_that_is_declared_twice(groups: list[Args], vms: list[Args], said: str) -> None:
    assert [one[: len(said)] for one in refused(*groups, vms=vms)] == [said]


def test_prefixes_that_overlap_confuse_nobody() -> None:
    found = declared({**WEB, "count": 11}, {**WEB, "name": "web-1", "count": 2})
    assert [one.name for one in found][-3:] == ["web-11", "web-1-1", "web-1-2"]


# ---- who leaves


def have(name: str, group: str = "web", uuid: str = "", **mark: str) -> Have:
    own = f"00000000-0000-4000-8000-{abs(hash(name)) % 10**12:012}"
    marks = "".join(f" {at}='{value}'" for at, value in mark.items())
    note = f"<fleet:group name='{group}' uuid='{uuid or own}'/>" if group else ""
    tree = xmltree.parse(
        f"<domain type='qemu'><name>{name}</name><uuid>{own}</uuid>"
        f'<metadata xmlns:fleet="urn:kvm.fleet:1"><fleet:resource{marks}>{note}</fleet:resource>'
        "</metadata><memory unit='KiB'>1048576</memory><currentMemory unit='KiB'>1048576"
        "</currentMemory><vcpu>2</vcpu><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>"
        "<devices/></domain>"
    )
    return Have(
        "vm", name, tree, None, {"state": "stopped", "autostart": False, "persistent": True}
    )


class Told:
    """What a run of a declaration says on a host with these VMs."""

    def __init__(self, *there: Have, check: bool = False, **args: Any) -> None:
        self.warned: list[str] = []
        params = validated(**args)
        world = worlds.world({"vm": {one.name: one for one in there}})
        world.assume_on_host = check
        wanted = host_config.parse(params)
        wanted += host_config.more(params, self.warned.append)(world, wanted)
        self.done = Run(plan_all(world, wanted))
        self.outcome = report(world, self.done, check, "")
        self.groups = groups(params["vm_groups"], self.done.plans)["vm_groups"]

    @property
    def actions(self) -> Mapping[str, str]:
        return {plan.wanted.name: plan.action for plan in self.done.plans if plan.changed}


def refusals(*there: Have, **args: Any) -> list[str]:
    with pytest.raises(FleetErrors) as error:
        Told(*there, **args)
    return [str(one) for one in error.value.errors]


FIVE = [have(f"web-{number}") for number in range(1, 6)]


def test_those_that_leave_go_first_the_highest_before_all_others() -> None:
    told = Told(*FIVE, have("web-10"), vm_groups=[{**WEB, "count": 2}])
    assert list(told.actions) == ["web-10", "web-5", "web-4", "web-3"]
    assert set(told.actions.values()) == {"delete"}
    assert told.groups == {
        "web": {
            "members": ["web-1", "web-2"],
            "coming": [],
            "leaving": ["web-10", "web-5", "web-4", "web-3"],
        }
    }
    state = told.outcome["plan"][0]
    assert state["note"] == "leaves web, its disks stay"


def test_a_group_of_none_is_emptied_and_one_that_nobody_declares_is_left_alone() -> None:
    others = [have("db-1", "db"), have("plain", "")]
    assert list(Told(*FIVE, *others, vm_groups=[{"name": "web", "count": 0}]).actions) == [
        f"web-{number}" for number in (5, 4, 3, 2, 1)
    ]
    assert Told(*FIVE, vm_groups=[{**WEB, "name": "new", "count": 0}]).actions == {}
    assert Told(*FIVE, vms=[], vm_groups=[]).actions == {}


def test_who_is_called_like_a_member_and_is_none_never_goes() -> None:
    clone = have("web-5", uuid="11111111-2222-4333-8444-555555555555")
    foreign = have("web-4", "")
    other = have("web-1-1", "web-1")
    told = Told(*FIVE[:3], foreign, clone, other, vm_groups=[{**WEB, "count": 2}])
    assert told.actions == {"web-3": "delete"} and not told.warned
    released = {"name": "web-5", "group": ""}
    told = Told(*FIVE, vms=[released], vm_groups=[{**WEB, "count": 4}])
    assert told.actions == {"web-5": "update"}


def test_a_member_that_is_called_otherwise_stays_and_is_told() -> None:
    told = Told(have("old-web"), vm_groups=[{**WEB, "count": 0}])
    assert told.actions == {}
    [warning] = told.warned
    assert warning.startswith("vm/old-web is a member of the group web and not called like one")


def test_nobody_becomes_a_member_by_its_name_alone() -> None:
    [said] = refusals(*FIVE[:3], have("web-4", ""), vm_groups=[{**WEB, "count": 5}])
    assert said.startswith("vm/web-4: is there already and is no member of web; write adopt: true")
    [said] = refusals(have("web-1", "www"), vm_groups=[WEB])
    assert said.startswith("vm/web-1: is there already and is a member of the group www; ")
    adopted = Told(have("web-1", ""), vm_groups=[{**WEB, "count": 1, "adopt": True}])
    assert adopted.actions == {"web-1": "update"}
    assert [row["field"] for row in adopted.outcome["plan"]] == ["group"]


def test_a_protected_member_does_not_leave_and_none_does_before_it() -> None:
    kept = have("web-4", protected="yes")
    [said] = refusals(*FIVE[:3], kept, FIVE[4], vm_groups=[{**WEB, "count": 2}])
    assert said.startswith(
        "vm/web-4: is protected, and would leave the group web, which is to have web-1 to web-2"
    )


def test_who_is_to_be_drained_has_to_be_named() -> None:
    group = {**WEB, "count": 3, "drain": "required"}
    told = Told(*FIVE, vm_groups=[group], check=True)
    assert [one.split(":")[0] for one in told.warned] == ["vm/web-5", "vm/web-4"]
    [said] = refusals(*FIVE, vm_groups=[group], drained=["web-5", "web-9"])
    assert said.startswith("vm/web-4: leaves the group web and is to be drained first; ")
    assert list(Told(*FIVE, vm_groups=[group], drained=["web-4", "web-5"]).actions) == [
        "web-5",
        "web-4",
    ]


def test_how_those_are_shut_down_that_leave() -> None:
    vm = {**WEB["vm"], "shutdown": {"timeout_s": "%{index + 10}"}}
    told = Told(*FIVE, vm_groups=[{**WEB, "count": 4, "vm": vm, "remove_storage": True}])
    [plan] = [plan for plan in told.done.plans if plan.changed]
    assert plan.wanted.options["shutdown"] == {"timeout_s": 15, "on_timeout": "fail"}
    assert plan.wanted.options["remove_storage"] is True


def test_pruning_takes_no_members_and_counts_them_as_declared() -> None:
    told = Told(*FIVE, vms=[], vm_groups=[{**WEB, "count": 4}], prune=True)
    assert told.actions == {"web-5": "delete"}


# ---- how ten of a kind are shown


def headers(told: Told) -> list[str]:
    return [one["before_header"] for one in told.outcome["diff"] if "before_header" in one]


def test_ten_with_one_line_changed_are_one() -> None:
    ten = [have(f"web-{number}") for number in range(1, 11)]
    told = Told(*ten, vm_groups=[{**WEB, "count": 10, "vm": {"memory": {"size": "512MiB"}}}])
    [diff, _summary] = told.outcome["diff"]
    assert diff["before_header"] == "vm_groups/web (web-1 to web-10) (before)"
    assert diff["after"] == 'memory:\n  size: "512MiB"  # stored\n'
    assert told.outcome["summary"] == "plan: 10 changes (10 stored)"
    assert len(told.outcome["results"]) == len(told.outcome["plan"]) == 10


def test_who_differs_is_shown_alone() -> None:
    other = have("web-3")
    xmltree.put(other.definition, "title", "Odd")
    ten = [have(f"web-{number}") for number in (1, 2, 4, 5, 6)]
    told = Told(*ten, other, vm_groups=[{**WEB, "count": 6, "vm": {"title": "Web"}}])
    assert headers(told) == [
        "vm_groups/web (web-1, web-2, web-4 to web-6) (before)",
        "vm/web-3 (before)",
    ]


def test_what_goes_is_one_in_the_summary() -> None:
    told = Told(*FIVE, vm_groups=[{**WEB, "count": 1}])
    assert headers(told) == ["vm_groups/web (web-2 to web-5) (before)"]
    assert told.outcome["summary"].endswith("removes: vm_groups/web (web-2 to web-5)")
    told = Told(*FIVE, vm_groups=[{**WEB, "count": 4}])
    assert told.outcome["summary"].endswith("removes: vm/web-5")


def test_secrets_that_differ_are_not_taken_for_the_same() -> None:
    pair = [have("web-1"), have("web-2")]
    vm = {"boot": {"kernel": "/vmlinuz", "cmdline": "password=long-secret-%{index}"}}
    told = Told(*pair, vm_groups=[{**WEB, "count": 2, "vm": vm}])
    assert headers(told) == ["vm/web-1 (before)", "vm/web-2 (before)"]
    assert "long-secret" not in str(told.outcome)
