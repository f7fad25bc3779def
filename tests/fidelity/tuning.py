"""How others tune a VM by calls of libvirt: `virsh schedinfo`, `iothreadadd`, `desc`, and the like.

Each act takes a random source, the domain, and whether to act on what is stored, what runs or both;
it says what it was, or nothing where it had nothing to do. What libvirt refuses, it raises.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from random import Random
from typing import Any

import libvirt

Act = Callable[[Random, Any, int], str]

CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
STORED = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
# Hardware that is added by virt-manager, virt-xml --add-device or virsh attach-device.
HARDWARE = (
    '<rng model="virtio"><backend model="random">/dev/urandom</backend></rng>',
    '<rng model="virtio"><backend model="builtin"/></rng>',
    '<input type="tablet" bus="usb"/>',
    '<input type="keyboard" bus="virtio"/>',
    '<channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>',
    '<channel type="unix"><target type="virtio" name="org.example.live"/></channel>',
    '<watchdog model="i6300esb" action="reset"/>',
    '<sound model="ich9"/>',
    '<serial type="pty"/>',
    '<console type="pty"><target type="virtio"/></console>',
    '<vsock model="virtio"><cid auto="yes"/></vsock>',
    '<panic model="pvpanic"/>',
    '<tpm model="tpm-crb"><backend type="emulator" version="2.0"/></tpm>',
    '<controller type="usb" model="qemu-xhci"/>',
    '<redirdev bus="usb" type="spicevmc"/>',
    '<hostdev mode="subsystem" type="usb"><source startupPolicy="optional"><vendor id="0x1d6b"/>'
    '<product id="0x0104"/></source></hostdev>',
    '<filesystem type="mount"><source dir="/srv"/><target dir="data"/></filesystem>',
    '<memory model="dimm"><target><size unit="MiB">128</size><node>0</node></target></memory>',
    '<video><model type="virtio"/></video>',
    '<graphics type="vnc" port="-1" autoport="yes"/>',
)


def _tree(domain: Any) -> ET.Element:
    return ET.fromstring(domain.XMLDesc(STORED))


def _text(element: ET.Element) -> str:
    return ET.tostring(element, encoding="unicode")


def schedinfo(rng: Random, domain: Any, flags: int) -> str:
    said = rng.choice([{"cpu_shares": 300}, {"vcpu_period": 100000, "vcpu_quota": 50000},
                       {"global_quota": 70000}, {"emulator_quota": -1}])  # fmt: skip
    domain.setSchedulerParametersFlags(said, flags)
    return f"virsh schedinfo {said}"


def memtune(_rng: Random, domain: Any, flags: int) -> str:
    domain.setMemoryParameters({"soft_limit": 400000}, flags)
    return "virsh memtune"


def blkiotune(_rng: Random, domain: Any, flags: int) -> str:
    domain.setBlkioParameters({"weight": 300}, flags)
    return "virsh blkiotune"


def pin(rng: Random, domain: Any, flags: int) -> str:
    if rng.random() < 0.5:
        domain.pinVcpuFlags(0, (True,), flags)
        return "virsh vcpupin"
    domain.pinEmulator((True,), flags)
    return "virsh emulatorpin"


def iothread(rng: Random, domain: Any, flags: int) -> str:
    number = rng.randint(1, 3)
    if rng.random() < 0.6:
        domain.addIOThread(number, flags)
        return f"virsh iothreadadd {number}"
    if rng.random() < 0.5:
        domain.pinIOThread(number, (True,), flags)
        return f"virsh iothreadpin {number}"
    domain.delIOThread(number, flags)
    return f"virsh iothreaddel {number}"


def maximum(rng: Random, domain: Any, _flags: int) -> str:
    if rng.random() < 0.5:
        count = rng.randint(1, 4)
        domain.setVcpusFlags(count, CONFIG | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)
        return f"virsh setvcpus --maximum {count}"
    mib = rng.choice([170, 190, 210])
    domain.setMemoryFlags(mib * 1024, CONFIG | libvirt.VIR_DOMAIN_MEM_MAXIMUM)
    return f"virsh setmaxmem {mib}MiB"


def vcpu(rng: Random, domain: Any, _flags: int) -> str:
    count = int(_tree(domain).findtext("vcpu") or 1)
    if count < 2:
        return ""
    number, enabled = rng.randint(1, count - 1), rng.random() < 0.5
    domain.setVcpu(str(number), enabled, CONFIG)
    return f"virsh setvcpu {number} --config {enabled}"


def words(rng: Random, domain: Any, flags: int) -> str:
    kinds = {
        libvirt.VIR_DOMAIN_METADATA_TITLE: [" by hand ", "a title", None],
        libvirt.VIR_DOMAIN_METADATA_DESCRIPTION: ["\n  over\n  lines\n", "tab\there", None],
    }
    kind = rng.choice(list(kinds))
    text = rng.choice(kinds[kind])
    domain.setMetadata(kind, text, None, None, flags)
    return f"virsh desc {text!r}"


def lifecycle(rng: Random, domain: Any, flags: int) -> str:
    kind, action = rng.choice(
        [(libvirt.VIR_DOMAIN_LIFECYCLE_CRASH, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_PRESERVE),
         (libvirt.VIR_DOMAIN_LIFECYCLE_POWEROFF, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY)]
    )  # fmt: skip
    domain.setLifecycleAction(kind, action, flags)
    return f"virsh set-lifecycle-action {kind} {action}"


def disk_limits(rng: Random, domain: Any, flags: int) -> str:
    targets = _tree(domain).findall("devices/disk[@device='disk']/target")
    if not targets:
        return ""
    target = rng.choice(targets).get("dev")
    said = rng.choice(
        [{"group_name": "g", "total_iops_sec": 900, "total_iops_sec_max": 1900},
         {"read_bytes_sec": 4096000, "write_bytes_sec": 2048000},
         {"total_bytes_sec": 0, "total_iops_sec": 0},
         {"size_iops_sec": 4096, "read_iops_sec": 100}]
    )  # fmt: skip
    domain.setBlockIoTune(target, said, flags)
    return f"virsh blkdeviotune {target} {said}"


def nic_limits(_rng: Random, domain: Any, _flags: int) -> str:
    mac = _tree(domain).find("devices/interface/mac")
    if mac is None:
        return ""
    limits = {"inbound.average": 200, "inbound.peak": 400, "outbound.average": 300}
    domain.setInterfaceParameters(mac.get("address"), limits, CONFIG)
    return "virsh domiftune --config"


def block_resize(_rng: Random, domain: Any, _flags: int) -> str:
    disk = _tree(domain).find("devices/disk[@device='disk']")
    if disk is None or not domain.isActive():
        return ""
    target = disk.find("target").get("dev")
    size = domain.blockInfo(target)[0] + 2**20
    domain.blockResize(target, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    return f"virsh blockresize {target} {size}"


def update(rng: Random, domain: Any, _flags: int) -> str:
    """What virt-manager's details of a device write, and virt-xml --edit."""
    root = _tree(domain)
    found = [*root.iterfind("devices/disk[@device='disk']"), *root.iterfind("devices/interface"),
             *root.iterfind("devices/graphics")]  # fmt: skip
    if not found:
        return ""
    device = rng.choice(found)
    if device.tag == "graphics":
        device.set("passwd", "other")
    elif device.tag == "disk":
        driver = device.find("driver")
        (ET.SubElement(device, "driver", name="qemu") if driver is None else driver).set(
            rng.choice(["cache", "discard"]), "unmap" if driver is None else "none"
        )
        if driver is not None and driver.get("discard") == "none":
            driver.set("discard", "unmap")
    else:
        device.find("model").set("type", rng.choice(["virtio", "e1000e", "rtl8139"]))
    domain.updateDeviceFlags(_text(device), CONFIG)
    return f"virsh update-device --config: {device.tag}"


