"""VMs that others made, as virt-install, virt-manager and people do, and declarations of them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from random import Random
from typing import Any

from fidelity.place import Args, Place, Step
from fidelity.vms import Vm

OSINFO = """<metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://debian.org/debian/12"/>
    </libosinfo:libosinfo>
  </metadata>"""
TIMERS = """<clock offset="{offset}">
    <timer name="rtc" tickpolicy="catchup"/><timer name="pit" tickpolicy="delay"/>
    <timer name="hpet" present="no"/>{more}
  </clock>"""
PM = "<pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>"
PORTS = "<controller type='pci' model='pcie-root'/>" + 10 * (
    "<controller type='pci' model='pcie-root-port'/>"
)
NIC = """<interface type="{type}"><source {type}="{where}"/><mac address="{mac}"/>
    <model type="{model}"/></interface>"""

# virt-install --osinfo debian12
LINUX = """<domain type="qemu">
  <name>{name}</name>
  {osinfo}
  <memory unit="KiB">196608</memory><currentMemory unit="KiB">196608</currentMemory>
  <vcpu>2</vcpu>
  <os><type arch="x86_64" machine="q35">hvm</type><boot dev="hd"/></os>
  <features><acpi/><apic/></features>
  <cpu mode="custom" match="exact"><model>qemu64</model></cpu>
  {clock}{pm}
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type="file" device="disk"><driver name="qemu" type="qcow2" discard="unmap"/>
      <source file="{disk}"/><target dev="vda" bus="virtio"/></disk>
    <disk type="file" device="cdrom"><driver name="qemu" type="raw"/><target dev="sda" bus="sata"/>
      <readonly/></disk>
    <controller type="usb" model="qemu-xhci" ports="15"/>
    {ports}
    {nic}
    <console type="pty"/>
    <channel type="unix"><source mode="bind"/><target type="virtio" name="org.qemu.guest_agent.0"/>
    </channel>
    <input type="tablet" bus="usb"/>
    <graphics type="vnc" port="-1"/>
    <video><model type="virtio" heads="1"/></video>
    <memballoon model="virtio"/>
    <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
  </devices>
</domain>"""

# virt-manager, for Windows
WINDOWS = """<domain type="qemu">
  <name>{name}</name>
  <title>Windows</title>
  <memory>196608</memory><currentMemory>180224</currentMemory>
  <vcpu placement="static" current="2">4</vcpu>
  <os><type arch="x86_64" machine="q35">hvm</type><bootmenu enable="yes"/></os>
  <features><acpi/><apic/><hyperv mode="custom"><relaxed state="on"/><vapic state="on"/>
    <spinlocks state="on" retries="8191"/></hyperv><vmport state="off"/></features>
  <cpu mode="custom" match="exact" check="none"><model fallback="allow">qemu64</model>
    <topology sockets="1" dies="1" cores="4" threads="1"/></cpu>
  {clock}{pm}
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type="file" device="disk"><driver name="qemu" type="qcow2" cache="none"/>
      <source file="{disk}"/><target dev="sda" bus="sata"/><boot order="1"/></disk>
    <disk type="file" device="cdrom"><driver name="qemu" type="raw"/><source file="{medium}"/>
      <target dev="sdb" bus="sata"/><readonly/><boot order="2"/></disk>
    {ports}
    {nic}
    <serial type="pty"/>
    <input type="tablet" bus="usb"/>
    <sound model="ich9"/>
    <graphics type="vnc" port="-1" autoport="yes" listen="127.0.0.1" passwd="secret"/>
    <video><model type="qxl" ram="65536" vram="65536" vgamem="16384" heads="1"/></video>
  </devices>
</domain>"""

# virsh define, by a person, long ago
OLD = """<domain type="qemu">
  <name>{name}</name>
  <description>Made by hand
and not to be touched </description>
  <memory unit="MiB">160</memory>
  <vcpu cpuset="0">1</vcpu>
  <os><type machine="pc">hvm</type><boot dev="hd"/><boot dev="network"/></os>
  <features><acpi/><pae/></features>
  {clock}
  <on_reboot>restart</on_reboot>
  <devices>
    <disk type="file" device="disk"><source file="{disk}"/><driver name="qemu" type="qcow2"/>
      <target dev="hda" bus="ide"/></disk>
    <disk type="file" device="disk"><source file="{second}"/><driver name="qemu" type="raw"/>
      <target dev="hdc" bus="virtio"/><serial>DATA</serial></disk>
    {nic}
    {nic2}
    <serial type="pty"><target port="0"/></serial>
    <serial type="file"><source path="/var/log/libvirt/qemu/{name}.log"/><target port="1"/></serial>
    <graphics type="vnc"/>
    <video><model type="cirrus"/></video>
    <watchdog model="i6300esb" action="poweroff"/>
  </devices>
