"""A watchdog that the machine itself has: libvirt writes it down from 9.1 on, and puts it back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.resolve import _watchdog
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.tree import edited

MODEL, ACTION = ("watchdog", "model"), ("watchdog", "action")
OLD, NEW = 9_000_000, 11_003_000


@pytest.mark.parametrize(
    ("machine", "version", "model"),
    [
        ("pc-q35-10.0", NEW, "itco"),
        ("pc-q35-7.2", OLD, "none"),
        ("pc-i440fx-10.0", NEW, "none"),
    ],
)
def test_none_is_what_the_machine_has(machine: str, version: int, model: str) -> None:
    host = SimpleNamespace(libvirt_version=version, driver="QEMU")
    new = {MODEL: "none", ("machine",): machine}
    _watchdog(new, {}, host)
    assert new[MODEL] == model
    there = {MODEL: "none"}
    _watchdog(there, {("machine",): machine}, host)
    assert there[MODEL] == model


@pytest.mark.parametrize(
    ("machine", "version", "comes"),
    [
        ("pc-q35-10.0", NEW, {MODEL: "itco", ACTION: "reset"}),
        ("pc-q35-7.2", OLD, {}),
        ("pc-i440fx-10.0", NEW, {}),
    ],
)
def test_what_a_new_board_brings_is_foreseen(
    machine: str, version: int, comes: dict[tuple[str, ...], str]
) -> None:
    host = SimpleNamespace(libvirt_version=version, driver="QEMU")
    new = {("machine",): machine}
    _watchdog(new, {}, host)
    assert new == {("machine",): machine, **comes}
    moves = {("machine",): machine}
    _watchdog(moves, {("machine",): "pc-i440fx-7.2", MODEL: "none"}, host)
    assert moves == {("machine",): machine, **comes}
    stays: dict[tuple[str, ...], str] = {}
    _watchdog(stays, {("machine",): machine, MODEL: "none"}, host)
    assert stays == {}
    other = {MODEL: "i6300esb", ("machine",): machine}
    _watchdog(other, {}, host)
    assert other == {("machine",): machine, MODEL: "i6300esb", ACTION: "reset"}


BOTH = """<domain type='qemu'><name>web</name><memory>65536</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc-q35-10.0'>hvm</type></os>
  <devices>
    <watchdog model='i6300esb' action='pause'><address type='pci' slot='0x04'/></watchdog>
    <watchdog model='itco' action='reset'/>
  </devices>
</domain>"""


def models(domain: xmltree.Element) -> list[str | None]:
    return [one.get("model") for one in domain.findall("devices/watchdog")]


def test_a_board_has_one() -> None:
    assert models(edited(xmltree.parse(BOTH), {MODEL: "itco"})) == ["itco"]


def test_it_goes_with_its_board() -> None:
    after = edited(xmltree.parse(BOTH), {("machine",): "pc-i440fx-10.0"})
    assert models(after) == ["i6300esb"]


def test_all_have_one_action() -> None:
    after = edited(xmltree.parse(BOTH), {("watchdog", "action"): "poweroff"})
    actions = [one.get("action") for one in after.findall("devices/watchdog")]
    assert actions == ["poweroff", "poweroff"]
