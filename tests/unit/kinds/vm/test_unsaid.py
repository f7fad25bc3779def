"""What an export leaves out of a VM's CPU time, memory and nodes, and says so."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool import unit
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool.table import MANAGED
from ansible_collections.kvm.fleet.plugins.module_utils.run.exporting import export
from support import worlds

DOMAIN = """<domain type="qemu"><name>web</name><uuid>00000000-0000-4000-8000-000000000001</uuid>
<memory unit="KiB">1048576</memory><currentMemory unit="KiB">1048576</currentMemory>
<vcpu placement="static">2</vcpu><os><type arch="x86_64" machine="pc-q35-7.2">hvm</type></os>
{inside}</domain>"""


def exported(inside: str) -> tuple[dict[str, Any], list[str]]:
    facts = {"state": "stopped", "autostart": False, "persistent": True}
    have = Have("vm", "web", parse(DOMAIN.format(inside=inside)), None, facts)
    found = export(worlds.world({"vm": {"web": have}}), "none")
    return found.sections["vms"][0], found.warnings


def placement(inside: str) -> str:
    return f"<numatune><memory {inside}/></numatune>"


@pytest.mark.parametrize(
    ("inside", "left_out"),
    [
        ("<cputune><shares>20000</shares></cputune>", "cpu.shares (20000)"),
        (
            "<cputune><global_quota>99999999999999</global_quota></cputune>",
            "cpu.limit (1000000000)",
        ),
        (placement("mode='restrictive' nodeset='0'"), "numa.placement.mode (restrictive)"),
        (placement("mode='strict' placement='auto'"), "numa.placement (by the host's advice)"),
        ("<memoryBacking><hugepages/></memoryBacking>", "memory.huge_pages (default)"),
    ],
)
def test_what_no_option_can_say_is_left_out_with_a_warning(inside: str, left_out: str) -> None:
    told, warnings = exported(inside)
    assert warnings == [f"vm/web: {left_out} cannot be declared, and is left out"]
    assert not {"shares", "limit", "huge_pages"} & {*told["cpu"], *told["memory"]}
    assert "numa" not in told  # nodes alone would be a strict placement


def test_what_options_can_say_is_no_warning() -> None:
    inside = "<cputune><shares>300</shares></cputune>" + placement("mode='strict' nodeset='0'")
    told, warnings = exported(inside)
    assert warnings == []
    assert told["numa"] == {"placement": {"mode": "strict", "nodes": "0"}}


def test_a_part_of_the_host_is_no_limit_of_a_pool() -> None:
    text = "[Slice]\nMemoryMax=50%\nCPUWeight=idle\n[X-kvm-fleet]\nName=gold\n"
    tree = unit.tree_of(text, MANAGED)
    have = Have("resource_pool", "gold", tree, None, {"state": "present", "managed": True})
    found = export(worlds.world({"resource_pool": {"gold": have}}, worlds.HERE), "none")
    assert found.warnings == [
        "resource_pool/gold: cpu.shares (idle), memory.limit (50%) cannot be declared, and is left "
        "out"
    ]


@pytest.mark.parametrize(
    ("section", "device", "said"),
    [
        (
            "host_devices",
            "<hostdev mode='subsystem' type='pci' managed='no'><alias name='ua-hostdev-gpu'/>"
            "<source><address domain='0' bus='3' slot='0' function='0'/></source></hostdev>",
            {"managed": False},
        ),
        (
            "shared_folders",
            "<filesystem type='mount' accessmode='mapped'><alias name='ua-folder-logs'/>"
            "<source dir='/srv/logs'/><target dir='logs'/></filesystem>",
            {"driver": "9p", "access_mode": "mapped"},
        ),
        (
            "shared_folders",
            "<filesystem type='mount' accessmode='passthrough'><alias name='ua-folder-logs'/>"
            "<driver type='virtiofs'/><source dir='/srv/logs'/><target dir='logs'/></filesystem>",
            {"driver": "virtiofs", "access_mode": "passthrough"},
        ),
    ],
)
def test_what_a_new_device_would_not_have_by_itself_is_said(
    section: str, device: str, said: dict[str, Any]
) -> None:
    """Also where it is what libvirt has where nothing is said."""
    memory = "<memoryBacking><access mode='shared'/></memoryBacking>"
    told, warnings = exported(f"{memory}<devices>{device}</devices>")
    assert warnings == []
    assert told[section][0].items() >= said.items()
