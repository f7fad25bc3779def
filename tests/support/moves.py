"""Two hosts and a VM between them, for moves that are planned without any host.

As they stand, the VM can move. Tests change what they are about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import ALL, Fact, Facts
from ansible_collections.kvm.fleet.plugins.module_utils.engine.move_facts import (
    Bridge,
    Clock,
    DiskSize,
    GuestCpus,
    Identity,
    Inside,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.nodes import Cell, HugePages
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import Capacity, Policy
from ansible_collections.kvm.fleet.plugins.module_utils.engine.recorded import (
    Recorded,
    nothing_follows,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.moving.move import Move
from ansible_collections.kvm.fleet.plugins.module_utils.moving.options import Options
from ansible_collections.kvm.fleet.plugins.module_utils.moving.side import Side
from ansible_collections.kvm.fleet.plugins.module_utils.run.host_config import KINDS

GIB, MIB = 2**30, 2**20
VM, UUID, MAC = "web", "c6c7d6b1-0c0e-4d0e-9a55-9f6b0c6f1c11", "52:54:00:00:00:01"
MACHINE = ("x86_64", "pc-q35-7.2", "kvm")

CPU = '<cpu mode="custom"><model>EPYC</model><feature policy="require" name="aes"/></cpu>'
NIC = '<source network="lan" portgroup="web"/>'
ROOT = (
    '<disk type="file" device="disk"><driver name="qemu" type="qcow2"/>'
    '<source file="{file}"/>{more}<target dev="vda" bus="virtio"/></disk>'
)
DOMAIN = """
<domain type="{virt}"><name>{name}</name><uuid>{uuid}</uuid>
  <memory unit="KiB">1048576</memory><currentMemory unit="KiB">1048576</currentMemory>
  <vcpu>2</vcpu>{top}
  <os><type arch="x86_64" machine="{machine}">hvm</type>{os}</os>
  {cpu}
  <devices>{root}
    <interface type="network"><mac address="{mac}"/>{nic}<model type="virtio"/></interface>
    <video><model type="virtio"/></video>{devices}
  </devices>
