"""What a VM has more of than its board has a place for."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import hardware, room

ON_ISA = "<serial type='pty'><target type='isa-serial'/></serial>"
ON_PCI = "<serial type='pty'><target type='pci-serial'/></serial>"
UNSAID = "<serial type='pty'/>"  # libvirt puts it on ISA


def said_of(devices: str, machine: str = "pc-q35-7.2", arch: str = "x86_64") -> list[str]:
    mistakes = Mistakes("vm/web")
    board = f"<os><type arch='{arch}' machine='{machine}'>hvm</type></os>"
    domain = xmltree.parse(f"<domain>{board}<devices>{devices}</devices></domain>")
    hardware.check(domain, None, mistakes)
    return [str(error) for error in mistakes.errors]


@pytest.mark.parametrize(
    ("ports", "refused"),
    [
        (ON_ISA * 4, False),
        (ON_ISA * 4 + UNSAID, True),
        (UNSAID * 5, True),
        (ON_ISA * 4 + ON_PCI, False),
        (ON_PCI * 9, False),
    ],
)
def test_isa_has_four_serial_ports(ports: str, refused: bool) -> None:
    said = said_of(ports)
    assert bool(said) == refused
    assert all("serials: the VM would have 5 serial ports on ISA, which has 4" in s for s in said)


def test_other_boards_have_other_serial_ports() -> None:
    assert not said_of(UNSAID * 5, "virt-7.2", "aarch64")


@pytest.mark.parametrize(("count", "refused"), [(3, False), (4, True)])
def test_qemu_has_three_parallel_ports(count: int, refused: bool) -> None:
    assert bool(said_of("<parallel type='null'/>" * count)) == refused


@pytest.mark.parametrize("machine", ["pc-i440fx-7.2", "pc"])
def test_ide_has_four_places(machine: str) -> None:
    drives = [
        f"<disk type='file' device='cdrom'><target dev='hd{letter}' bus='ide'/>"
        f"<alias name='ua-cdrom-{letter}'/></disk>"
        for letter in "abcde"
    ]
    assert not said_of("".join(drives[:4]), machine)
    [said] = said_of("".join(drives), machine)
    assert "cdroms.e.bus: the VM would have 5 disks and drives on IDE" in said


def test_what_was_too_many_before_is_no_mistake_of_a_change() -> None:
    os = "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
    ports = "<parallel type='null'/>" * 4
    domain = xmltree.parse(f"<domain>{os}<devices>{ports}</devices></domain>")
    mistakes = Mistakes("vm/web")
    hardware.check(domain, domain, mistakes)
    assert not mistakes.errors


def test_libvirts_words_for_its_own_inside_are_said_in_ours() -> None:
    assert "no USB port is left" in room.in_our_words("internal error: No free USB ports")
    assert room.in_our_words("unsupported configuration: x") == "unsupported configuration: x"
