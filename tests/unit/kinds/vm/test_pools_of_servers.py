"""A volume that libvirt opens for no VM, which it would store and not start."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND
from support import worlds

DISK = {"name": "data", "pool": "far", "volume": "web"}


def planned(kind: str, **options: Any) -> Plan:
    """The plan for a VM with something on a volume of a pool of some type."""
    tree = xmltree.parse(f"<pool type='{kind}'><name>far</name></pool>")
    volume = xmltree.parse("<volume><name>web</name><capacity>1048576</capacity></volume>")
    there = {
        "storage_pool": {"far": Have("storage_pool", "far", tree, tree)},
        "storage_volume": {"far/web": Have("storage_volume", "far/web", volume)},
    }
    declared = {"name": "web", "memory": {"size": "64MiB"}, **options}
    checked = ArgumentSpecValidator(KIND.spec()).validate(declared)
    wanted = KIND.parse(checked.validated_parameters)[-1]
    return KIND.plan(wanted, Have("vm", "web"), worlds.world(there))


@pytest.mark.parametrize("kind", ["rbd", "gluster", "sheepdog"])
@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"disks": [DISK]}, "disks.data.pool"),
        ({"disks": [{"name": "data", "pool": "far", "capacity": "1GiB"}]}, "disks.data.pool"),
        ({"cdroms": [{**DISK, "name": "cd"}]}, "cdroms.cd.pool"),
    ],
)
def test_a_volume_that_libvirt_does_not_open_is_told(
    kind: str, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(FleetErrors) as caught:
        planned(kind, **options)
    [error] = caught.value.errors
    assert (error.field, f"is of type {kind}, and libvirt opens no volume" in str(error)) == (
        field,
        True,
    ), str(error)


@pytest.mark.parametrize("kind", ["iscsi", "scsi", "iscsi-direct"])
def test_others_are_opened_by_their_name(kind: str) -> None:
    stored = planned(kind, disks=[DISK]).after.definition
    source = stored.find("devices/disk/source")
    assert source is not None and (source.get("pool"), source.get("volume")) == ("far", "web")
