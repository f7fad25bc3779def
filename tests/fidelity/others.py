"""Other programs and people, who change what was declared: between two declarations, by libvirt.

All of it is random by the source that is given. An act that libvirt refuses has not happened.
"""

from __future__ import annotations

import subprocess
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

import libvirt
from fidelity import edits, tuning
from fidelity.others_of_host import PoolOthers, VswitchOthers
from fidelity.place import Place

from support.private_libvirtd import PrivateLibvirtd

CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
SECURE = libvirt.VIR_DOMAIN_XML_SECURE
INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE | SECURE
ATTEMPTS = 6

for _prefix, _uri in (
    ("qemu", "http://libvirt.org/schemas/domain/qemu/1.0"),
    ("fleet", "urn:kvm.fleet:1"),
):
    ET.register_namespace(_prefix, _uri)


def parse(text: str) -> ET.Element:
    """A definition with its comments."""
    builder = ET.TreeBuilder(insert_comments=True, insert_pis=True)
    return ET.fromstring(text, ET.XMLParser(target=builder))


class VmOthers:
    """Others at one VM."""

    def __init__(
        self, rng: Random, conn: Any, libvirtd: PrivateLibvirtd, place: Place, name: str
    ) -> None:
        self.rng = rng
        self.conn = conn
        self.libvirtd = libvirtd
        self.place = place
        self.name = name
        self.made = 0
        self.acts: tuple[Callable[[Any], str], ...] = (
            *(self.edit,) * 10,
            *(self.note, self.note, self.attach_disk, self.attach_disk, self.attach_nic),
            *(self.attach_nic, self.detach, self.snapshot, self.snapshot, self.inner_snapshot),
            *(self.commit, self.power, self.power, self.autostart, self.rename, self.clone),
            *(self.count, self.memory, self.limit, self.link, self.medium, self.metadata),
            *(self.copy, self.take_away, *(self.tune,) * 8),
        )

    def act(self) -> str:
        """Do something that libvirt takes; what it was."""
        for _each in range(ATTEMPTS):
            act = self.rng.choice(self.acts)
            try:
                if said := act(self.conn.lookupByName(self.name)):
                    return said
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                    return "nothing: it is not there"
        return "nothing"

    # ---- the definition

    def edit(self, domain: Any) -> str:
        edit = self.rng.choice(edits.EDITS)
        text = domain.XMLDesc(INACTIVE)
        root = parse(text)
        edit(self.rng, root)
        self.conn.defineXML(ET.tostring(root, encoding="unicode"))
        return f"virsh edit: {edit.__name__}" if domain.XMLDesc(INACTIVE) != text else ""

    def note(self, domain: Any) -> str:
        self.conn.defineXML(edits.note(self.rng, domain.XMLDesc(INACTIVE)))
        return "virsh edit: a note in the metadata"

    def metadata(self, domain: Any) -> str:
        said = f'<keep days="{self.rng.randint(1, 9)}"/>'
        flags = self._flags(domain)
        element = libvirt.VIR_DOMAIN_METADATA_ELEMENT
        domain.setMetadata(element, said, "backup", "urn:example:backup", flags)
        return f"virsh metadata ({flags})"

    def autostart(self, domain: Any) -> str:
        domain.setAutostart(not domain.autostart())
        return "virsh autostart"

    def rename(self, domain: Any) -> str:
        """Away and back, as one who finds that it was the wrong one."""
        domain.rename(f"{self.name}-away")
        self.conn.lookupByName(f"{self.name}-away").rename(self.name)
        return "virsh domrename, and back"

    def take_away(self, domain: Any) -> str:
        """Under another name it keeps its disks; without a definition they lie about."""
        if domain.isActive() or self.rng.random() < 0.5:
            return ""
        if self.rng.random() < 0.5:
            domain.rename(f"{self.name}-old{self._number()}")
            return "virsh domrename"
        domain.undefineFlags(
            libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
            | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        )
        return "virsh undefine --keep-nvram"

    def clone(self, domain: Any) -> str:
        """As virt-clone does: all is taken along but the name, UUID, MACs and disks."""
        root = parse(domain.XMLDesc(INACTIVE))
        name = f"{self.name}-clone{self._number()}"
        root.find("name").text = name
        root.find("uuid").text = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        devices = root.find("devices")
        for tag in ("disk", "interface", "tpm"):
            for device in devices.findall(tag):
                devices.remove(device)
        if root.find("os/nvram") is not None:
            root.find("os/nvram").text = f"{self.place.folder}/{name}.fd"
        self.conn.defineXML(ET.tostring(root, encoding="unicode"))
        return f"virt-clone to {name}"

    def tune(self, domain: Any) -> str:
        return self.rng.choice(tuning.ACTS)(self.rng, domain, self._flags(domain))

    # ---- devices

    def attach_disk(self, domain: Any) -> str:
        form, flags = self.rng.choice(["qcow2", "raw"]), self._flags(domain)
        path = self._image(form)
        taken = {one.get("dev") for one in ET.fromstring(domain.XMLDesc()).iter("target")}
        target = self.rng.choice([f"vd{letter}" for letter in "tuvwxy"])
        if target in taken:
            return ""
        domain.attachDeviceFlags(
            f"<disk type='file'><driver name='qemu' type='{form}'/><source file='{path}'/>"
            f"<target dev='{target}' bus='virtio'/></disk>",
            flags,
        )
        return f"virsh attach-disk {path} {target} ({flags})"

    def attach_nic(self, domain: Any) -> str:
        flags = self._flags(domain)
        mac = f"52:54:00:{self.rng.randrange(256):02x}:{self.rng.randrange(256):02x}:01"
        source = f"<source network='{self.place.vswitch}'/>"
        domain.attachDeviceFlags(
            f"<interface type='network'><mac address='{mac}'/>{source}<model type='virtio'/>"
            "</interface>",
            flags,
        )
        return f"virsh attach-interface {mac} ({flags})"

    def detach(self, domain: Any) -> str:
        """From what is stored: a guest would have to let go of it."""
        root = ET.fromstring(domain.XMLDesc(INACTIVE))
        found = [*root.iterfind("devices/disk"), *root.iterfind("devices/interface")]
        if not found:
            return ""
        device = self.rng.choice(found)
        domain.detachDeviceFlags(ET.tostring(device, encoding="unicode"), CONFIG)
        return f"virsh detach-device --config: {device.tag}"

    def link(self, domain: Any) -> str:
        nic = ET.fromstring(domain.XMLDesc(INACTIVE)).find("devices/interface")
        if nic is None:
            return ""
        for old in nic.findall("link"):
            nic.remove(old)
        state = self.rng.choice(["up", "down"])
        ET.SubElement(nic, "link", state=state)
        domain.updateDeviceFlags(ET.tostring(nic, encoding="unicode"), CONFIG)
        return f"virsh domif-setlink --config {state}"

    def medium(self, domain: Any) -> str:
        cdrom = ET.fromstring(domain.XMLDesc(INACTIVE)).find("devices/disk[@device='cdrom']")
        if cdrom is None:
            return ""
        for old in cdrom.findall("source"):
            cdrom.remove(old)
        if self.rng.random() < 0.5:
            ET.SubElement(cdrom, "source", file=f"{self.place.folder}/four.raw")
        flags = self._flags(domain)
        domain.updateDeviceFlags(ET.tostring(cdrom, encoding="unicode"), flags)
        return f"virsh change-media ({flags})"

    def limit(self, domain: Any) -> str:
        disk = ET.fromstring(domain.XMLDesc(INACTIVE)).find("devices/disk[@device='disk']/target")
        if disk is None:
            return ""
        flags = self._flags(domain)
        domain.setBlockIoTune(disk.get("dev"), {"write_iops_sec": 300}, flags)
        return f"virsh blkdeviotune {disk.get('dev')} ({flags})"

    # ---- size

    def count(self, domain: Any) -> str:
        flags = self._flags(domain)
        count = self.rng.randint(1, max(1, domain.maxVcpus() if domain.isActive() else 2))
        if flags & LIVE:  # emulation loses vCPUs without telling libvirt
            flags = CONFIG
        domain.setVcpusFlags(count, flags)
        return f"virsh setvcpus {count} ({flags})"

    def memory(self, domain: Any) -> str:
        flags = self._flags(domain)
        domain.setMemoryFlags(self.rng.choice([140, 150, 160]) * 1024, flags)
        return f"virsh setmem ({flags})"

    # ---- disks

    def snapshot(self, domain: Any) -> str:
        """Backup programs leave this state for minutes at a time."""
        name = f"s{self._number()}"
        domain.snapshotCreateXML(
            f"<domainsnapshot><name>{name}</name></domainsnapshot>",
            libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
            | (libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA if self.rng.random() < 0.5 else 0),
        )
        return f"virsh snapshot-create-as {name} --disk-only"

    def inner_snapshot(self, domain: Any) -> str:
        if domain.isActive():  # its memory goes into the image: seconds
            return ""
        name = f"i{self._number()}"
        domain.snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>")
        return f"virsh snapshot-create-as {name}"

    def commit(self, domain: Any) -> str:
        """Bring an overlay back into what it stands on."""
        if not domain.isActive():
            return ""
        for disk in ET.fromstring(domain.XMLDesc()).iterfind("devices/disk[@device='disk']"):
            if disk.find("backingStore/source") is not None:
                target = disk.find("target").get("dev")
                wait = ["--active", "--pivot", "--wait", "--timeout", "60"]
                done = self.libvirtd.try_run(["virsh", "blockcommit", self.name, target, *wait])
                return f"virsh blockcommit {target}" if done.returncode == 0 else ""
        return ""

    def copy(self, domain: Any) -> str:
        """Move a disk of a VM that runs to another file."""
        disk = ET.fromstring(domain.XMLDesc()).find("devices/disk[@device='disk']/target")
        if not domain.isActive() or disk is None:
            return ""
        target, to = disk.get("dev") or "", f"{self.place.folder}/copy{self._number()}.qcow2"
        how = ["--format", "qcow2", "--transient-job", "--wait", "--pivot", "--timeout", "60"]
        done = self.libvirtd.try_run(["virsh", "blockcopy", self.name, target, to, *how])
        return f"virsh blockcopy {target} {to} --pivot" if done.returncode == 0 else ""

    def power(self, domain: Any) -> str:
        if domain.isActive():
            act = self.rng.choice([domain.destroy, domain.suspend, domain.managedSave])
        elif domain.hasManagedSaveImage():
            act = self.rng.choice([domain.managedSaveRemove, domain.create])
        else:
            return self._start(domain)
        act(0) if act.__name__.startswith("managed") else act()
        return f"virsh {act.__name__.lower()}"

    def _start(self, domain: Any) -> str:
        """Paused: a guest that has not booted lets nothing go."""
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        return "virsh start --paused"

    # ---- what they need

    def _flags(self, domain: Any) -> int:
        return int(self.rng.choice([CONFIG, LIVE, CONFIG | LIVE])) if domain.isActive() else CONFIG

    def _image(self, form: str) -> str:
        path = f"{self.place.folder}/others{self._number()}.{form}"
        outside = self.libvirtd.outside(path)
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", form, str(outside), "4M"], check=True
        )  # fmt: skip
        outside.chmod(0o666)
        return path

    def _number(self) -> int:
        self.made += 1
        return self.made


def others_of(
    kind: str, rng: Random, conn: Any, libvirtd: PrivateLibvirtd, place: Place
) -> Callable[[], str]:
    """What others do in a scene of a kind: call it for each act."""
    name = f"{place.prefix}x"
    if kind == "vswitch":
        return VswitchOthers(rng, conn, name).act
    if kind in ("pool", "volumes"):
        return PoolOthers(rng, conn, place.pool if kind == "volumes" else name).act
    if kind == "host_config":
        acts = [
            *(VmOthers(rng, conn, libvirtd, place, f"{place.prefix}m{i}").act for i in (1, 2, 3)),
            *(VswitchOthers(rng, conn, f"{place.prefix}s{i}").act for i in (1, 2)),
            PoolOthers(rng, conn, f"{place.prefix}p").act,
        ]
        return partial(_one_of, rng, acts)
    return VmOthers(rng, conn, libvirtd, place, name).act


def _one_of(rng: Random, acts: Sequence[Callable[[], str]]) -> str:
    return rng.choice(acts)()
