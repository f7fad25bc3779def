# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain's tree: what it says, and how it is edited so that fields which hang together agree."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.codecs import Value
from ansible_collections.kvm.fleet.plugins.module_utils.fields import (
    Key,
    Values,
    edit,
    items_of,
    values_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import extra, memory
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.table import (
    CDROMS,
    DISKS,
    ROWS,
    name_disk,
)
from ansible_collections.kvm.fleet.plugins.module_utils.mark import put_mark
from ansible_collections.kvm.fleet.plugins.module_utils.xmltree import Element

FLEET_UUID = uuid.UUID("6f1d6b55-6e7c-5b0e-9f3a-3f0f6a5a2c11")  # the namespace of derived UUIDs
SPARE_PORTS = 4  # PCIe root ports left free, so that devices can be plugged into a running VM
PREFIX_OF_BUS = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}


def derived_uuid(name: str) -> str:
    """The UUID of a new VM: the same for the same name, so a re-created VM is the same VM."""
    return str(uuid.uuid5(FLEET_UUID, f"vm/{name}"))


def derived_mac(vm: str, nic: str) -> str:
    """The MAC of a new NIC without one, in QEMU's range 52:54:00, the same for the same names."""
    digest = hashlib.sha256(f"kvm.fleet/{vm}/{nic}".encode()).hexdigest()
    return "52:54:00:" + ":".join(digest[place : place + 2] for place in (0, 2, 4))


def new_domain(name: str, arch: str) -> Element:
    """A bare domain, to be edited like one that exists."""
    domain = xmltree.Element("domain")
    xmltree.put(domain, "name", name)
    xmltree.put(domain, "uuid", derived_uuid(name))
    put_mark(domain)
    xmltree.put(domain, "os/type", "hvm")
    xmltree.put(domain, "os/type/@arch", arch)
    for feature in ("acpi", "apic") if arch in ("x86_64", "i686") else ():
        xmltree.put(domain, f"features/{feature}", "")
    xmltree.ensure(domain, "devices")
    return domain


# ---- reading


def restarting(domain: Element) -> str | None:
    """The state that a run was to bring it back to which restarts it, or was interrupted then."""
    return xmltree.get(domain, "metadata/fleet-restart:restart/@to")


def domain_values(domain: Element, record: str | None = None) -> Values:
    """All values of a domain, with what libvirt leaves unsaid filled in.

    `record` is the extra_xml to look for; by default what the domain itself has recorded.
    """
    values = values_of(ROWS, domain)
    if values[("cpu", "count")] is None:
        values[("cpu", "count")] = values[("cpu", "maximum")]
    if xmltree.get(domain, "os/loader/@type") == "pflash":
        values[("firmware",)] = "efi"  # libvirt drops the attribute once it has chosen a firmware
    if xmltree.get(domain, "devices/graphics/@autoport") == "yes":
        values[("graphics", "port")] = -1
    if values[("serial", "type")] == "pty":
        values[("serial", "path")] = ""
    wanted = extra.recorded(domain) if record is None else record
    values[("extra_xml",)] = wanted if extra.holds(domain, wanted) else ""
    return values


def live_values(live: Element, stored: Values) -> Values:
    """The values of what runs, without what libvirt draws anew at each start."""
    values = domain_values(live, stored[("extra_xml",)])
    for key, value in stored.items():
        if _drawn_at_start(key) and not value and key in values:
            values[key] = value
    # What the balloon holds right now is the guest's affair: it follows when its driver is up, and
    # libvirt does not tell the target that was set. So the stored size is what counts.
    values[("memory", "size")] = stored[("memory", "size")]
    return values


def _drawn_at_start(key: Key) -> bool:
    """Whether libvirt chooses a value at each start where the definition says none."""
    return key == ("graphics", "listen") or (key[0] == "channels" and key[-1] == "path")


# ---- editing


def edited(domain: Element, want: Mapping[Key, Value]) -> Element:
    """A copy of the domain with these values, and what hangs together with them made to agree."""
    after = xmltree.clone(domain)
    before = domain_values(domain) if domain.find("vcpu") is not None else {}
    edit(ROWS, after, want)
    changed = {key for key, value in want.items() if before.get(key) != value}
    _agree_cpu(after, changed)
    _agree_firmware(after, changed)
    _agree_boot(after)
    _agree_console(after, changed)
    _agree_graphics(after, changed)
    _agree_singletons(after, changed)
    _agree_disks(after, changed)
    _agree_bandwidth(after)
    if ("extra_xml",) in want:
        extra.replace(after, want[("extra_xml",)])
    memory.agree(after)
    return after


def _agree_cpu(domain: Element, changed: set[Key]) -> None:
    vcpus = domain.find("vcpus")
    if vcpus is not None and changed & {("cpu", "count"), ("cpu", "maximum")}:
        domain.remove(vcpus)  # it lists each vCPU, and libvirt refuses a list that does not add up
    cpu = domain.find("cpu")
    if cpu is None:
        return
    if ("cpu", "model") in changed and ("cpu", "mode") not in changed:
        cpu.set("mode", "custom")
    if cpu.get("mode") in ("host-passthrough", "host-model", "maximum"):
        for tag in ("model", "vendor"):
            for element in cpu.findall(tag):
                cpu.remove(element)
    topology = cpu.find("topology")
    if topology is not None:
        for part in ("sockets", "cores", "threads"):
            topology.set(part, topology.get(part, "1"))


