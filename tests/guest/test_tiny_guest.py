"""The tiny guest itself, on emulated domains of a real libvirtd."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.guest import BUILDER, COMMAND_LINE, GuestError, TinyGuest, build, provide
from support.private_libvirtd import IMAGES, PrivateLibvirtd

pytestmark = pytest.mark.boots_guest

FILES = IMAGES / "tiny-guest"
NETWORK = """
<network>
  <name>{name}</name>
  <forward mode='nat'/>
  <bridge stp='off'/>
  <ip address='192.0.2.1' prefix='24'><dhcp><range start='192.0.2.2' end='192.0.2.99'/></dhcp></ip>
</network>
"""
DOMAIN = """
<domain type='qemu'>
  <name>{name}</name>
  <maxMemory unit='MiB' slots='2'>1024</maxMemory>
  <memory unit='MiB'>256</memory>
  <vcpu current='1'>3</vcpu>
  <sysinfo type='smbios'><system><entry name='serial'>{serial}</entry></system></sysinfo>
  <os {firmware}>
    <type arch='x86_64' machine='q35'>hvm</type>
    {boot}
    <smbios mode='sysinfo'/>
  </os>
  <features><acpi/></features>
  <cpu><numa><cell id='0' cpus='0-2' memory='256' unit='MiB'/></numa></cpu>
  <devices>
    <controller type='pci' model='pcie-root'/>
    {ports}
    <controller type='scsi' model='virtio-scsi'/>
    <serial type='pty'><log file='/var/log/libvirt/{name}.log'/></serial>
    {devices}
  </devices>