</domain>"""

# An image of a cloud, imported: no screen, a seed, scsi
CLOUD = """<domain type="qemu">
  <name>{name}</name>
  {osinfo}
  <memory unit="KiB">163840</memory>
  <vcpu>2</vcpu>
  <iothreads>1</iothreads>
  <cputune><shares>512</shares></cputune>
  <sysinfo type="smbios"><system><entry name="serial">ds=nocloud</entry></system></sysinfo>
  <os firmware="efi"><type arch="x86_64" machine="q35">hvm</type><smbios mode="sysinfo"/></os>
  <features><acpi/><apic/></features>
  <cpu mode="maximum"/>
  {clock}
  <devices>
    <controller type="scsi" model="virtio-scsi"><driver iothread="1"/></controller>
    <disk type="file" device="disk"><driver name="qemu" type="qcow2" io="threads"/>
      <source file="{disk}"/><target dev="sda" bus="scsi"/><wwn>5000c50015ea71ad</wwn></disk>
    <disk type="file" device="cdrom"><driver name="qemu" type="raw"/><source file="{medium}"/>
      <target dev="sdz" bus="sata"/><readonly/></disk>
    {ports}
    {nic}
    <serial type="pty"/>
    <video><model type="none"/></video>
    <memballoon model="virtio" autodeflate="on"><stats period="5"/></memballoon>
    <panic model="isa"/>
  </devices>
</domain>"""

TEMPLATES = {"linux": LINUX, "windows": WINDOWS, "old": OLD, "cloud": CLOUD}


def made_by_others(rng: Random, place: Place, name: str) -> str:
    """A definition with disks in the place's folder; one of them in a directory of its own."""
    text = TEMPLATES[rng.choice(sorted(TEMPLATES))]
    macs = [f"52:54:00:{rng.randrange(256):02x}:{rng.randrange(256):02x}:{n:02x}" for n in (2, 3)]
    nics = [_nic(rng, place, mac) for mac in macs]
    offset = rng.choice(["utc", "localtime"])
    hyper = '<timer name="hypervclock" present="yes"/>' if text is WINDOWS else ""
    if text is WINDOWS or text is OLD or rng.random() < 0.5:
        clock = TIMERS.format(offset=offset, more=hyper)
    else:
        clock = f'<clock offset="{offset}"/>'
    return text.format(
        name=name, osinfo=OSINFO if rng.random() < 0.7 else "", clock=clock,
        pm=PM if rng.random() < 0.7 else "", ports=PORTS, nic=nics[0], nic2=nics[1],
        disk=f"{place.folder}/one.qcow2", second=f"{place.folder}/three.raw",
        medium=f"{place.folder}/four.raw",
    )  # fmt: skip


def _nic(rng: Random, place: Place, mac: str) -> str:
    kind, where = rng.choice([("network", place.vswitch), ("bridge", place.bridge)])
    return NIC.format(type=kind, where=where, mac=mac, model=rng.choice(["virtio", "e1000e"]))


class Adopted(Vm):
    """Declarations of a VM that others made: of what it has, by names of its own, and of more."""

    def __init__(self, rng: Random, name: str, place: Place) -> None:
        super().__init__(rng, name, place)
        self.cpus = 1
        self.memory_mib = 160
        self.found: dict[str, list[Args]] = {"disks": [], "cdroms": [], "nics": []}

    def steps(self) -> Iterator[Step]:
        """How it changes; it is there."""
        while True:
            args = self.first() if self.gone else self.change()
            args.pop("purge", None)
            for kind, things in self.found.items():
                mine = [dict(one) for one in things if self.rng.random() < 0.4]
                known = {one["name"] for one in args.get(kind, [])}
                args[kind] = [*args.get(kind, []), *(m for m in mine if m["name"] not in known)]
            yield "vm", {option: value for option, value in args.items() if value != []}

    def learn(self, seen: dict[str, str]) -> None:
        super().learn(seen)
        text = seen.get(f"vm/{self.name} stored")
        self.found = {"disks": [], "cdroms": [], "nics": []}
        if text is None:
            return
        root = ET.fromstring(text)
        for number, disk in enumerate(root.iterfind("devices/disk[@device='disk']")):
            self.found["disks"] += _by_source(disk, f"old{number}")
        for number, nic in enumerate(root.iterfind("devices/interface")):
            if not _named(nic):
                self.found["nics"] += [{"name": f"net{number}", "mac": _mac(nic)}]


def _named(device: ET.Element) -> bool:
    alias = device.find("alias")
    return alias is not None and (alias.get("name") or "").startswith("ua-")


def _mac(nic: ET.Element) -> Any:
    mac = nic.find("mac")
    return None if mac is None else mac.get("address")


def _by_source(disk: ET.Element, name: str) -> list[Args]:
    source = disk.find("source")
    if _named(disk) or source is None or not source.get("file"):
        return []
    return [{"name": name, "file": source.get("file")}]