def _agree_firmware(domain: Element, changed: set[Key]) -> None:
    system = xmltree.ensure(domain, "os")
    if changed & {("firmware",), ("secure_boot",)}:
        for tag in ("loader", "nvram"):  # chosen by libvirt for the former firmware
            for element in system.findall(tag):
                system.remove(element)
    if system.get("firmware") is None:
        for element in system.findall("firmware"):
            system.remove(element)
    elif xmltree.get(system, "firmware/feature[@name='secure-boot']/@enabled") == "yes":
        xmltree.put(domain, "features/smm/@state", "on")


def _agree_boot(domain: Element) -> None:
    system = xmltree.ensure(domain, "os")
    if domain.find("devices/*/boot") is not None:
        for element in system.findall("boot"):  # libvirt refuses both ways at once
            system.remove(element)


def _agree_console(domain: Element, changed: set[Key]) -> None:
    if not changed & {("serial", "type"), ("serial", "path")}:
        return
    devices = xmltree.ensure(domain, "devices")
    for console in devices.findall("console"):  # libvirt derives it from the serial port again
        if xmltree.get(console, "target/@type") in (None, "serial"):
            devices.remove(console)
    for serial in devices.findall("serial"):
        if serial.get("type") == "unix" and serial.find("source") is not None:
            xmltree.put(serial, "source/@mode", "bind")
        if serial.get("type") == "pty":
            xmltree.put(serial, "source!/@path", None)


def _agree_graphics(domain: Element, changed: set[Key]) -> None:
    graphics = domain.find("devices/graphics")
    if graphics is None or not any(key[0] == "graphics" for key in changed):
        return
    if {("graphics", "listen"), ("graphics", "type")} & changed:
        for listen in graphics.findall("listen"):  # has to say the same as the attribute
            graphics.remove(listen)
    graphics.set("autoport", "no" if int(graphics.get("port", "-1")) > 0 else "yes")


def _agree_singletons(domain: Element, changed: set[Key]) -> None:
    """What a device needs beside what was said of it; one that is there keeps what it has."""
    for rng in xmltree.find_all(domain, "devices/rng"):
        rng.set("model", rng.get("model", "virtio"))
        backend = xmltree.ensure(rng, "backend")
        backend.set("model", backend.get("model", "random"))
    for tpm in xmltree.find_all(domain, "devices/tpm"):
        backend = xmltree.ensure(tpm, "backend")
        backend.set("type", backend.get("type", "emulator"))
    model = domain.find("devices/video/model")
    if ("video",) in changed and model is not None:  # its memory was that of the former model
        kind = model.get("type", "")
        model.attrib.clear()
        model.set("type", kind)
        xmltree.put(domain, "devices/video/address!", None)
    if ("watchdog", "model") in changed:  # each model has its own bus
        xmltree.put(domain, "devices/watchdog/address!", None)


def _agree_disks(domain: Element, changed: set[Key]) -> None:
    disks = xmltree.find_all(domain, "devices/disk")
    for row in (DISKS, CDROMS):
        for name, disk in items_of(row, domain).items():
            if (row.name, name, "bus") in changed:
                xmltree.put(disk, "address!", None)  # it is one on the former bus
                name_disk(disk, name)  # its target may change, and what others made is known by it
            if (row.name, name, "source") in changed:
                xmltree.put(disk, "backingStore!", None)  # that of the former image
    for disk in disks:
        _place_on_bus(disk, disks)
    if any(xmltree.get(disk, "target/@bus") == "scsi" for disk in disks):
        devices = xmltree.ensure(domain, "devices")
        if not any(c.get("type") == "scsi" for c in devices.findall("controller")):
            controller = xmltree.parse('<controller type="scsi" index="0" model="virtio-scsi"/>')
            devices.append(controller)


def _place_on_bus(disk: Element, disks: list[Element]) -> None:
    """Give a disk without a fitting target the first free one of its bus (`vda`, `sdb`)."""
    target = xmltree.ensure(disk, "target")
    prefix = PREFIX_OF_BUS.get(target.get("bus", ""), "")
    if not prefix or target.get("dev", "").startswith(prefix):
        return
    taken = {xmltree.get(other, "target/@dev") for other in disks}
    target.set("dev", next(dev for dev in _targets(prefix) if dev not in taken))


def _agree_bandwidth(domain: Element) -> None:
    """A peak and a burst go with their average; libvirt refuses them without it."""
    for nic in xmltree.find_all(domain, "devices/interface"):
        for way in ("inbound", "outbound"):
            if xmltree.get(nic, f"bandwidth/{way}/@average") is None:
                xmltree.put(nic, f"bandwidth/{way}/@peak", None)
                xmltree.put(nic, f"bandwidth/{way}/@burst", None)


def _targets(prefix: str) -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [prefix + one for one in letters] + [prefix + a + b for a in letters for b in letters]


def add_spare_ports(domain: Element) -> None:
    """Give a new q35 VM a root port for each of its PCI devices, and some to spare.

    libvirt adds ports as devices need them, and leaves none free for a device that comes later.
    """
    if "q35" not in (xmltree.get(domain, "os/type/@machine") or ""):
        return
    devices = xmltree.ensure(domain, "devices")
    root = xmltree.parse('<controller type="pci" index="0" model="pcie-root"/>')
    devices.append(root)
    for index in range(1, _pci_devices(devices) + SPARE_PORTS + 1):
        port = f'<controller type="pci" index="{index}" model="pcie-root-port"/>'
        devices.append(xmltree.parse(port))


def _pci_devices(devices: Element) -> int:
    disks = sum(xmltree.get(d, "target/@bus") == "virtio" for d in devices.findall("disk"))
    others = sum(len(devices.findall(tag)) for tag in ("interface", "rng", "hostdev", "watchdog"))
    balloon = devices.find("memballoon[@model='virtio']") is not None
    controllers = 2 + (devices.find("channel") is not None)  # USB, SATA or SCSI; virtio-serial
    return disks + others + balloon + controllers
