"""Who gets which place: one pass over all that comes, with what leaves gone before."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import (
    ABSENT,
    PRESENT,
    Key,
    Values,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import applier_live
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.allotting import (
    Drive,
    Needs,
    drive_of,
    free_for_channels,
    places,
    targets,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kept_places import keep_targets
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.plugging import obstacles


def plugged(
    live: xmltree.Element, definition: xmltree.Element, devices: Values, paused: bool
) -> set[Key]:
    found = obstacles(live, definition, devices, paused)
    return {key for key, why in found.items() if not why}


VDA, SDA = Drive("virtio", "vda"), Drive("scsi", "sda", (0, 0, 0))


@pytest.mark.parametrize(
    ("stay", "come", "given"),
    [
        ([], {"new": Drive("virtio")}, {"new": "vda"}),
        ([VDA], {"a": Drive("virtio"), "b": Drive("virtio")}, {"a": "vdb", "b": "vdc"}),
        ([], {"kept": Drive("sata", "sdc", (0, 0, 2))}, {"kept": "sdc"}),
        ([SDA], {"moves": Drive("sata", "sda")}, {"moves": "sdb"}),
        # The place is taken by one under another name.
        ([Drive("scsi", "sdz", (0, 0, 0))], {"a": Drive("scsi")}, {"a": "sdb"}),
        # What the one before had is free for the next; what the next has is not for the first.
        (
            [],
            {"a": Drive("scsi", "vda"), "b": Drive("virtio", "sda")},
            {"a": "sdb", "b": "vda"},
        ),
        ([Drive("xen", "xvda")], {"other": Drive("xen", "xvdb")}, {}),
        (
            [Drive("scsi", f"sd{letter}", drive) for letter, drive in (("a", None), ("b", None))],
            {"a": Drive("scsi")},
            {"a": "sdc"},
        ),
    ],
)
def test_targets_are_given_in_one_pass(
    stay: list[Drive], come: dict[str, Drive], given: dict[str, str]
) -> None:
    assert targets(stay, come) == given


@pytest.mark.parametrize(
    ("target", "unit"),
    [("sda", (0, 0, 0)), ("sdg", (0, 0, 6)), ("sdh", (0, 0, 8)), ("sdp", (1, 0, 0))],
)
def test_a_scsi_target_means_a_place_beside_the_controller(
    target: str, unit: tuple[int, int, int]
) -> None:
    disk = xmltree.parse(f"<disk><target dev='{target}' bus='scsi'/></disk>")
    assert drive_of(disk) == Drive("scsi", target, unit)


def test_a_said_place_counts() -> None:
    address = "<address type='drive' controller='0' bus='0' target='0' unit='5'/>"
    disk = xmltree.parse(f"<disk><target dev='sda' bus='scsi'/>{address}</disk>")
    assert drive_of(disk).unit == (0, 0, 5)


# ---- PCI


def port(index: int) -> str:
    return f"<controller type='pci' index='{index}' model='pcie-root-port'/>"


def at(bus: int, slot: int = 0) -> str:
    return f"<address type='pci' bus='0x{bus:02x}' slot='0x{slot:02x}' function='0x0'/>"


def machine(*devices: str) -> xmltree.Element:
    return xmltree.parse(f"<domain><devices>{''.join(devices)}</devices></domain>")


def test_each_has_a_port_of_its_own() -> None:
    live = machine(port(1), port(2), port(16), f"<interface>{at(1)}</interface>")
    come = dict.fromkeys(("a", "b", "c"), Needs.PORT)
    assert places(live, come) == {"a": (2, 0), "b": (16, 0)}


def test_the_older_pci_is_on_a_bridge() -> None:
    bridge = "<controller type='pci' index='2' model='pcie-to-pci-bridge'/>"
    live = machine(port(1), bridge, f"<sound>{at(2, 1)}</sound>")
    come = {"old": Needs.SLOT, "new": Needs.PORT, "next": Needs.SLOT}
    assert places(live, come) == {"old": (2, 2), "new": (1, 0), "next": (2, 3)}


def test_on_a_pci_root_all_share_the_slots() -> None:
    """A controller of several functions takes one."""
    usb = "".join(f"<controller type='usb'>{at(0, 4)}</controller>" for _function in range(4))
    live = machine("<controller type='pci' index='0' model='pci-root'/>", usb)
    come = {name: (Needs.PORT, Needs.SLOT)[name % 2] for name in range(40)}
    given = places(live, come)
    assert len(set(given.values())) == len(given) == 28
    assert given[0] == (0, 3) and given[1] == (0, 5)


# ---- ports for channels


VIRTIO_SERIAL = "<controller type='virtio-serial' index='0'{}/>"
CONSOLE = "<console type='pty'><target type='virtio'/></console>"


def channel(port: int) -> str:
    address = f"<address type='virtio-serial' controller='0' bus='0' port='{port}'/>"
    return f"<channel type='unix'><target type='virtio' name='n{port}'/>{address}</channel>"


@pytest.mark.parametrize(
    ("devices", "free"),
    [
        (channel(1), [(0, 2), (0, 3)]),
        (channel(2) + CONSOLE, [(0, 1), (0, 3)]),  # the port of the first console is kept for it
        # Where the others are nobody says: QEMU gave each the lowest port, and libvirt knows none.
        (CONSOLE * 2, [(0, 3), (0, 2)]),
        (channel(1) + CONSOLE * 3, []),
    ],
)
def test_a_channel_has_no_port_that_a_console_may_have(
    devices: str, free: list[tuple[int, int]]
) -> None:
    live = machine(VIRTIO_SERIAL.format(" ports='4'"), devices)
    assert free_for_channels(live) == free


def test_a_controller_has_as_many_ports_as_qemu_gives_it() -> None:
    assert len(free_for_channels(machine(VIRTIO_SERIAL.format("")))) == 30


def test_a_channel_without_a_port_waits() -> None:
    stored = machine(VIRTIO_SERIAL.format(" ports='3'"), channel(1), channel(2))
    live = machine(VIRTIO_SERIAL.format(" ports='3'"), channel(2))
    both = {("channels", "n1"): PRESENT, ("consoles", "c"): PRESENT}
    console = "<console type='pty'><target type='virtio'/><alias name='ua-console-c'/></console>"
    stored.find("devices").append(xmltree.parse(console))
    assert plugged(live, stored, both, False) == {("channels", "n1")}


# ---- what others plugged in


def on_scsi(target: str, unit: str = "") -> str:
    place = f"<address type='drive' controller='0' bus='0' target='0' unit='{unit}'/>"
    alias = f"<alias name='ua-disk-{target}'/>"
    where = place if unit else ""
    return f"<disk device='disk'><target dev='{target}' bus='scsi'/>{alias}{where}</disk>"


HOSTDEV = (
    "<hostdev type='scsi'><address type='drive' controller='0' bus='0' target='0' unit='1'/>"
    "</hostdev>"
)


@pytest.mark.parametrize(
    ("theirs", "comes"),
    [
        (on_scsi("sda", "0"), True),
        (on_scsi("sdz", "1"), False),
        (HOSTDEV, False),
        (on_scsi("sdb", "5"), False),
    ],
)
def test_a_disk_waits_whose_unit_on_scsi_another_has(theirs: str, comes: bool) -> None:
    scsi = "<controller type='scsi' index='0' model='virtio-scsi'/>"
    live, stored = machine(scsi, theirs), machine(scsi, on_scsi("sdb"))
    come = plugged(live, stored, {("disks", "sdb"): PRESENT}, False)
    assert bool(come) == comes


def nic(mac: str, name: str = "") -> str:
    alias = f"<alias name='ua-nic-{name}'/>" if name else ""
    return f"<interface type='user'><mac address='{mac}'/><model type='virtio'/>{alias}</interface>"


@pytest.mark.parametrize(
    ("theirs", "comes"), [("52:54:00:00:00:01", False), ("52:54:00:00:00:02", True)]
)
def test_a_nic_waits_whose_mac_one_that_runs_has(theirs: str, comes: bool) -> None:
    port = "<controller type='pci' index='1' model='pcie-root-port'/>" * 2
    live, stored = machine(port, nic(theirs)), machine(port, nic("52:54:00:00:00:01", "lan"))
    come = plugged(live, stored, {("nics", "lan"): PRESENT}, False)
    assert bool(come) == comes


def test_a_disk_waits_for_a_controller_that_what_runs_lacks() -> None:
    live = machine("<controller type='scsi' index='0' model='virtio-scsi'/>")
    assert not plugged(live, machine(on_scsi("sdp")), {("disks", "sdp"): PRESENT}, False)


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (channel(2), 2),
        (channel(1), 3),  # another has it
        ("<channel type='unix'><target type='virtio' name='n9'/></channel>", 2),
    ],
)
def test_a_channel_is_plugged_into_a_port_that_is_free(said: str, sent: int) -> None:
    live = machine(VIRTIO_SERIAL.format(" ports='4'"), channel(1))
    if sent == 3:
        live = machine(VIRTIO_SERIAL.format(" ports='4'"), channel(1), CONSOLE * 2)
    comes = xmltree.parse(said)
    applier_live.give_port(comes, live)
    assert xmltree.get(comes, "address/@port") == str(sent)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("<address type='usb' bus='0' port='2'/>", True),
        ("<address type='usb' bus='0' port='1'/>", False),  # taken
        ("<address type='usb' bus='1' port='1'/>", False),  # of a controller that is stored only
        ("<address type='usb' bus='0' port='3.1'/>", False),  # of such a hub
        (at(2), False),
        (at(1), True),
    ],
)
def test_an_address_that_what_runs_does_not_have_is_left_out(address: str, kept: bool) -> None:
    mouse = "<input type='mouse' bus='usb'><address type='usb' bus='0' port='1'/></input>"
    live = machine("<controller type='usb' index='0' model='qemu-xhci'/>", port(1), mouse)
    comes = xmltree.parse(f"<input type='tablet' bus='usb'>{address}</input>")
    applier_live.forget_unfit_address(comes, live)
    assert (comes.find("address") is not None) == kept


# ---- what leaves makes room


def disk(target: str, order: int, where: str = "") -> str:
    return (
        f"<disk device='disk'><target dev='{target}' bus='virtio'/><boot order='{order}'/>"
        f"<alias name='ua-disk-{target}{order}'/>{where}</disk>"
    )


@pytest.mark.parametrize(
    ("devices", "paused", "made"),
    [
        ({("disks", "vda1"): ABSENT, ("disks", "vda2"): PRESENT}, False, 2),
        ({("disks", "vda2"): PRESENT, ("disks", "vda1"): ABSENT}, False, 2),
        ({("disks", "vda2"): PRESENT}, False, 0),
        # A guest that is paused lets nothing go, and so there is no room.
        ({("disks", "vda1"): ABSENT, ("disks", "vda2"): PRESENT}, True, 0),
        ({("disks", "vda1"): PRESENT}, False, 0),
        ({("cdroms", "vda1"): ABSENT}, False, 0),
    ],
)
def test_what_leaves_makes_room_in_the_same_run(devices: Values, paused: bool, made: int) -> None:
    live = machine(port(1), disk("vda", 1, at(1)))
    definition = machine(port(1), disk("vda", 2))
    assert len(plugged(live, definition, devices, paused)) == made


# ---- what has to wait says why


@pytest.mark.parametrize(
    ("key", "live", "stored", "why"),
    [
        (
            ("disks", "vda2"),
            machine(port(1), port(2), disk("vda", 1, at(1))),
            machine(disk("vda", 2)),
            "another that runs has vda",
        ),
        (
            ("disks", "vdb1"),
            machine(port(1), port(2), disk("vda", 1, at(1))),
            machine(disk("vdb", 1)),
            "another that runs has the boot order 1",
        ),
        (("disks", "vda1"), machine(), machine(disk("vda", 1)), "no PCI port is free in what runs"),
        (
            ("disks", "sdp"),
            machine("<controller type='scsi' index='0' model='virtio-scsi'/>"),
            machine(on_scsi("sdp")),
            "what runs has no controller virtio-scsi of the index 1",
        ),
        (
            ("disks", "vda1"),
            machine(disk("vda", 1)),
            machine(disk("vda", 1)),
            "another of its name runs until then",
        ),
        (
            ("channels", "n1"),
            machine(),
            machine(channel(1)),
            "what runs can have none plugged in or out",
        ),
    ],
)
def test_what_waits_says_why(
    key: Key, live: xmltree.Element, stored: xmltree.Element, why: str
) -> None:
    assert obstacles(live, stored, {key: PRESENT}, False) == {key: why}


def test_a_paused_guest_lets_nothing_go() -> None:
    live = machine(disk("vda", 1))
    found = obstacles(live, machine(), {("disks", "vda1"): ABSENT}, True)
    assert found == {("disks", "vda1"): "a guest that is paused lets nothing go"}


# ---- targets of what others plugged in


@pytest.mark.parametrize(
    ("live", "goes", "target"),
    [
        ([disk("vda", 1)], [], "vdb"),
        ([disk("vda", 1), disk("vdb", 9)], [], "vdc"),  # one that others plugged in
        ([disk("vda", 1), disk("vdb", 9)], [("disks", "vdb9")], "vdb"),  # and that goes
        # One that comes back is called as it runs.
        ([disk("vda", 1), disk("vdb", 9), disk("vdf", 2).replace("vdf2", "vdb2")], [], "vdf"),
    ],
)
def test_a_disk_gets_a_target_that_nothing_has_which_runs(
    live: list[str], goes: list[Key], target: str
) -> None:
    after = machine(disk("vda", 1), disk("vdb", 2))
    keep_targets(after, machine(*live), [("disks", "vdb2")], goes)
    assert [xmltree.get(one, "target/@dev") for one in after.findall("devices/disk")] == [
        "vda",
        target,
    ]