def add_hardware(rng: Random, domain: Any, flags: int) -> str:
    text = rng.choice(HARDWARE)
    domain.attachDeviceFlags(text, flags)
    return f"virsh attach-device {text} ({flags})"


def remove_hardware(rng: Random, domain: Any, _flags: int) -> str:
    """virt-manager's and virt-xml's way for what libvirt detaches, and for what it does not."""
    root = _tree(domain)
    devices = root.find("devices")
    kinds = ("rng", "input", "sound", "channel", "watchdog", "console", "video", "graphics",
             "controller", "memballoon", "serial", "hostdev", "filesystem", "tpm", "vsock",
             "panic", "disk", "interface", "audio")  # fmt: skip
    found = [device for device in devices if device.tag in kinds]
    device = rng.choice(found)
    if rng.random() < 0.5:
        domain.detachDeviceFlags(_text(device), CONFIG)
    else:
        devices.remove(device)
        domain.connect().defineXML(_text(root))
    return f"virt-xml --remove-device {device.tag}"


def written_anew(rng: Random, domain: Any, _flags: int) -> str:
    """A program that defines it from what it knows: metadata go, or names, or places."""
    root = _tree(domain)
    what = rng.choice(["metadata", "aliases", "addresses"])
    if what == "metadata":
        for part in root.findall("metadata"):
            root.remove(part)
    for device in root.find("devices"):
        for part in device.findall({"aliases": "alias", "addresses": "address"}.get(what, "-")):
            if what == "aliases" or (part.get("type") == "pci" and device.tag != "controller"):
                device.remove(part)
    domain.connect().defineXML(_text(root))
    return f"defined anew without its {what}"


def checkpoint(rng: Random, domain: Any, _flags: int) -> str:
    name = f"c{rng.randint(1, 9)}"
    domain.checkpointCreateXML(f"<domaincheckpoint><name>{name}</name></domaincheckpoint>")
    return f"virsh checkpoint-create-as {name}"


ACTS: tuple[Act, ...] = (
    *(schedinfo, memtune, blkiotune, pin, iothread, maximum, vcpu, words, words, lifecycle),
    *(disk_limits, nic_limits, block_resize, update, update, add_hardware, add_hardware),
    *(add_hardware, remove_hardware, remove_hardware, written_anew, checkpoint),
)
