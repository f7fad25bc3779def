"""What fits into a VM that runs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import HOTPLUG, LIVE, RESTART
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import ABSENT, PRESENT
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.effects import Effects

MAC = "52:54:00:00:00:01"
PORT = '<controller type="pci" index="1" model="pcie-root-port"/>'
BRIDGE = '<controller type="pci" index="2" model="pcie-to-pci-bridge"/>'
ROOT = '<controller type="pci" index="0" model="pci-root"/>'


def vm(devices: str) -> xmltree.Element:
    return xmltree.parse(f"<domain><devices>{devices}</devices></domain>")


@pytest.mark.parametrize(
    ("model", "controllers", "effect"),
    [
        ("virtio", PORT, HOTPLUG),
        ("e1000e", PORT, HOTPLUG),
        ("virtio", BRIDGE, RESTART),
        ("e1000", PORT, RESTART),
        ("rtl8139", PORT + BRIDGE, HOTPLUG),
        ("e1000", ROOT, HOTPLUG),
    ],
)
def test_a_nic_is_plugged_in_where_its_model_fits(
    model: str, controllers: str, effect: str
) -> None:
    nic = f'<interface type="user"><mac address="{MAC}"/><model type="{model}"/></interface>'
    effects = Effects(
        vm(controllers), vm(controllers + nic), {}, "running", "live", {("nics", MAC): PRESENT}
    )
    assert effects.of(("nics", MAC), None, PRESENT) == effect


@pytest.mark.parametrize(
    ("machine", "features", "controllers", "effect"),
    [
        ("pc-i440fx-7.2", "", ROOT, RESTART),
        ("pc-i440fx-7.2", "<features><acpi/></features>", ROOT, HOTPLUG),
        ("pc-q35-7.2", "", PORT, HOTPLUG),
    ],
)
def test_a_pc_plugs_by_acpi_only(
    machine: str, features: str, controllers: str, effect: str
) -> None:
    """QEMU's i440fx has no other way, and says so in the midst of a run."""
    nic = f'<interface type="user"><mac address="{MAC}"/><model type="virtio"/></interface>'
    before, after = (
        xmltree.parse(
            f"<domain><os><type machine='{machine}'>hvm</type></os>{features}"
            f"<devices>{controllers}{device}</devices></domain>"
        )
        for device in ("", nic)
    )
    comes = Effects(before, after, {}, "running", "live", {("nics", MAC): PRESENT})
    goes = Effects(after, before, {}, "running", "live", {("nics", MAC): ABSENT})
    assert comes.of(("nics", MAC), None, PRESENT) == effect
    assert goes.of(("nics", MAC), PRESENT, ABSENT) == effect


@pytest.mark.parametrize(
    ("option", "after", "controllers", "effect"),
    [
        ("shares", 200, ["cpu"], LIVE),
        ("shares", 0, ["cpu"], RESTART),
        ("limit", 0, ["cpu"], LIVE),
        ("shares", 200, ["memory"], RESTART),
        ("limit", 1.5, [], RESTART),
    ],
)
def test_cpu_time_changes_where_there_is_a_control_group_for_it(
    option: str, after: Any, controllers: list[str], effect: str
) -> None:
    effects = Effects(vm(""), vm(""), {}, "running", "live", controllers=lambda: controllers)
    assert effects.of(("cpu", option), 1, after) == effect


@pytest.mark.parametrize(
    ("option", "after", "effect"),
    [
        ("vcpus", {"0": "1", "3": "2"}, LIVE),
        ("vcpus", {"0": "1", "4": "2"}, RESTART),
        ("vcpus", {"3": "2"}, RESTART),
        ("emulator", "2", LIVE),
        ("emulator", "", RESTART),
        ("iothreads", {"1": "2"}, LIVE),
        ("iothreads", {"2": "2"}, RESTART),
    ],
)
def test_threads_that_are_there_are_pinned(option: str, after: Any, effect: str) -> None:
    runs = xmltree.parse("<domain><vcpu current='1'>4</vcpu><iothreads>1</iothreads></domain>")
    pinned = {"vcpus": {"0": "0"}, "emulator": "0", "iothreads": {}}
    values = {("cpu", "pinning", name): value for name, value in pinned.items()}
    effects = Effects(runs, runs, values, "running", "live")
    assert effects.of(("cpu", "pinning", option), pinned[option], after) == effect


@pytest.mark.parametrize(
    ("now", "after", "balloon", "state", "effect"),
    [
        (100, 150, "virtio", "running", LIVE),
        (100, 150, "none", "running", LIVE),
        (150, 50, "virtio", "running", LIVE),
        (150, 50, "none", "running", RESTART),
        (100, 201, "virtio", "running", RESTART),
        (100, 151, "virtio", "running", RESTART),
        (150, 100, "virtio", "paused", RESTART),
        (100, 150, "virtio", "paused", LIVE),
    ],
)
def test_memory_is_plugged_in_blocks_up_to_what_can_be(
    now: int, after: int, balloon: str, state: str, effect: str
) -> None:
    device = """<memory model="virtio-mem"><target><size unit="MiB">100</size>
        <block unit="KiB">2048</block></target><alias name="ua-hotplug"/></memory>"""
    values = {
        ("memory", "maximum"): "100MiB",
        ("memory", "hotplug"): "100MiB",
        ("memory", "size"): f"{now}MiB",
        ("memory", "balloon"): balloon,
    }
    effects = Effects(vm(device), vm(device), values, state, "live")
    assert effects.of(("memory", "size"), None, f"{after}MiB") == effect
