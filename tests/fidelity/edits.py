"""What people write with `virsh edit` into the definition of a VM: mostly what no option is about.

Each edit takes a random source and the definition, and changes it in place; where it has nothing to
do there, it returns without a change. What libvirt does not take is left out by the caller.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from random import Random

Element = ET.Element
Edit = Callable[[Random, Element], None]

NOTES = (
    '<note:note xmlns:note="urn:example:note"><!-- by hand --><note:by who="backup"/></note:note>',
    '<job xmlns="urn:example:job"><keep days="7"/><!--two--><?tool go?></job>',
    '<a:x xmlns:a="urn:example:a" xmlns:b="urn:example:b"><b:y b:z="&lt;1&gt;"> text </b:y></a:x>',
    '<cockpit:info xmlns:cockpit="urn:example:cockpit" install="no"/>',
    '<os:libosinfo xmlns:os="http://libosinfo.org/xmlns/libvirt/domain/1.0">'
    '<os:os id="http://debian.org/debian/12"/></os:libosinfo>',
)
DEVICES = (
    '<input type="tablet" bus="virtio"/>',
    '<input type="keyboard" bus="virtio"/>',
    '<sound model="ich9"/>',
    '<sound model="ac97"/>',
    '<redirdev bus="usb" type="tcp"><source mode="connect" host="localhost" service="4000"/>'
    '<protocol type="raw"/></redirdev>',
    '<panic model="isa"/>',
    '<parallel type="null"/>',
    '<channel type="unix"><target type="virtio" name="org.example.other"/></channel>',
    '<channel type="null"><target type="virtio" name="org.example.null"/></channel>',
    '<shmem name="other"><model type="ivshmem-plain"/><size unit="M">4</size></shmem>',
    '<controller type="scsi" model="virtio-scsi"/>',
    '<controller type="usb" model="qemu-xhci" ports="8"/>',
    '<controller type="virtio-serial" ports="16"/>',
    '<rng model="virtio"><rate bytes="1024" period="1000"/><backend model="random">/dev/random'
    "</backend></rng>",
    '<hub type="usb"/>',
    '<filesystem type="mount" accessmode="mapped"><source dir="/srv"/><target dir="srv"/>'
    "</filesystem>",
)
TOP = (
    "<cputune><shares>512</shares><emulatorpin cpuset='0'/></cputune>",
    "<cputune><vcpupin vcpu='0' cpuset='0'/><period>100000</period><quota>50000</quota></cputune>",
    # No hard_limit: with it libvirt locks the memory of a VM whose pages are not shared, which not
    # every machine that tests lets it do.
    "<memtune><soft_limit unit='MiB'>512</soft_limit></memtune>",
    "<blkiotune><weight>500</weight></blkiotune>",
    "<numatune><memory mode='preferred' nodeset='0'/></numatune>",
    "<genid>e9392370-2917-565e-692b-d057f46512d6</genid>",
    "<sysinfo type='smbios'><system><entry name='serial'>X-1</entry></system></sysinfo>",
    "<pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>",
    "<perf><event name='cmt' enabled='no'/></perf>",
    "<memoryBacking><nosharepages/></memoryBacking>",
    "<resource><partition>/machine</partition></resource>",
    "<iothreads>2</iothreads>",
)
CLOCKS = (
    '<clock offset="variable" adjustment="120" basis="utc"/>',
    '<clock offset="timezone" timezone="Europe/Paris"/>',
    '<clock offset="localtime"><timer name="hpet" present="no"/></clock>',
    '<clock offset="utc"><timer name="rtc" tickpolicy="catchup"/><timer name="pit" '
    'tickpolicy="delay"/></clock>',
)
FEATURES = (
    '<vmport state="off"/>',
    "<pae/>",
    '<hap state="on"/>',
    '<pmu state="off"/>',
    '<ioapic driver="kvm"/>',
    '<kvm><hidden state="on"/></kvm>',
    '<hyperv mode="custom"><vapic state="on"/><spinlocks state="on" retries="8191"/></hyperv>',
)
CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"


def _child(parent: Element, tag: str) -> Element:
    found = parent.find(tag)
    return ET.SubElement(parent, tag) if found is None else found


def _replace(root: Element, text: str) -> None:
    new = ET.fromstring(text)
    for old in root.findall(new.tag):
        root.remove(old)
    root.append(new)


def targets(rng: Random, root: Element) -> None:
    """Names of disks for the guest that the bus does not go with."""
    disks = [d for d in root.iterfind("devices/disk/target") if d.get("bus") in ("virtio", "scsi")]
    letters = rng.sample("fghijklm", len(disks))
    for target, letter in zip(disks, letters):
        target.set("dev", f"{rng.choice(['hd', 'sd', 'vd', 'xvd'])}{letter}")


def serial_ports(rng: Random, root: Element) -> None:
    devices = _child(root, "devices")
    taken = len(devices.findall("serial"))
    for port in range(taken, min(taken + rng.randint(1, 2), 4)):
        kind = rng.choice(["pty", "null"])
        serial = ET.SubElement(devices, "serial", type=kind)
        ET.SubElement(serial, "target", port=str(port))


def boot_devices(rng: Random, root: Element) -> None:
    if root.find("devices/*/boot") is not None:
        return
    os = _child(root, "os")
    for old in os.findall("boot"):
        os.remove(old)
    for dev in rng.sample(["hd", "network", "cdrom"], rng.randint(1, 3)):
        ET.SubElement(os, "boot", dev=dev)
    _child(os, "bootmenu").set("enable", rng.choice(["yes", "no"]))


def loader_by_path(_rng: Random, root: Element) -> None:
    """UEFI without libvirt's choosing: where its code and its variables are."""
    os = _child(root, "os")
    if "q35" not in (os.find("type").get("machine") or ""):
        return
    os.attrib.pop("firmware", None)
    for tag in ("firmware", "loader", "nvram"):
        for old in os.findall(tag):
            os.remove(old)
    ET.SubElement(os, "loader", readonly="yes", type="pflash").text = CODE
    name = root.findtext("name")
    ET.SubElement(os, "nvram").text = f"/var/lib/libvirt/images/{name}-by-hand.fd"