</domain>
"""
DIRECT_BOOT = f"""
<kernel>{FILES}/vmlinuz</kernel>
<initrd>{FILES}/initramfs.img</initrd>
<cmdline>{COMMAND_LINE} {{knobs}}</cmdline>
"""
DISK_BOOT = "<boot dev='hd'/>"
# libvirt prefers firmware with Microsoft's keys, which refuses what Microsoft did not sign.
UEFI_BOOT = "<firmware><feature enabled='no' name='enrolled-keys'/></firmware>" + DISK_BOOT
CHANNEL = "<channel type='unix'><target type='virtio' name='org.kvm.fleet.guest.0'/></channel>"
NIC = """
<interface type='network'><source network='{network}'/><mac address='{mac}'/><model type='virtio'/>
</interface>
"""
DISK = """
<disk type='file' device='{device}'><driver name='qemu' type='{format}'/><source file='{file}'/>
<target dev='{target}' bus='{bus}'/><serial>{serial}</serial>{more}</disk>
"""
MEMORY = "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>"
MAC = "52:54:00:00:00:{:02x}"


class Host:
    """The libvirtd, a NAT network on it, and what the tests of this module define there."""

    def __init__(self, libvirtd: PrivateLibvirtd) -> None:
        self.libvirtd = libvirtd
        self.network = "guest-net"
        self.names: list[str] = []
        provide(libvirtd.outside(FILES))
        self.virsh_xml("net-create", NETWORK.format(name=self.network))

    def virsh_xml(self, command: str, xml: str, *arguments: str) -> None:
        """A virsh command that takes an XML file as its last argument."""
        self.libvirtd.run(["virsh", command, *arguments, "/dev/stdin"], stdin=xml)

    def start(
        self, name: str, boot: str, devices: str, serial: str = "", firmware: str = ""
    ) -> TinyGuest:
        ports = "<controller type='pci' model='pcie-root-port'/>" * 10
        xml = DOMAIN.format(**locals())
        self.virsh_xml("create", xml)
        self.names.append(name)
        return TinyGuest(name, self.libvirtd.uri, self.libvirtd.outside)

    def image(self, name: str, *options: str) -> Path:
        """A new disk image; the path by which libvirtd knows it."""
        path = IMAGES / name
        self.libvirtd.run(["qemu-img", "create", "-q", *options[:-1], str(path), *options[-1:]])
        return path

    def nic(self, number: int) -> str:
        return NIC.format(network=self.network, mac=MAC.format(number))

    def close(self) -> None:
        for name in self.names:
            self.libvirtd.try_run(["virsh", "destroy", name])
        self.libvirtd.virsh("net-destroy", self.network)


@pytest.fixture(scope="module")
def host(private_libvirtd: PrivateLibvirtd) -> Iterator[Host]:
    host = Host(private_libvirtd)
    yield host
    host.close()


@pytest.fixture(scope="module")
def direct(host: Host) -> TinyGuest:
    """Booted from kernel and initramfs, with a channel, a NIC and no disk."""
    guest = host.start("direct", DIRECT_BOOT.format(knobs=""), host.nic(1) + CHANNEL)
    guest.wait_ready()
    return guest


@pytest.fixture(scope="module")
def clone(host: Host) -> TinyGuest:
    """Booted from a linked clone of the image, without a channel: asked over the console."""
    base = f"{FILES}/tiny.qcow2"
    image = host.image("clone.qcow2", "-f", "qcow2", "-F", "qcow2", "-b", base, "64M")
    disk = DISK.format(
        device="disk", format="qcow2", file=image, target="vda", bus="virtio", serial="root1",
        more="",
    )  # fmt: skip
    guest = host.start("clone", DISK_BOOT, host.nic(2) + disk, serial="clone-7")
    guest.wait_ready()
    return guest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder for everybody: pytest's own are for the user alone who runs the tests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def test_the_build_is_reproducible_and_needs_no_root(open_folder: Path) -> None:
    shutil.copytree(BUILDER.parent, open_folder / "files")
    result = open_folder / "guest"
    subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
         open_folder / "files" / BUILDER.name, result],
        check=True, timeout=900,
    )  # fmt: skip
    assert (result / "manifest.json").read_text() == (build() / "manifest.json").read_text()


def test_a_second_build_does_nothing() -> None:
    again = subprocess.run(
        [BUILDER, build()], check=True, capture_output=True, text=True, timeout=300
    )
    assert again.stdout == "unchanged\n"


def test_it_reports_its_hardware(direct: TinyGuest) -> None:
    report = direct.report()
    assert report["cpus"] == 1
    assert report["installed_memory_mib"] == 256
    assert report["firmware"] == "bios"
    assert report["uuid"] == direct.virsh("domuuid", "direct")
    nic = direct.nic(MAC.format(1))
    assert nic
    assert (nic["mtu"], nic["link"], nic["driver"]) == (1500, True, "virtio_net")


def test_two_guests_reach_each_other(direct: TinyGuest, clone: TinyGuest) -> None:
    assert direct.ping(clone.wait_address()) == 3
    assert clone.ping(direct.wait_address()) == 3
    assert direct.ping("192.0.2.250", count=1) == 0


def test_a_clone_has_the_name_that_smbios_gives_it(clone: TinyGuest) -> None:
    assert clone.report()["name"] == "clone-7"


def test_hot_plugged_cpus_come_online(direct: TinyGuest) -> None:
    # There is no way back here: QEMU 7.2 does not complete the unplug of an emulated CPU.
    direct.virsh("setvcpus", "direct", "3", "--live")
    direct.wait_report("three CPUs", lambda report: report["cpus"] == 3)


def test_hot_plugged_memory_comes_online(host: Host, direct: TinyGuest) -> None:
    host.virsh_xml("attach-device", MEMORY, "direct")
    direct.wait_report("384 MiB", lambda report: report["installed_memory_mib"] == 384)


def test_a_hot_plugged_nic_gets_an_address(host: Host, direct: TinyGuest) -> None:
    host.virsh_xml("attach-device", host.nic(3), "direct")
    address = direct.wait_address(MAC.format(3))
    assert address.startswith("192.0.2.")
    direct.virsh("domif-setlink", "direct", MAC.format(3), "down")
    direct.wait_report("no link", lambda _: not (direct.nic(MAC.format(3)) or {})["link"])
    direct.virsh("detach-interface", "direct", "network", "--mac", MAC.format(3))
    direct.wait_report("one NIC", lambda report: len(report["nics"]) == 1)


@pytest.mark.parametrize(("target", "bus"), [("vdb", "virtio"), ("sda", "scsi")])
def test_a_hot_plugged_disk_keeps_what_is_written(
    host: Host, direct: TinyGuest, target: str, bus: str
) -> None:
    image = host.image(f"{bus}.qcow2", "-f", "qcow2", "8M")
    disk = DISK.format(
        device="disk", format="qcow2", file=image, target=target, bus=bus, serial=f"data-{bus}",
        more="",
    )  # fmt: skip
    host.virsh_xml("attach-device", disk, "direct")

    def is_there(report: dict[str, Any]) -> bool:
        return any(d["serial"] == f"data-{bus}" and d["size"] == 8 << 20 for d in report["disks"])

    direct.wait_report(f"the disk data-{bus}", is_there)
    expected = direct.write(f"data-{bus}", first=10, count=100, pattern="fleet")
    assert direct.checksum(f"data-{bus}", first=10, count=100) == expected
    assert direct.checksum(f"data-{bus}", first=11, count=100) != expected
    direct.virsh("detach-disk", "direct", target)
    direct.wait_report("no disk", lambda report: not report["disks"])


def test_a_full_disk_is_an_error(clone: TinyGuest) -> None:
    with pytest.raises(GuestError, match="No space left"):
        clone.write("vda", first=16000, count=1000, pattern="x")


def test_an_unknown_request_is_an_error(direct: TinyGuest) -> None:
    with pytest.raises(GuestError, match="no disk sdz"):
        direct.checksum("sdz", 0, 1)


def test_load_runs_until_it_is_calmed(direct: TinyGuest) -> None:
    direct.burn(1)
    direct.dirty(8)
    assert direct.shell("ls /run/load")[0] == 0
    direct.calm()
    code, output = direct.shell("ps | grep -c '[w]hile :; do'")
    assert (code, output) == (1, "0")


def test_knobs_set_name_and_address_and_silence_the_button(host: Host) -> None:
    knobs = "g.name=fixed g.eth0=192.0.2.200/24 g.gateway=192.0.2.1 g.ignore_power=1"
    guest = host.start("knobs", DIRECT_BOOT.format(knobs=knobs), host.nic(4) + CHANNEL)
    assert guest.wait_ready()["name"] == "fixed"
    assert guest.wait_address() == "192.0.2.200"
    assert guest.ping("192.0.2.1") == 3
    guest.virsh("shutdown", "knobs", "--mode", "acpi")
    with pytest.raises(GuestError, match="is 'running'"):
        guest.wait_state("shut off", timeout_s=5)


def test_uefi_boots_the_same_image(host: Host) -> None:
    base = f"{FILES}/tiny.qcow2"
    image = host.image("uefi.qcow2", "-f", "qcow2", "-F", "qcow2", "-b", base, "64M")
    disk = DISK.format(
        device="disk", format="qcow2", file=image, target="sda", bus="scsi", serial="root2",
        more="",
    )  # fmt: skip
    guest = host.start("uefi", UEFI_BOOT, disk + CHANNEL, firmware="firmware='efi'")
    guest.wait_ready()
    report = guest.report()
    assert report["firmware"] == "efi"
    assert [disk["serial"] for disk in report["disks"]] == ["root2"]


def test_a_reboot_is_seen(clone: TinyGuest) -> None:
    clone.reboot()
    assert clone.wait_ready()["name"] == "clone-7"


def test_the_power_button_ends_it(direct: TinyGuest) -> None:
    direct.virsh("shutdown", "direct", "--mode", "acpi")
    direct.wait_state("shut off")


def test_poweroff_ends_it(clone: TinyGuest) -> None:
    clone.poweroff()