</domain>
"""

NETFS = (
    '<pool type="netfs"><name>{name}</name><available unit="bytes">{free}</available>'
    '<source><host name="nas"/><dir path="/export"/><format type="nfs"/></source>'
    "<target><path>{path}</path></target></pool>"
)
DIR = (
    '<pool type="dir"><name>{name}</name><available unit="bytes">{free}</available>'
    "<target><path>{path}</path></target></pool>"
)
VOLUME = (
    "<volume><name>{name}</name><capacity>{capacity}</capacity><allocation>{allocation}</allocation>"
    "<physical>{physical}</physical>{backing}"
    '<target><path>{path}</path><format type="{format}"/></target></volume>'
)
LAN = (
    '<network><name>{name}</name><forward mode="bridge"/><bridge name="br0"/>'
    '<portgroup name="web"><vlan><tag id="{vlan}"/></vlan></portgroup></network>'
)

MODELS = {
    "loader": ["/usr/share/OVMF/OVMF_CODE_4M.fd"],
    "firmware": ["efi"],
    "disk/bus": ["fdc", "scsi", "virtio", "usb", "sata"],
    "graphics/type": ["vnc", "spice"],
    "video/modelType": ["vga", "virtio", "qxl", "none"],
    "tpm/model": ["tpm-crb", "tpm-tis"],
    "tpm/backendModel": ["emulator"],
    "tpm/backendVersion": ["2.0"],
    "rng/model": ["virtio"],
}
CPUS = GuestCpus("EPYC", "AMD", {"aes": "require", "sha-ni": "disable"}, {"EPYC": "yes"}, {})


def domain(**parts: str) -> str:
    """The definition of a VM."""
    said = {
        "virt": "kvm",
        "name": VM,
        "uuid": UUID,
        "mac": MAC,
        "machine": MACHINE[1],
        "cpu": CPU,
        "nic": NIC,
    }
    file, more = parts.pop("file", "/nfs/web.qcow2"), parts.pop("more", "")
    root = ROOT.format(file=file, more=more)
    return DOMAIN.format(**{"top": "", "os": "", "devices": "", "root": root, **said, **parts})


def vm(state: str = "running", **parts: str) -> Have:
    """A VM, as it is read."""
    tree = parse(domain(**parts))
    facts = {"state": state, "autostart": False, "persistent": True}
    up = state in ("running", "paused", "saved")
    return Have("vm", parts.get("name", VM), tree, tree if up else None, facts)


def pool(name: str, path: str, text: str = DIR, free: int = 100 * GIB, live: bool = True) -> Have:
    """A storage pool."""
    tree = parse(text.format(name=name, path=path, free=free))
    facts = {"state": "active" if live else "inactive", "autostart": True, "persistent": True}
    return Have("storage_pool", name, tree, tree if live else None, facts)


def volume(
    full: str,
    path: str,
    capacity: int = 10 * GIB,
    physical: int = 3 * GIB,
    form: str = "qcow2",
    below: str = "",
) -> Have:
    """A storage volume, which may stand on another."""
    backing = (
        f'<backingStore><path>{below}</path><format type="qcow2"/></backingStore>' if below else ""
    )
    text = VOLUME.format(
        name=full.partition("/")[2],
        capacity=capacity,
        allocation=physical,
        physical=physical,
        backing=backing,
        path=path,
        format=form,
    )
    return Have("storage_volume", full, parse(text))


def vswitch(name: str = "lan", text: str = LAN, live: bool = True, vlan: int = 10) -> Have:
    """A vswitch."""
    tree = parse(text.format(name=name, vlan=vlan))
    facts = {"state": "active" if live else "inactive", "autostart": True, "persistent": True}
    return Have("vswitch", name, tree, tree if live else None, facts)


@dataclass
class Host:
    """One host, as tests change it: its resources by kind, and what is known of it."""

    name: str
    haves: dict[str, list[Have]]
    facts: dict[Fact, Any]
    uri: str = ""
    migration_uri: str = ""
    # What libvirt says of any CPU and of any definition.
    cpu: Any = field(default_factory=lambda: {"result": "fits", "said": ""})
    refusal: Any = None
    knows: bool = True  # else it is a snapshot, and libvirt says nothing

    def world(self) -> World:
        """Its world."""
        answers: dict[Fact, Any] = dict(self.facts)
        for kind, haves in self.haves.items():
            answers[(ALL, kind)] = [have.name for have in haves if have.exists]
            answers.update({(kind, have.name): have for have in haves})
        facts = Facts(Recorded(answers, self._derived))
        return World(facts, {kind.name: kind for kind in KINDS})

    def _derived(self, answers: Mapping[Fact, Any], fact: Fact) -> Any:
        asked, *of = fact
        if asked == "refusal" and self.knows:
            return self.refusal
        if asked == "cpu_comparison" and self.knows:
            return self.cpu
        if asked == "owner":
            uuids = {have.definition.findtext("uuid"): have.name for have in self.haves["vm"]}
            return uuids.get(of[1])
        if asked in ("snapshots", "checkpoints"):
            return []
        if asked in ("block_job", "backup"):
            return ""
        if asked == "device_models" and of != list(MACHINE):
            return None
        if asked == "volume_at":
            return ""
        return nothing_follows(answers, fact)

    def side(self) -> Side:
        """As a move sees it."""
        uri = self.uri or f"qemu+ssh://{self.name}/system"
        return Side(self.name, uri, self.migration_uri or uri, self.world())


def host(name: str, uuid: str) -> Host:
    """A host to which and from which the VM can move, seen from a controller."""
    haves = {
        "resource_pool": [],
        "storage_pool": [pool("nfs", "/nfs", NETFS), pool("local", "/local")],
        "storage_volume": [volume("nfs/web.qcow2", "/nfs/web.qcow2")],
        "vswitch": [vswitch()],
        "vm": [],
    }
    facts: dict[Fact, Any] = {
        ("uri",): f"qemu+ssh://{name}/system",
        ("driver",): "QEMU",
        ("arch",): "x86_64",
        ("best_virt_type",): "kvm",
        ("version",): 7_002_000,
        ("libvirt_version",): 9_000_000,
        ("state_folder",): "",
        ("machines",): {"q35": "pc-q35-7.2"},
        ("machines_of", "x86_64"): ["q35", "pc-q35-7.2"],
        ("cells",): [Cell(0, 16 * GIB, [[0], [1], [2], [3]])],
        ("huge_pages",): HugePages([(0, 2 * MIB, 1024)], 8 * GIB, 16 * GIB),
        ("capacity",): Capacity((0, 1, 2, 3), 16 * GIB, {2 * MIB: 1024}, ()),
        ("promises",): {"policy": Policy()._asdict(), "error": "", "cgroup": 2, "faults": []},
        ("secrets",): [],
        ("routes",): [("eno1", "192.0.2.0/24")],
        ("far_interface", "br0"): True,
        ("identity",): Identity(uuid, name, ("apparmor", "dac")),
        ("clock",): Clock(0.0, 0.01, "controller"),
        ("kernel",): "6.12.118+deb13-amd64",
        ("lock_manager",): "",
        ("mounts",): [],
        ("node_devices",): ["pci_0000_03_00_0"],
        ("nwfilters",): ["clean-traffic"],
        ("bridge", "br0"): Bridge(1500, ("eno1",)),
        ("reaches", "kvm2", "49152"): "closed",
        ("device_models", *MACHINE): dict(MODELS),
        ("guest_cpus", *MACHINE): CPUS,
        ("inside", VM, "vda"): Inside(),
        ("disk_size", VM, "vda"): DiskSize(10 * GIB, 3 * GIB, 3 * GIB),
    }
    return Host(name, haves, facts)


@dataclass
class Two:
    """The two hosts of a move."""

    source: Host = field(
        default_factory=lambda: host("kvm1", "00000000-0000-4000-8000-00000000000a")
    )
    target: Host = field(
        default_factory=lambda: host("kvm2", "00000000-0000-4000-8000-00000000000b")
    )
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.vm()

    def vm(self, state: str = "running", **parts: str) -> None:
        """Let the VM be another one."""
        have = vm(state, **parts)
        self.source.haves["vm"] = [have]
        text = domain(**parts)
        up = state in ("running", "paused")
        sent = {"stored": text, "live": text} if up else {"stored": text}
        self.source.facts[("migratable", VM)] = sent

    def on_local(self, **parts: str) -> None:
        """Let its disk be on storage of the source alone."""
        self.vm(file="/local/web.qcow2", **parts)
        self.source.haves["storage_volume"] = [volume("local/web.qcow2", "/local/web.qcow2")]

    def here(self, *hosts: Host) -> None:
        """Let hosts be seen from where they are, as their own snapshots are."""
        for one in hosts:
            one.facts[("uri",)] = "qemu:///system"
            one.facts[("interfaces",)] = {}

    def move(self) -> Move:
        """The move, as it is planned."""
        return Move(VM, self.source.side(), self.target.side(), Options(**self.options))
