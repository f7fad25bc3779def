"""What a profile brings to a new VM, and that it changes nothing of one that is there."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.host import HostFacts
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import ABSENT, PRESENT, Values
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import File
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import profiles
from support import worlds

DRIVES = profiles.DRIVERS
NEW: Values = {("disks", "root"): PRESENT, ("nics", "lan"): PRESENT}


def host(drivers: str = "", best: str = "kvm") -> HostFacts:
    """A host with something, or nothing, at the path of the drivers."""
    facts: dict[Any, Any] = {
        ("uri",): "qemu:///system",
        ("best_virt_type",): best,
        ("file", profiles.DRIVERS_ISO): File(drivers) if drivers else None,
    }
    return worlds.world({}, facts).host


def test_disks_are_on_virtio_where_the_host_has_the_drivers() -> None:
    values = profiles.completed("windows-11", NEW, {}, host("file"))
    assert values[(*DRIVES, "source")] == {"file": profiles.DRIVERS_ISO}
    assert ("disks", "root", "bus") not in values and ("nics", "lan", "model") not in values


@pytest.mark.parametrize("found", ["", "folder"])
def test_without_them_disks_and_nics_are_those_that_windows_knows(found: str) -> None:
    values = profiles.completed("windows-server", NEW, {}, host(found))
    assert values[("disks", "root", "bus")] == "sata"
    assert values[("nics", "lan", "model")] == "e1000e"
    assert DRIVES not in values and ("tpm", "model") not in values


def test_what_is_said_goes_before() -> None:
    said: Values = {
        **NEW,
        DRIVES: ABSENT,
        ("firmware",): "bios",
        ("tpm", "model"): "none",
        ("graphics", "type"): "none",
        ("features", "hyperv", "mode"): "passthrough",
        ("clock",): "utc",
    }
    values = profiles.completed("windows-11", said, {}, host("file"))
    assert {key: values[key] for key in said} == said
    others = (("secure_boot",), ("tpm", "version"), ("video",), ("features", "hyperv", "relaxed"))
    assert not values.keys() & {*others, (*DRIVES, "source")}


def test_enlightenments_are_for_kvm() -> None:
    for best, says in (("kvm", True), ("qemu", False)):
        values = profiles.completed("windows-11", {}, {}, host("", best))
        assert (("features", "hyperv", "stimer") in values) is says


@pytest.mark.parametrize("profile", [None, "linux", "windows-11", "windows-server", "none"])
def test_nothing_changes_of_a_vm_that_is_there(profile: str | None) -> None:
    stored: Values = {("firmware",): "bios", **NEW}
    assert profiles.completed(profile, NEW, stored, host("file")) == NEW


def test_the_drive_of_the_drivers_is_declared_with_the_profile() -> None:
    values = profiles.completed("windows-11", NEW, {DRIVES: PRESENT}, host("file"))
    assert values == {**NEW, DRIVES: PRESENT}
