"""A host-model CPU runs as a custom one: what of that is as it was defined, and what waits."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import values_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.reader import as_host_model
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.table import ROWS

FEATURE = "<feature policy='{}' name='{}'/>"
EXPANDED = (
    "<model fallback='forbid'>EPYC</model><vendor>AMD</vendor>"
    + FEATURE.format("require", "acpi")
    + FEATURE.format("disable", "svm")
)


def cpu(mode: str, *below: str) -> xmltree.Element:
    return xmltree.parse(f"<domain><cpu mode='{mode}'>{''.join(below)}</cpu></domain>")


@pytest.mark.parametrize(
    "stored, live, waits",
    [
        (cpu("host-model"), cpu("custom", EXPANDED), set()),
        (cpu("host-model", FEATURE.format("disable", "svm")), cpu("custom", EXPANDED), set()),
        (cpu("host-model", FEATURE.format("optional", "svm")), cpu("custom", EXPANDED), set()),
        (
            cpu("host-model", FEATURE.format("require", "svm")),
            cpu("custom", EXPANDED),
            {"cpu.features.svm.policy"},
        ),
        (
            cpu("host-model", FEATURE.format("require", "vmx")),
            cpu("custom", EXPANDED),
            {"cpu.features.vmx", "cpu.features.vmx.policy"},
        ),
        (
            cpu("host-model"),
            cpu("custom", "<model>qemu64</model>"),
            {"cpu.mode", "cpu.model"},
        ),
        (cpu("custom", "<model>EPYC</model>"), cpu("custom", "<model>EPYC</model>"), set()),
    ],
)
def test_what_waits_for_a_restart(
    stored: xmltree.Element, live: xmltree.Element, waits: set[str]
) -> None:
    will, now = (values_of(ROWS, tree) for tree in (stored, as_host_model(live, stored)))
    assert {
        ".".join(key) for key in will.keys() | now.keys() if will.get(key) != now.get(key)
    } == waits
