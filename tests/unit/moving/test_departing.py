"""What of a declaration leaves a VM before it moves, and what would put that back."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import ABSENT, Values
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Wanted
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.extra_record import canonical
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND as VM
from ansible_collections.kvm.fleet.plugins.module_utils.moving.departing import (
    leaving,
    still_declared,
    to_put_back,
)
from ansible_collections.kvm.fleet.plugins.module_utils.moving.fates import fates
from support.moves import Two

DRIVE = (
    '<disk type="file" device="cdrom"><driver type="raw"/><source file="{}"/>'
    '<alias name="ua-cdrom-tools"/><target dev="sda" bus="sata"/><readonly/></disk>'
)
NIC = (
    '<interface type="direct"><mac address="52:54:00:00:00:09"/><source dev="eno2" mode="bridge"/>'
    '<alias name="ua-nic-fast"/><model type="virtio"/></interface>'
)


def declared(**options: Any) -> Wanted:
    given = {"name": "web", **options}
    return VM.parse(ArgumentSpecValidator(VM.spec()).validate(given).validated_parameters)[-1]


def goes(medium: str = "/root/tools.iso", **options: Any) -> Values:
    two = Two()
    two.vm(devices=DRIVE.format(medium) + NIC)
    move = two.move()
    found = leaving(declared(**options), move.have, fates(move))
    return {} if found is None else found.values


def test_what_is_absent_goes_first_and_nothing_else() -> None:
    nics = [{"name": "fast", "state": "absent"}, {"name": "lan", "vswitch": "other"}]
    assert goes(nics=nics, description="x", state="stopped") == {("nics", "fast"): ABSENT}
    assert goes(description="x") == {}


def test_a_medium_that_cannot_go_is_ejected_whatever_comes() -> None:
    ejected = {("cdroms", "tools", "source"): {"file": ""}}
    assert goes(cdroms=[{"name": "tools", "file": ""}]) == ejected
    assert goes(cdroms=[{"name": "tools", "file": "/nfs/other.iso"}]) == ejected
    assert goes("/nfs/web.qcow2", cdroms=[{"name": "tools", "file": "/nfs/other.iso"}]) == {}
    assert goes(cdroms=[{"name": "tools", "file": "/root/tools.iso"}]) == {}


def test_fragments_that_are_no_longer_declared_go() -> None:
    dog, tablet = "<watchdog model='ib700'/>", "<input type='tablet' bus='usb'/>"
    has = canonical(f"<devices>{dog}{tablet}</devices>")
    assert still_declared(has, "") == ""
    left = still_declared(has, f"<devices>{tablet}<hub type='usb'/></devices>")
    assert left == canonical(f"<devices>{tablet}</devices>"), "what is new comes after the move"
    assert still_declared(has, has) == has


def test_of_what_ran_what_is_gone_is_put_back() -> None:
    tap = NIC.replace("<model", '<target dev="macvtap0"/><model')
    had = parse(f"<domain><devices>{DRIVE.format('/a.iso')}{tap}</devices></domain>")
    ejected = DRIVE.replace('<source file="{}"/>', "")
    gone, others = to_put_back(had, parse(f"<domain><devices>{ejected}<video/></devices></domain>"))
    assert [one.find("source").get("file") for one in others] == ["/a.iso"]  # type: ignore[union-attr]
    assert [one.tag for one in gone] == ["interface"] and gone[0].find("target") is None
    assert to_put_back(had, had) == ([], [])


@pytest.mark.parametrize(
    ("tap", "stays"),
    [
        ("vnet7", None),
        ("macvtap0", None),
        ("macvlan3", None),
        ("web-lan", "web-lan"),
        ("tap0", "tap0"),
    ],
)
def test_a_nic_keeps_the_name_of_its_tap_that_a_user_gave(tap: str, stays: str | None) -> None:
    nic = NIC.replace("<model", f'<target dev="{tap}"/><model')
    had = parse(f"<domain><devices>{nic}</devices></domain>")
    [back], _others = to_put_back(had, parse("<domain><devices/></domain>"))
    target = back.find("target")
    assert (None if target is None else target.get("dev")) == stays
