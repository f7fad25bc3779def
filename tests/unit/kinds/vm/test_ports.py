"""Ports and screens beside the first: what others made is told, and what cannot be is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import ABSENT, PRESENT
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import port_rules, told
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.definition import domain_values

GOLDEN = Path(__file__).parents[3] / "golden" / "vm"


def domain(case: str) -> xmltree.Element:
    return xmltree.parse((GOLDEN / case / "before.xml").read_text())


def test_those_of_others_are_told_by_what_they_are() -> None:
    others = domain("ports-and-screens-of-others-change")
    options: dict[str, Any] = told.options(domain_values(others))
    assert options["serial"] == {"type": "pty"} and options["video"] == "qxl"
    assert [one["name"] for one in options["serials"]] == ["isa-1", "pci-2"]
    assert options["serials"][1] == {"name": "pci-2", "type": "pty", "target": "pci-serial"}
    assert [one["name"] for one in options["consoles"]] == ["virtio#1", "virtio#2"]
    assert options["graphics"]["type"] == "spice"
    assert options["displays"] == [{"name": "vnc", "port": -1}]
    assert options["videos"] == [{"name": "virtio", "model": "virtio"}]


def test_what_no_option_says_of_them_is_named() -> None:
    left = told.unmanaged(domain("ports-and-screens-of-others-change"))
    assert {"devices/console[virtio#2]/log", "devices/serial[isa-1]/@type"} <= {*left}
    console = [path for path in left if path.startswith("devices/console") and "[" not in path]
    assert not console, "libvirt's other word for the first serial port is none"


def test_the_first_is_one_without_a_name_of_ours() -> None:
    tree = xmltree.parse(
        "<devices><serial n='1'><alias name='ua-serial-a'/></serial><serial n='2'/>"
        "<serial n='3'/><serial n='4'><alias name='ua-serial-b'/></serial></devices>"
    )
    beside = xmltree.find_all(tree, "serial[+ua-serial-]")
    assert [one.get("n") for one in beside] == ["1", "3", "4"]
    assert xmltree.get(tree, "serial[~ua-serial-]/@n") == "2"


def test_what_is_beside_a_first_needs_one() -> None:
    want = {("displays", "vnc"): PRESENT, ("videos", "head"): PRESENT, ("videos", "b"): ABSENT}
    mistakes = Mistakes("vm/web")
    port_rules.check({("graphics", "type"): "vnc", ("video",): None}, want, mistakes)
    assert [one.field for one in mistakes.errors] == ["displays.vnc", "videos.head"]
    mistakes = Mistakes("vm/web")
    port_rules.check({("graphics", "type"): "spice", ("video",): "vga", **want}, want, mistakes)
    assert not mistakes.errors
