"""Which option libvirt speaks of where it refuses a definition."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import Changed
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.judge import judged

FIELDS = (
    ("memory", "shared"),
    ("shared_folders", "logs"),
    ("iommu", "model"),
    ("host_devices", "gpu", "rom", "file"),
)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ("virtiofs does not yet support read-only mode", "shared_folders.logs"),
        ("IOMMU device: 'intel' is only supported with Q35 machines", "iommu.model"),
        ("ROM tuning is not supported when ROM is disabled", "host_devices.gpu.rom.file"),
        ("something else", None),
    ],
)
def test_of_several_changes_the_one_is_named_that_is_meant(said: str, field: str | None) -> None:
    after = Have("vm", "web", xmltree.parse("<domain><name>web</name></domain>"))
    before = Have("vm", "web", xmltree.parse("<domain><name>web</name><vcpu>1</vcpu></domain>"))
    changes = tuple(Changed("vm/web", key, "a", "b", "stored") for key in FIELDS)
    plan = Plan(Wanted("vm", "web", "present"), UPDATE, before, after, changes)

    def told(tree: xmltree.Element) -> str | None:
        return None if tree.find("vcpu") is not None else said

    with pytest.raises(FleetError) as refused:
        judged(plan, told)
    assert (refused.value.field or None) == field
