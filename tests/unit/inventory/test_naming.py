"""What VMs are called where several would have one name: told, and none is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kvm.fleet.plugins.module_utils.inventory.naming import Named, naming

KVM_HOSTS = ("kvm1", "kvm2", "kvm3")


def vm(host: str, uuid: str = "", state: str = "running") -> dict[str, Any]:
    return {"kvm_host": host, "kvm_uuid": uuid or f"of-{host}", "kvm_state": state}


def called(*vms: tuple[str, dict[str, Any]]) -> tuple[list[str], dict[str, Any], list[str]]:
    found = naming([Named(*one) for one in vms], KVM_HOSTS)
    return [one.name for one in found.vms], dict(found.groups), list(found.warnings)


def test_who_has_a_name_alone_has_it() -> None:
    assert called(("web", vm("kvm1")), ("db", vm("kvm2"))) == (["web", "db"], {}, [])


def test_two_vms_of_one_name_are_told_by_their_hosts_and_the_name_is_a_group() -> None:
    names, groups, warnings = called(("web", vm("kvm1")), ("web", vm("kvm2")))
    assert names == ["web@kvm1", "web@kvm2"]
    assert groups == {"web": ("web@kvm1", "web@kvm2")}
    assert "web (on kvm1 and kvm2)" in warnings[0]


@pytest.mark.parametrize("order", [0, 1])
def test_one_vm_on_two_hosts_is_the_one_that_runs(order: int) -> None:
    vms = [("web", vm("kvm1", "u")), ("web", vm("kvm2", "u", "paused"))]
    names, groups, warnings = called(*(vms if not order else vms[::-1]))
    assert sorted(names) == ["web", "web@kvm2"]
    assert groups == {}
    assert "NAME is the one that runs" in warnings[0]


@pytest.mark.parametrize("states", [("running", "running"), ("stopped", "stopped")])
def test_where_none_of_them_alone_runs_none_has_the_name(states: tuple[str, str]) -> None:
    names, groups, _warnings = called(
        *(("web", vm(host, "u", state)) for host, state in zip(KVM_HOSTS, states))
    )
    assert names == ["web@kvm1", "web@kvm2"]
    assert list(groups) == ["web"]


def test_a_vm_that_is_called_as_a_kvm_host_does_not_take_its_place() -> None:
    names, groups, warnings = called(("kvm2", vm("kvm1")))
    assert (names, groups) == (["kvm2@kvm1"], {})
    assert "kvm2 (on kvm1)" in warnings[0]


def test_many_names_have_room_in_one_warning() -> None:
    vms = [(f"vm{n}", vm(host)) for n in range(30) for host in ("kvm1", "kvm2")]
    _names, _groups, [warning] = called(*vms)
    assert "and 20 more" in warning


NAMES = st.sampled_from(["web", "web@kvm1", "web@kvm2", "kvm1", "kvm1@kvm1"])
VMS = st.tuples(NAMES, st.sampled_from(KVM_HOSTS), st.sampled_from(["running", "stopped"]))


@given(st.lists(VMS, max_size=12))
def test_no_vm_is_lost_and_none_has_the_name_of_another(
    drawn: list[tuple[str, str, str]],
) -> None:
    wanted = [Named(n, vm(h, f"u{at}", s)) for at, (n, h, s) in enumerate(drawn)]
    found = naming(wanted, KVM_HOSTS)
    names = [one.name for one in found.vms]
    assert len(set(names)) == len(names) == len(wanted)
    assert {id(one.vm) for one in found.vms} == {id(one.vm) for one in wanted}
    assert not set(names) & {*KVM_HOSTS, *found.groups}
    assert all(member in names for group in found.groups.values() for member in group)