def top(rng: Random, root: Element) -> None:
    _replace(root, rng.choice(TOP))


def clock(rng: Random, root: Element) -> None:
    _replace(root, rng.choice(CLOCKS))


def words(rng: Random, root: Element) -> None:
    """What options are about as well: the next declaration may say otherwise, or nothing."""
    tag = rng.choice(["title", "description"])
    _replace(root, f"<{tag}>{rng.choice(['by hand', 'x &amp; y', 'ünï'])}</{tag}>")


def life(rng: Random, root: Element) -> None:
    _replace(root, f"<on_crash>{rng.choice(['destroy', 'preserve'])}</on_crash>")


def devices(rng: Random, root: Element) -> None:
    for text in rng.sample(DEVICES, rng.randint(1, 2)):
        _child(root, "devices").append(ET.fromstring(text))


def features(rng: Random, root: Element) -> None:
    new = ET.fromstring(rng.choice(FEATURES))
    place = _child(root, "features")
    if place.find(new.tag) is None:
        place.append(new)


def cpu(rng: Random, root: Element) -> None:
    place = _child(root, "cpu")
    if rng.random() < 0.5 and place.find("model") is not None:
        name = rng.choice(["aes", "x2apic", "rdrand"])
        if place.find(f"feature[@name='{name}']") is None:
            ET.SubElement(place, "feature", policy="disable", name=name)
    elif place.find("numa") is None:
        count = int(root.findtext("vcpu") or 1)
        numa = ET.SubElement(place, "numa")
        memory = root.find("memory")
        ET.SubElement(
            numa, "cell", id="0", cpus=f"0-{count - 1}", memory=memory.text or "", unit="KiB"
        )


def disk_details(rng: Random, root: Element) -> None:
    for disk in root.iterfind("devices/disk[@device='disk']"):
        driver = _child(disk, "driver")
        name, value = rng.choice(
            [("error_policy", "stop"), ("detect_zeroes", "on"), ("copy_on_read", "on"),
             ("queues", "2"), ("rerror_policy", "report")]
        )  # fmt: skip
        driver.set(name, value)
        if rng.random() < 0.3 and disk.find("wwn") is None and "scsi" in ET.tostring(disk).decode():
            ET.SubElement(disk, "wwn").text = "5000c50015ea71ac"


def nic_details(rng: Random, root: Element) -> None:
    for nic in root.iterfind("devices/interface"):
        text = rng.choice(
            ['<rom bar="off"/>', '<driver name="qemu"/>',
             '<coalesce><rx><frames max="7"/></rx></coalesce>',
             '<tune><sndbuf>1600</sndbuf></tune>']
        )  # fmt: skip
        new = ET.fromstring(text)
        if nic.find(new.tag) is None:
            nic.append(new)


def screens(rng: Random, root: Element) -> None:
    for graphics in root.iterfind("devices/graphics[@type='vnc']"):
        graphics.set("keymap", "de")
        if rng.random() < 0.5:
            graphics.set("passwd", "secret")
    for model in root.iterfind("devices/video/model"):
        if model.get("type") in ("vga", "qxl", "bochs"):
            model.set("vram", "32768")
        elif model.get("type") == "virtio":
            model.set("heads", "2")


def balloon(rng: Random, root: Element) -> None:
    for one in root.iterfind("devices/memballoon[@model='virtio']"):
        one.set(rng.choice(["autodeflate", "freePageReporting"]), "on")


def vcpus_one_by_one(_rng: Random, root: Element) -> None:
    count, now = int(root.findtext("vcpu") or 1), int(root.find("vcpu").get("current") or 0)
    if count < 2 or root.find("vcpus") is not None:
        return
    place = ET.SubElement(root, "vcpus")
    for number in range(count):
        enabled = "yes" if number < (now or count) else "no"
        pluggable = "no" if number == 0 else "yes"
        ET.SubElement(place, "vcpu", id=str(number), enabled=enabled, hotpluggable=pluggable)


EDITS: tuple[Edit, ...] = (
    *(targets, targets, serial_ports, serial_ports, boot_devices, loader_by_path, loader_by_path),
    *(top, top, clock, words, life, devices, devices, features, cpu, disk_details, nic_details),
    *(screens, balloon, vcpus_one_by_one),
)


def note(rng: Random, text: str) -> str:
    """A definition with another program's note, written into the text with all of its comments."""
    said = rng.choice(NOTES)
    if "<metadata" not in text:
        return text.replace("</name>", f"</name>\n  <metadata>{said}</metadata>", 1)
    if "</metadata>" not in text:
        return text
    return text.replace("</metadata>", f"{said}</metadata>", 1)
