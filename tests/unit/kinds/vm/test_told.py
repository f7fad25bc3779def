"""What is told of a VM, and how things that are alike are told apart."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import alike, told, tree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.definition import domain_values
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND

TWINS = """
<interface type='network'>
  <mac address='52:54:00:22:22:22'/><source network='one'/><model type='virtio'/>
</interface>
<interface type='bridge'>
  <mac address='52:54:00:22:22:22'/><source bridge='br2'/><model type='ne2k_pci'/>
</interface>
"""


def domain(devices: str = "", rest: str = "") -> xmltree.Element:
    return xmltree.parse(
        "<domain type='qemu'><name>vm</name><memory unit='KiB'>524288</memory>"
        "<currentMemory unit='KiB'>524288</currentMemory><vcpu placement='static'>1</vcpu>"
        f"<os><type arch='x86_64' machine='q35'>hvm</type></os>{rest}"
        f"<devices><emulator/>{devices}</devices></domain>"
    )


def wanted(options: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    checked = ArgumentSpecValidator(KIND.spec()).validate({"name": "vm", **options})
    assert not checked.error_messages
    return dict(KIND.parse(checked.validated_parameters)[-1].values)


def test_things_that_are_alike_are_all_told() -> None:
    nics = told.options(tree.domain_values(domain(TWINS)))["nics"]
    assert [(nic["name"], nic.get("vswitch") or nic["bridge"]) for nic in nics] == [
        ("52:54:00:22:22:22#1", "one"),
        ("52:54:00:22:22:22#2", "br2"),
    ]


def test_what_is_told_of_things_that_are_alike_can_be_declared() -> None:
    nics = told.options(tree.domain_values(domain(TWINS)))["nics"]
    mistakes = Mistakes("vm/vm")
    alike.check_names(wanted({"nics": nics}), tree.domain_values(domain(TWINS)), mistakes)
    assert mistakes.errors == []


@pytest.mark.parametrize(
    "nic", [{"name": "lan", "mac": "52:54:00:22:22:22"}, {"name": "52:54:00:22:22:22"}]
)
def test_a_declaration_that_fits_two_is_refused(nic: dict[str, str]) -> None:
    mistakes = Mistakes("vm/vm")
    alike.check_names(wanted({"nics": [nic]}), tree.domain_values(domain(TWINS)), mistakes)
    (error,) = mistakes.errors
    assert "52:54:00:22:22:22#1 (vswitch one, model virtio)" in str(error)
    assert "52:54:00:22:22:22#2 (bridge br2, model ne2k_pci)" in str(error)


def test_a_new_nic_is_not_named_by_a_mac_address() -> None:
    mistakes = Mistakes("vm/vm")
    want = wanted({"nics": [{"name": "52:54:00:22:22:23", "vswitch": "one"}]})
    alike.check_names(want, tree.domain_values(domain()), mistakes)
    assert "give the new one a name and a mac" in str(mistakes.errors[0])


def test_a_nic_does_not_lose_the_mac_address_by_which_it_is_known() -> None:
    nic = "<interface type='user'><mac address='52:54:00:22:22:22'/></interface>"
    stored = tree.domain_values(domain(nic))
    for mac, errors in (("52:54:00:22:22:22", 0), ("52:54:00:22:22:23", 1)):
        mistakes = Mistakes("vm/vm")
        want = wanted({"nics": [{"name": "52:54:00:22:22:22", "mac": mac}]})
        alike.check_names(want, stored, mistakes)
        assert len(mistakes.errors) == errors


def test_what_no_declaration_can_say_is_no_option() -> None:
    nics = told.options(tree.domain_values(domain(TWINS)))["nics"]
    assert [nic.get("model") for nic in nics] == ["virtio", None]


@pytest.mark.parametrize(
    ("devices", "rest", "paths"),
    [
        ("", "", []),
        (TWINS, "", ["devices/interface[52:54:00:22:22:22#2]/model"]),
        ("<hostdev mode='subsystem'/><hostdev mode='subsystem'/>", "", ["devices/hostdev"]),
        ("", "<metadata><x:y xmlns:x='urn:x'>1</x:y></metadata>", ["metadata/x:y"]),
        ("", "<features><acpi/><xen><e820_host state='on'/></xen></features>", ["features/xen"]),
        (
            "<disk type='network' device='disk'><driver name='qemu' type='raw' queues='4'/>"
            "<source protocol='rbd' name='a'><snapshot name='s'/></source>"
            "<target dev='vda' bus='virtio'/></disk>",
            "",
            [
                "devices/disk[vda]/driver/@queues",
                "devices/disk[vda]/source/snapshot",
            ],
        ),
    ],
)
def test_what_is_not_managed_is_named(devices: str, rest: str, paths: list[str]) -> None:
    assert told.unmanaged(domain(devices, rest)) == paths


MAC = "52:54:00:22:22:22"
THREE = f"{TWINS}<interface type='user'><mac address='{MAC}'/></interface>"


@pytest.mark.parametrize(
    ("going", "refused"),
    [
        (["#1"], "nics.52:54:00:22:22:22#1: is to go, but 52:54:00:22:22:22#3"),
        (["#2"], "nics.52:54:00:22:22:22#2: is to go, but 52:54:00:22:22:22#3"),
        (["#1", "#3"], "nics.52:54:00:22:22:22#1: is to go, but 52:54:00:22:22:22#2"),
        (["#3"], ""),
        (["#2", "#3"], ""),
        (["#1", "#2", "#3"], ""),
    ],
)
def test_none_of_several_gets_the_number_of_one_that_goes(going: list[str], refused: str) -> None:
    stored = tree.domain_values(domain(THREE))
    nics = [{"name": f"{MAC}{number}", "state": "absent"} for number in going]
    want = alike.by_tree_names(wanted({"nics": nics}), stored)
    mistakes = Mistakes("vm/vm")
    alike.check_going(want, stored, mistakes)
    assert len(mistakes.errors) == bool(refused)
    assert all(refused in str(error) for error in mistakes.errors)


@pytest.mark.parametrize("number", ["#1", "#2", "#3"])
def test_none_of_several_gets_another_mac_under_its_name(number: str) -> None:
    stored = tree.domain_values(domain(THREE))
    mistakes = Mistakes("vm/vm")
    for mac in (MAC, "52:54:00:33:33:33"):
        nics = [{"name": f"{MAC}{number}", "mac": mac}]
        alike.check_names(wanted({"nics": nics}), stored, mistakes)
    [error] = mistakes.errors
    assert "cannot get another under this name" in error.message


def test_what_is_told_are_texts_of_no_type_of_our_own() -> None:
    disk = "<disk><source file='/a'/><target dev='vda'/><serial> A </serial></disk>"
    vm = domain(disk, "<title> a </title><description>\nb\n</description>")
    said = told.options(domain_values(vm))
    texts = [said["title"], said["description"], said["disks"][0]["serial"]]
    assert texts == [" a ", "\nb\n", " A "]
    assert {type(one) for one in texts} == {str}
