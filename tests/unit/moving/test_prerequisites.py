"""Each prerequisite of a move, met and not met: from the facts of two hosts, without any host.

What a test changes of the two hosts stands in its row. Every check of a pre-flight has to be found
passing by one row, and failing or warning by another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.host import Secret
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import File
from ansible_collections.kvm.fleet.plugins.module_utils.engine.move_facts import (
    Bridge,
    Clock,
    Identity,
    Inside,
    Mount,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.nodes import HugePages
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.moving.findings import Finding
from ansible_collections.kvm.fleet.plugins.module_utils.moving.move import Move
from ansible_collections.kvm.fleet.plugins.module_utils.moving.preflight import CHECKS, preflight
from ansible_collections.kvm.fleet.plugins.module_utils.run.host_config import KINDS
from support import moves
from support.commands import ROOT
from support.moves import GIB, LAN, MAC, MACHINE, MIB, MODELS, NETFS, UUID, VM, Two, vswitch

Change = Callable[[Two], Any]
PASS, WARN, FAIL = "pass", "warn", "fail"
NAT = '<network><name>{name}</name><forward mode="nat"/><bridge name="virbr0"/></network>'
NO_GROUPS = '<network><name>{name}</name><forward mode="bridge"/><bridge name="br0"/></network>'
BIG = '<mtu size="9000"/></network>'
CDROM = (
    '<disk type="file" device="cdrom"><driver name="qemu" type="raw"/><source file="{}"{}/>'
    '<target dev="sda" bus="sata"/><readonly/></disk>'
)
HOSTDEV = (
    '<hostdev mode="subsystem" type="pci" managed="yes"><source><address domain="0x0000" '
    'bus="0x03" slot="0x00" function="0x0"/></source>{}</hostdev>'
)
USB = (
    '<hostdev mode="subsystem" type="usb"><source><vendor id="0x046d"/><product id="0x0825"/>'
    "</source></hostdev>"
)
EPYC = '<cpu mode="custom"><model>EPYC</model><feature name="{}" policy="require"/></cpu>'
EFI = '<loader readonly="yes" type="pflash">/usr/share/OVMF/OVMF_CODE_4M.fd</loader>'
EFI += "<nvram>/var/lib/libvirt/qemu/nvram/web_VARS.fd</nvram>"
TPM = '<tpm model="tpm-crb"><backend type="emulator" version="2.0"/></tpm>'
RESERVED = (
    '<metadata><fleet:resource xmlns:fleet="urn:kvm.fleet:1" managed="yes">'
    '<fleet:reservation cpu="{}"/></fleet:resource></metadata>'
)
USER = '<interface type="user"><mac address="52:54:00:00:00:02"/></interface>'
LABEL = '<seclabel type="dynamic" model="{}" relabel="yes"/>'
VIRGL = '<video><model type="virtio"><acceleration accel3d="yes"/></model></video>'
LUKS = '<encryption format="luks"><secret type="passphrase" uuid="2f3c"/></encryption>'
VNC = '<graphics type="vnc" port="{}" autoport="{}"/>'
VSOCK = '<vsock><cid auto="no" address="3"/></vsock>'
PMEM = '<memory model="virtio-pmem"><source><path>/dev/dax0</path></source></memory>'
ARGUMENTS = (
    '<qemu:commandline xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">'
    '<qemu:arg value="-x"/></qemu:commandline>'
)
OVS = '<virtualport type="openvswitch"/></network>'
MACVTAP = (
    '<network><name>{name}</name><forward mode="bridge"><interface dev="eno2"/></forward></network>'
)
COMING = (
    '<metadata><m:move xmlns:m="urn:kvm.fleet:1:move" '
    f'uuid="{UUID}" from="kvm1" to="kvm2" mode="live" progress="coming"/></metadata>'
)
BACKING = (
    '<backingStore type="file"><format type="{}"/><source file="/local/base"/><backingStore/>'
    "</backingStore>"
)
MEMORY = "/var/lib/libvirt/qemu/save/web.save"
PASSTHROUGH = '<cpu mode="host-passthrough"/>'
FOLDER = (
    '<filesystem type="mount"><driver type="virtiofs"/><source dir="/srv"/><target dir="srv"/>'
    "</filesystem>"
)
AUTH = '<auth username="x"><secret type="ceph" uuid="2f3c"/></auth>'
OTHER_CPU = ("guest_cpus", *MACHINE), moves.CPUS._replace(model="EPYC-Rome")
LABELLED = (
    '<serial type="dev"><source path="/dev/ttyS0"><seclabel model="selinux" relabel="no"/>'
    "</source></serial>"
)
VMDK = (
    '<disk type="file" device="disk"><driver name="qemu" type="vmdk"/>'
    '<source file="/nfs/web.qcow2"/><target dev="vda" bus="virtio"/></disk>'
)
SECOND = (
    '<disk type="file" device="disk"><driver name="qemu" type="qcow2"/>'
    '<source file="/local/web.qcow2"/><target dev="vdb" bus="virtio"/></disk>'
)
TLS_FILES = ("/etc/pki/CA/cacert.pem", "/etc/pki/qemu/ca-cert.pem")


def vm(**parts: str) -> Change:
    return lambda two: two.vm(**parts)


def on_local(**parts: str) -> Change:
    return lambda two: two.on_local(**parts)


def options(**said: Any) -> Change:
    return lambda two: two.options.update(said)


def there(**facts: Any) -> Change:
    """Facts of the target, by their names; of those that have more words, `also`."""
    return lambda two: two.target.facts.update({(name,): one for name, one in facts.items()})


def also(fact: tuple[str, ...], answer: Any) -> Change:
    return lambda two: two.target.facts.update({fact: answer})


def here(fact: tuple[str, ...], answer: Any) -> Change:
    return lambda two: two.source.facts.update({fact: answer})


def without(*facts: tuple[str, ...]) -> Change:
    return lambda two: [two.target.facts.pop(fact) for fact in facts]


def has(kind: str, *haves: Have) -> Change:
    """All that the target has of a kind."""
    return lambda two: two.target.haves.update({kind: list(haves)})


def also_has(kind: str, *haves: Have) -> Change:
    return lambda two: two.target.haves[kind].extend(haves)


def source_has(kind: str, *haves: Have) -> Change:
    return lambda two: two.source.haves.update({kind: list(haves)})


def both(kind: str, *haves: Have) -> Change:
    return all_of(has(kind, *haves), source_has(kind, *haves))


def all_of(*changes: Change) -> Change:
    return lambda two: [change(two) for change in changes]


def seen(*names: str) -> Change:
    """Hosts that are seen from where they are, as in snapshots."""
    return lambda two: two.here(*(getattr(two, name) for name in names))


def answers(name: str, value: Any) -> Change:
    return lambda two: setattr(two.target, name, value)


def files(*paths: str, of: str = "target", is_there: bool = True) -> Change:
    found = File("file") if is_there else None

    def change(two: Two) -> None:
        for path in paths:
            getattr(two, of).facts[("file", path)] = found

    return change


def other(**parts: str) -> Have:
    """Another VM at the target."""
    state = parts.pop("state", "running")
    return moves.vm(state, **{"name": "db", "uuid": UUID.replace("c6", "d7"), "mac": "", **parts})


def base(**of: Any) -> Have:
    return moves.volume("local/base", "/local/base", **of)


def stored(**parts: str) -> Change:
    """What waits for the next start of the VM, which runs on as it is."""

    def change(two: Two) -> None:
        [have] = two.source.haves["vm"]
        text = moves.domain(**parts)
        two.source.haves["vm"] = [replace(have, stored=parse(text))]
        two.source.facts[("migratable", VM)]["stored"] = text

    return change


def not_now(why: str) -> Change:
    return lambda two: two.source.facts[("migratable", VM)].update(not_now=why)


nothing: Change = all_of()
ROWS: list[tuple[str, str, str, Change]] = [
    # ---- the hosts
    ("hosts", PASS, "can be told apart", nothing),
    (
        "hosts",
        FAIL,
        "same host UUID",
        there(identity=Identity("0" * 8 + "-0000-4000-8000-00000000000a", "kvm2")),
    ),
    ("hosts", WARN, "same host name", there(identity=Identity("b", "kvm1"))),
    ("hosts", WARN, "not known", without(("identity",))),
    ("versions", PASS, "libvirt of the target is no older", there(libvirt_version=11_003_000)),
    ("versions", WARN, "QEMU of the target is older", here(("version",), 10_000_000)),
    ("versions", WARN, "not both known", there(version=0)),
    ("kernel", PASS, "the kernel of the target is no older", nothing),
    ("kernel", PASS, "no older", there(kernel="7.0.2-1-amd64")),
    ("kernel", WARN, "it may lack what the NICs", there(kernel="6.1.0-56-amd64")),
    ("kernel", WARN, "is older", all_of(vm(state="saved"), there(kernel="6.1.0-56-amd64"))),
    ("kernel", WARN, "which kernels the hosts have is not known", there(kernel=None)),
    # ---- the VM itself
    ("state", PASS, "its state allows it", nothing),
    ("state", PASS, "its state allows it", vm(state="paused")),
    ("state", PASS, "its state allows it", vm(state="stopped")),
    ("state", PASS, "its state allows it", vm(state="saved")),
    ("state", FAIL, "it has crashed", vm(state="crashed")),
    ("state", FAIL, "it is running", options(mode="offline")),
    ("state", FAIL, "its guest sleeps", not_now("its guest sleeps (pmsuspended)")),
    ("state", FAIL, "does not run", all_of(vm(state="stopped"), options(mode="live"))),
    ("snapshots", PASS, "no records of snapshots", nothing),
    ("snapshots", FAIL, "1 snapshot", here(("snapshots", VM), [["<domainsnapshot/>", True]])),
    ("checkpoints", PASS, "no checkpoints", nothing),
    ("checkpoints", FAIL, "does not carry its checkpoints (c1)", here(("checkpoints", VM), ["c1"])),
    ("jobs", PASS, "no job", nothing),
    ("jobs", FAIL, "a blockcopy is under way", here(("block_job", VM, "vda"), "blockcopy")),
    ("jobs", FAIL, "a backup is under way", here(("backup", VM), "<domainbackup/>")),
    ("host_devices", PASS, "no devices of its host", nothing),
    ("host_devices", FAIL, "pci device of the host", vm(devices=HOSTDEV.format(""))),
    ("host_devices", WARN, "pci device", vm(state="stopped", devices=HOSTDEV.format(""))),
    ("host_devices", FAIL, "the one of that vendor and product", vm(devices=USB)),
    (
        "host_devices",
        WARN,
        "QEMU unplugs it",
        vm(devices=HOSTDEV.format('<teaming type="transient"/>')),
    ),
    ("shared_folders", PASS, "shares no folders", nothing),
    (
        "shared_folders",
        FAIL,
        "the folder /srv",
        vm(
            devices='<filesystem type="mount"><driver type="virtiofs"/><source dir="/srv"/>'
            '<target dir="srv"/></filesystem>'
        ),
    ),
    ("devices", FAIL, "shared memory s of its host", vm(devices='<shmem name="s" role="peer"/>')),
    # ---- names
    ("clashes", PASS, "no VM there has its name", nothing),
    ("clashes", PASS, "no VM there has its name", also_has("vm", other())),
    ("clashes", FAIL, "another VM of that name", also_has("vm", other(name=VM))),
    ("clashes", FAIL, "the same VM already", also_has("vm", moves.vm("stopped"))),
    ("clashes", FAIL, "vm/db of the target has its UUID", also_has("vm", other(uuid=UUID))),
    ("clashes", FAIL, f"has the MAC address {MAC} of it, and runs", also_has("vm", other(mac=MAC))),
    ("clashes", WARN, "does not run", also_has("vm", other(mac=MAC.upper(), state="stopped"))),
    (
        "clashes",
        WARN,
        "what an interrupted move left",
        also_has("vm", moves.vm("stopped", top=COMING)),
    ),
    (
        "clashes",
        FAIL,
        "the same VM already",
        also_has("vm", moves.vm("stopped", top=COMING.replace('from="kvm1"', 'from="kvm3"'))),
    ),
    (
        "clashes",
        FAIL,
        "has the number 3 of its vsock",
        all_of(vm(devices=VSOCK), also_has("vm", other(devices=VSOCK))),
    ),
    # ---- disks
    ("disks", PASS, "both have it from netfs nas /export", nothing),
    (
        "disks",
        PASS,
        "both have it from netfs",
        all_of(
            has("storage_pool", moves.pool("share", "/mnt", NETFS)),
            has("storage_volume", moves.volume("share/web.qcow2", "/mnt/web.qcow2")),
            options(pools={"nfs": "share"}),
        ),
    ),
    (
        "disks",
        FAIL,
        "is not active",
        has("storage_pool", moves.pool("nfs", "/nfs", NETFS, live=False)),
    ),
    ("disks", FAIL, "has no web.qcow2", has("storage_volume")),
    (
        "disks",
        PASS,
        "is copied (copied)",  # from another server, or so it seems
        all_of(
            has("storage_pool", moves.pool("nfs", "/nfs", NETFS.replace("nas", "nas2"))),
            has("storage_volume"),
        ),
    ),
    (
        "disks",
        PASS,
        "pool local is declared as shared",
        all_of(
            on_local(),
            also_has("storage_volume", moves.volume("local/web.qcow2", "/local/web.qcow2")),
            options(shared_pools=("local",)),
        ),
    ),
    (
        "disks",
        PASS,
        "both have mounted nas:/x",
        all_of(
            on_local(),
            seen("source", "target"),
            here(("mounts",), [Mount("/local", "nfs4", "nas:/x")]),
            there(mounts=[Mount("/", "ext4", "/dev/sda"), Mount("/local", "nfs4", "nas:/x")]),
            also_has("storage_volume", moves.volume("local/web.qcow2", "/local/web.qcow2")),
        ),
    ),
    ("disks", PASS, "is copied (copied)", on_local()),
    ("disks", PASS, "is copied", all_of(vm(file="/local/x.qcow2"), has("storage_volume"))),
    (
        "disks",
        FAIL,
        "has a web.qcow2 already",
        all_of(
            on_local(),
            also_has("storage_volume", moves.volume("local/web.qcow2", "/local/web.qcow2")),
        ),
    ),
    (
        "disks",
        WARN,
        "half made",
        all_of(
            on_local(),
            also_has(
                "storage_volume",
                Have("storage_volume", "local/web.qcow2", facts={"half-made": True}),
            ),
        ),
    ),
    ("disks", FAIL, "has no pool local", all_of(on_local(), has("storage_pool"))),
    ("disks", FAIL, "is in no storage pool", vm(file="/elsewhere/web.qcow2")),
    ("disks", FAIL, "is read only", on_local(more="<readonly/>")),
    ("disks", PASS, "is copied", on_local(more="<readonly/>", state="stopped")),
    ("disks", FAIL, "is encrypted", on_local(more=LUKS)),
    ("disks", PASS, "is copied", on_local(more=LUKS, state="stopped")),
    ("disks", FAIL, "it is shareable", on_local(more="<shareable/>")),
    ("disks", FAIL, "is transient", on_local(more="<transient/>")),
    ("disks", FAIL, "no image in the format vmdk", vm(root=VMDK)),
    ("disks", PASS, "both have it", vm(root=VMDK, state="stopped")),
    ("disks", FAIL, "no image in the format vmdk", on_local(more=BACKING.format("vmdk"))),
    ("disks", FAIL, "disks.vda goes to /local/web.qcow2 too", on_local(devices=SECOND)),
    (
        "disks",
        WARN,
        "not the 2 snapshots inside of it",
        all_of(on_local(), here(("inside", VM, "vda"), Inside(2))),
    ),
    (
        "disks",
        PASS,
        "is copied (copied)",
        all_of(on_local(state="stopped"), here(("inside", VM, "vda"), Inside(2))),
    ),
    (
        "disks",
        PASS,
        "is copied (flattened): its data is in a file of its own",
        all_of(on_local(state="stopped"), here(("inside", VM, "vda"), Inside(0, True))),
    ),
    (
        "nics",
        FAIL,
        "no vswitch other; it waits for the VM's next start",
        stored(nic='<source network="other"/>'),
    ),
    ("nics", PASS, "is there", stored()),
    (
        "host_devices",
        WARN,
        "pci device of the host (0000:03:00.0); it waits for the VM's next start",
        stored(devices=HOSTDEV.format("")),
    ),
    ("shared_folders", WARN, "it waits for the VM's next start", stored(devices=FOLDER)),
    (
        "security",
        FAIL,
        "does not confine VMs by selinux",
        vm(
            root=moves.ROOT.format(
                file='/nfs/web.qcow2"><seclabel model="selinux"/></source><a b="', more=""
            )
        ),
    ),
    # Only a volume can be read while no QEMU runs.
    (
        "disks",
        PASS,
        "is copied",
        all_of(on_local(), source_has("storage_pool"), source_has("storage_volume")),
    ),
    (
        "disks",
        FAIL,
        "is in no storage pool of the source",
        all_of(on_local(state="stopped"), source_has("storage_pool")),
    ),
    (
        "disks",
        FAIL,
        "pool local of the source is not active",
        all_of(
            on_local(state="stopped"),
            source_has("storage_pool", moves.pool("local", "/local", live=False)),
        ),
    ),
    (
        "disks",
        FAIL,
        "its image is not there",
        all_of(
            on_local(state="stopped"),
            source_has("storage_volume"),
            here(("disk_size", VM, "vda"), None),
        ),
    ),
    # What waits for the next start is not copied by QEMU.
    ("disks", PASS, "is copied", all_of(on_local(), stored(file="/local/web.qcow2"))),
    (
        "disks",
        FAIL,
        "/local/new.qcow2 cannot go: it waits for the VM's next start",
        all_of(on_local(), stored(file="/local/new.qcow2")),
    ),
    (
        "disks",
        FAIL,
        "/local/web.qcow2 cannot go: it waits for the VM's next start",
        stored(devices=SECOND),
    ),
    (
        "disks",
        PASS,
        "both have it from netfs",
        all_of(
            stored(file="/nfs/new.qcow2"),
            also_has("storage_volume", moves.volume("nfs/new.qcow2", "/nfs/new.qcow2")),
        ),
    ),
    (
        "disks",
        FAIL,
        "has raw volumes only",
        all_of(
            on_local(),
            has(
                "storage_pool",
                moves.pool("local", "/dev/vg", moves.DIR.replace('"dir"', '"logical"')),
            ),
        ),
    ),
    (
        "disks",
        WARN,
        "reached by the network",
        vm(root='<disk type="network"><source protocol="rbd" name="x"/><target dev="vda"/></disk>'),
    ),
    ("media", PASS, "both have it", vm(devices=CDROM.format("/nfs/web.qcow2", ""))),
    (
        "media",
        FAIL,
        "is on storage of the source alone",
        vm(devices=CDROM.format("/local/a.iso", "")),
    ),
    (
        "media",
        WARN,
        "one of the same name and size",
        all_of(
            vm(devices=CDROM.format("/local/a.iso", "")),
            *(
                change(
                    "storage_volume",
                    moves.volume("nfs/web.qcow2", "/nfs/web.qcow2"),
                    moves.volume("local/a.iso", "/local/a.iso", GIB, GIB, "raw"),
                )
                for change in (has, source_has)
            ),
        ),
    ),
    (
        "media",
        WARN,
        "left out",
        vm(devices=CDROM.format("/local/a.iso", ' startupPolicy="optional"')),
    ),
    ("media", PASS, "both have it", vm(devices=CDROM.format("/nfs/web.qcow2", ""))),
    # ---- what disks stand on
    (
        "backing",
        WARN,
        "its content is not compared",
        all_of(on_local(more=BACKING.format("qcow2")), both("storage_volume", base())),
    ),
    (
        "backing",
        PASS,
        "the target has /local/base",
        all_of(
            on_local(more=BACKING.format("qcow2")),
            both("storage_volume", base()),
            options(backing="keep"),
        ),
    ),
    (
        "backing",
        PASS,
        "content cannot be compared: both become one image",
        all_of(on_local(more=BACKING.format("raw")), both("storage_volume", base(form="raw"))),
    ),
    (
        "backing",
        PASS,
        "has no /local/base of that size: both become one image",
        all_of(
            on_local(more=BACKING.format("qcow2")),
            source_has("storage_volume", base()),
            has("storage_volume", base(physical=GIB)),
        ),
    ),
    (
        "disks",
        FAIL,
        "and the target has no /local/base of that size",
        all_of(on_local(more=BACKING.format("qcow2")), options(backing="keep")),
    ),
    (
        "disks",
        FAIL,
        "it stands on /local/base, which the target does not have",
        vm(more=BACKING.format("qcow2")),
    ),
    # ---- room
    ("room", PASS, "has room", on_local()),
    (
        "room",
        FAIL,
        "has no room",
        all_of(on_local(), has("storage_pool", moves.pool("local", "/local", free=2 * GIB))),
    ),
    (
        "room",
        WARN,
        "not for all that the VM may write",
        all_of(on_local(), has("storage_pool", moves.pool("local", "/local", free=4 * GIB))),
    ),
    (
        "room",
        WARN,
        "how large disks.vda is is not known",
        all_of(
            on_local(),
            source_has("storage_volume"),
            lambda two: two.source.facts.pop(("disk_size", VM, "vda")),
        ),
    ),
    # ---- NICs
    ("nics", PASS, "its port group web is there", nothing),
    ("nics", FAIL, "no vswitch lan", has("vswitch")),
    (
        "nics",
        PASS,
        "its vswitch is there",
        all_of(has("vswitch", vswitch("lan-b")), options(vswitches={"lan": "lan-b"})),
    ),
    ("nics", FAIL, "is not active", has("vswitch", vswitch(live=False))),
    ("nics", FAIL, "no port group web", has("vswitch", vswitch(text=NO_GROUPS))),
    ("nics", FAIL, "the VLAN is another", has("vswitch", vswitch(vlan=20))),
    (
        "nics",
        FAIL,
        "the MTU is another",
        has("vswitch", vswitch(text=LAN.replace("</network>", BIG))),
    ),
    ("nics", FAIL, "the MTU is another", also(("bridge", "br0"), Bridge(9000, ("eno1",)))),
    ("nics", FAIL, "has no uplink", also(("bridge", "br0"), Bridge(1500, ()))),
    (
        "nics",
        WARN,
        "has no uplink",
        all_of(here(("bridge", "br0"), None), also(("bridge", "br0"), Bridge(1500, ()))),
    ),
    ("nics", WARN, "uplink there is not known", also(("bridge", "br0"), None)),
    (
        "nics",
        FAIL,
        "the virtual port is of another type",
        has("vswitch", vswitch(text=LAN.replace("</network>", OVS))),
    ),
    (
        "nics",
        WARN,
        "an interface eno2 is not known",
        all_of(both("vswitch", vswitch(text=MACVTAP)), vm(nic='<source network="lan"/>')),
    ),
    (
        "nics",
        FAIL,
        "no interface eno2",
        all_of(
            both("vswitch", vswitch(text=MACVTAP)),
            vm(nic='<source network="lan"/>'),
            seen("target"),
        ),
    ),
    (
        "nics",
        FAIL,
        "hands it a device of the host",
        all_of(
            both("vswitch", vswitch(text=NAT.replace('"nat"', '"hostdev"'))),
            vm(nic='<source network="lan"/>'),
        ),
    ),
    ("nics", WARN, "its open connections end", vm(devices=USER)),
    ("nics", FAIL, "of different types", has("vswitch", vswitch(text=NAT))),
    (
        "nics",
        WARN,
        "behind its host",
        all_of(both("vswitch", vswitch(text=NAT)), vm(nic='<source network="lan"/>')),
    ),
    (
        "nics",
        PASS,
        "its filter clean-traffic is there",
        vm(nic='<source network="lan"/><filterref filter="clean-traffic"/>'),
    ),
    (
        "nics",
        FAIL,
        "no network filter mine",
        vm(nic='<source network="lan"/><filterref filter="mine"/>'),
    ),
    (
        "nics",
        WARN,
        "filter mine is not known",
        all_of(vm(nic='<source network="lan"/><filterref filter="mine"/>'), there(nwfilters=None)),
    ),
]
# ---- what a guest sees
ROWS += [
    ("hypervisor", PASS, "runs kvm guests", nothing),
    (
        "hypervisor",
        FAIL,
        "no x86_64 machine",
        all_of(
            without(("device_models", *MACHINE)),
            also(("device_models", *MACHINE), None),
            there(arch="aarch64"),
        ),
    ),
    (
        "hypervisor",
        FAIL,
        "under KVM",
        all_of(also(("device_models", *MACHINE), None), there(best_virt_type="qemu")),
    ),
    ("machine", PASS, "is known there", nothing),
    ("machine", FAIL, "no machine type pc-q35-10.0", vm(machine="pc-q35-10.0")),
    ("machine", WARN, "not known", also(("machines_of", "x86_64"), [])),
    ("cpu", PASS, "the target has that CPU", nothing),
    ("cpu", FAIL, "lacks avx512f", answers("cpu", {"result": "lacks", "said": "lacks avx512f"})),
    ("cpu", PASS, "default CPU", vm(cpu="")),
    ("cpu", WARN, "looks the same", vm(cpu='<cpu mode="host-passthrough"/>')),
    (
        "cpu",
        FAIL,
        "the target has another",
        all_of(
            vm(cpu='<cpu mode="host-passthrough"/>'),
            also(("guest_cpus", *MACHINE), moves.CPUS._replace(model="EPYC-Rome")),
        ),
    ),
    ("cpu", PASS, "on which it starts", vm(state="stopped", cpu='<cpu mode="host-model"/>')),
    (
        "cpu",
        FAIL,
        "invtsc",
        vm(cpu=EPYC.format("invtsc")),
    ),
    # as far as a snapshot knows
    ("cpu", PASS, "the target has that CPU", answers("knows", False)),
    (
        "cpu",
        FAIL,
        "it lacks sha-ni",
        all_of(
            answers("knows", False),
            vm(cpu=EPYC.format("sha-ni")),
        ),
    ),
    (
        "cpu",
        FAIL,
        "it lacks pcid",
        all_of(
            answers("knows", False),
            also(
                ("guest_cpus", *MACHINE),
                moves.CPUS._replace(usable={"EPYC": "no"}, blockers={"EPYC": ["pcid"]}),
            ),
        ),
    ),
    (
        "cpu",
        WARN,
        "not known without its libvirt",
        all_of(answers("knows", False), also(("guest_cpus", *MACHINE), None)),
    ),
    ("firmware", PASS, "the firmware is there", vm(os=EFI)),
    (
        "firmware",
        FAIL,
        "has no /usr/share/OVMF",
        all_of(vm(os=EFI), also(("device_models", *MACHINE), {**MODELS, "loader": []})),
    ),
    ("firmware", WARN, "whether the target has /x", vm(os='<loader type="pflash">/x</loader>')),
    (
        "firmware",
        FAIL,
        "has no /x",
        all_of(
            vm(os='<loader type="pflash">/x</loader>'), seen("target"), files("/x", is_there=False)
        ),
    ),
    ("devices", PASS, "all models", nothing),
    (
        "devices",
        FAIL,
        "no video qxl",
        all_of(
            vm(devices='<video><model type="qxl"/></video>'),
            also(("device_models", *MACHINE), {**MODELS, "video/modelType": ["vga", "virtio"]}),
        ),
    ),
    (
        "devices",
        FAIL,
        "no graphics spice",
        all_of(
            vm(devices='<graphics type="spice"/>'),
            also(("device_models", *MACHINE), {**MODELS, "graphics/type": ["vnc"]}),
        ),
    ),
    ("devices", WARN, "not known", also(("device_models", *MACHINE), None)),
    ("files", WARN, "whether the target has /boot/k", vm(os="<kernel>/boot/k</kernel>")),
    (
        "files",
        PASS,
        "/boot/k is there",
        all_of(vm(os="<kernel>/boot/k</kernel>"), seen("target"), files("/boot/k")),
    ),
    (
        "files",
        FAIL,
        "has no /boot/k",
        all_of(vm(os="<kernel>/boot/k</kernel>"), seen("target"), files("/boot/k", is_there=False)),
    ),
    (
        "devices",
        FAIL,
        "encrypted by the processor",
        vm(devices="", top='<launchSecurity type="sev"/>'),
    ),
    ("devices", FAIL, "draws by the graphics card", vm(devices=VIRGL)),
    ("devices", FAIL, "the card reader", vm(devices='<smartcard mode="host"/>')),
    ("devices", FAIL, "a memory module on /dev/dax0", vm(devices=PMEM)),
    ("devices", WARN, "arguments of its own for QEMU", vm(top=ARGUMENTS)),
    ("security", PASS, "alike", vm(top=LABEL.format("apparmor"))),
    ("security", FAIL, "by selinux", vm(top=LABEL.format("selinux"))),
    ("security", WARN, "not known", all_of(vm(top=LABEL.format("dac")), there(identity=None))),
    ("graphics", PASS, "can be served", vm(devices='<graphics type="vnc" listen="127.0.0.1"/>')),
    ("graphics", PASS, "can be served", vm(devices=VNC.format("5901", "no"))),
    (
        "graphics",
        FAIL,
        "its port 5901 is one of vm/db",
        all_of(
            vm(devices=VNC.format("5901", "no")),
            also_has("vm", other(devices=VNC.format("5901", "yes"))),
        ),
    ),
    ("graphics", WARN, "is not known", vm(devices='<graphics type="vnc" listen="198.51.100.3"/>')),
    (
        "graphics",
        FAIL,
        "no address of the target",
        all_of(vm(devices='<graphics type="vnc" listen="198.51.100.3"/>'), seen("target")),
    ),
    ("tpm", PASS, "emulates such TPMs", vm(devices=TPM)),
    (
        "tpm",
        FAIL,
        "emulates no such TPM",
        all_of(
            vm(devices=TPM),
            also(("device_models", *MACHINE), {**MODELS, "tpm/backendModel": ["passthrough"]}),
        ),
    ),
    (
        "tpm",
        FAIL,
        "its TPM is that of its host",
        vm(devices='<tpm model="tpm-tis"><backend type="passthrough"/></tpm>'),
    ),
    ("state_files", WARN, "not known", vm(os=EFI)),
    (
        "state_files",
        PASS,
        "goes over with it",
        all_of(
            vm(os=EFI),
            seen("target"),
            files("/var/lib/libvirt/qemu/nvram/web_VARS.fd", is_there=False),
        ),
    ),
    ("state_files", WARN, "not known", vm(os=EFI, state="stopped")),
    (
        "state_files",
        FAIL,
        "web_VARS.fd of the target is that of vm/db",
        all_of(vm(os=EFI), also_has("vm", other(os=EFI))),
    ),
    (
        "state_files",
        FAIL,
        "from an earlier VM",
        all_of(
            vm(os=EFI, state="stopped"),
            seen("target"),
            files("/var/lib/libvirt/qemu/nvram/web_VARS.fd"),
        ),
    ),
    ("state_files", WARN, "not known", vm(state="saved")),
    (
        "state_files",
        PASS,
        "goes over",
        all_of(vm(state="saved"), seen("target"), files(MEMORY, is_there=False)),
    ),
    (
        "state_files",
        FAIL,
        "from an earlier VM",
        all_of(vm(state="saved"), seen("target"), files(MEMORY)),
    ),
    (
        "state_files",
        FAIL,
        "saved in a folder of both hosts",
        all_of(
            vm(state="saved"),
            both("storage_pool", moves.pool("save", MEMORY.rpartition("/")[0], NETFS)),
        ),
    ),
    # A guest that was saved goes on with the hardware that it had.
    (
        "cpu",
        FAIL,
        "the target has another",
        all_of(vm(state="saved", cpu=PASSTHROUGH), also(*OTHER_CPU)),
    ),
    (
        "cpu",
        PASS,
        "on which it starts",
        all_of(vm(state="stopped", cpu=PASSTHROUGH), also(*OTHER_CPU)),
    ),
    ("shared_folders", FAIL, "shares the folder", vm(state="saved", devices=FOLDER)),
    ("shared_folders", WARN, "shares the folder", vm(state="stopped", devices=FOLDER)),
    (
        "state_files",
        PASS,
        "both have it from netfs",
        all_of(
            vm(
                os="<loader type='pflash'>/x</loader><nvram>/nfs/web.qcow2</nvram>", state="stopped"
            ),
            seen("target"),
            files("/nfs/web.qcow2", "/x"),
        ),
    ),
    # ---- room and promises
    ("memory", PASS, "has the memory", nothing),
    ("memory", FAIL, "has less memory", there(huge_pages=HugePages([], GIB // 2, GIB // 2))),
    ("memory", WARN, "less memory free", there(huge_pages=HugePages([], GIB // 2, 16 * GIB))),
    (
        "memory",
        FAIL,
        "less memory free",
        all_of(
            vm(top="<memoryBacking><locked/></memoryBacking>"),
            there(huge_pages=HugePages([], GIB // 2, 16 * GIB)),
        ),
    ),
    ("memory", WARN, "not known", there(huge_pages=None)),
    (
        "huge_pages",
        PASS,
        "has the huge pages",
        vm(top="<memoryBacking><hugepages/></memoryBacking>"),
    ),
    (
        "huge_pages",
        FAIL,
        "too few",
        all_of(
            vm(top="<memoryBacking><hugepages/></memoryBacking>"),
            there(huge_pages=HugePages([(0, 2 * MIB, 8)], 8 * GIB, 16 * GIB)),
        ),
    ),
    (
        "huge_pages",
        FAIL,
        "no huge pages of 1GiB",
        vm(top='<memoryBacking><hugepages><page size="1048576"/></hugepages></memoryBacking>'),
    ),
    (
        "placement",
        PASS,
        "has these CPUs",
        vm(top='<cputune><vcpupin vcpu="0" cpuset="2-3"/></cputune>'),
    ),
    ("placement", FAIL, "no CPUs 9", vm(top='<cputune><vcpupin vcpu="0" cpuset="3,9"/></cputune>')),
    (
        "placement",
        FAIL,
        "no NUMA nodes 1",
        vm(top='<numatune><memory mode="strict" nodeset="1"/></numatune>'),
    ),
    (
        "placement",
        WARN,
        "not known",
        all_of(vm(top='<numatune><memory mode="strict" nodeset="1"/></numatune>'), there(cells=[])),
    ),
    (
        "resource_pool",
        PASS,
        "is there",
        all_of(
            vm(top="<resource><partition>/machine/gold</partition></resource>"),
            has("resource_pool", Have("resource_pool", "gold", parse("<unit/>"), facts={})),
        ),
    ),
    (
        "resource_pool",
        FAIL,
        "no resource pool gold",
        vm(top="<resource><partition>/machine/gold</partition></resource>"),
    ),
    (
        "resource_pool",
        WARN,
        "not known from here",
        all_of(
            vm(top="<resource><partition>/machine/gold</partition></resource>"),
            there(promises=None),
        ),
    ),
    ("admission", PASS, "can promise", vm(top=RESERVED.format(2))),
    ("admission", FAIL, "cannot be promised", vm(top=RESERVED.format(32))),
    (
        "admission",
        WARN,
        "cannot be promised",
        all_of(vm(top=RESERVED.format(32)), options(admission="warn")),
    ),
    # a move that is just arriving holds what it will hold
    (
        "admission",
        FAIL,
        "vm/db",
        all_of(
            vm(top=RESERVED.format(2)),
            also_has("vm", other(top=RESERVED.format(3), state="paused")),
        ),
    ),
    ("admission", WARN, "not known", all_of(vm(top=RESERVED.format(2)), there(capacity=None))),
    (
        "secrets",
        PASS,
        "is there",
        all_of(vm(more=AUTH), there(secrets=[Secret("2f3c", "ceph", "p")])),
    ),
    ("secrets", FAIL, "no secret 2f3c", vm(more=AUTH)),
    ("secrets", WARN, "not known", all_of(vm(more=AUTH), there(secrets=None))),
    # ---- the way between them
    ("network", PASS, "has a way", seen("source")),
    ("network", WARN, "by its name kvm2", nothing),
    (
        "network",
        WARN,
        "leads nowhere (No route to host)",
        all_of(seen("source"), here(("reaches", "kvm2", "49152"), "No route to host")),
    ),
    (
        "network",
        FAIL,
        "no way to port 49152 of 192.0.2.7",
        all_of(
            seen("source"),
            options(network="192.0.2.7"),
            here(("reaches", "192.0.2.7", "49152"), "No route to host"),
        ),
    ),
    (
        "network",
        FAIL,
        "in no network of 198.51.100.7",
        all_of(seen("target"), options(network="198.51.100.7")),
    ),
    (
        "network",
        WARN,
        "a way to 192.0.2.7 is not known",
        all_of(seen("target"), options(network="192.0.2.7")),
    ),
    (
        "network",
        FAIL,
        "no way to port 49152 of 198.51.100.7",
        all_of(
            seen("source"),
            options(network="eno3"),
            there(addresses={"eno3": ["2001:db8::7", "198.51.100.7"]}),
            there(routes=[("eno3", "198.51.100.0/24")]),
            here(("reaches", "198.51.100.7", "49152"), "No route to host"),
        ),
    ),
    (
        "network",
        FAIL,
        "the interface eno3 of the target has no address",
        all_of(options(network="eno3"), there(addresses={"eno3": []})),
    ),
    (
        "network",
        WARN,
        "whether eno4 leads to the target is not known",
        all_of(options(network="eno4"), there(addresses={"eno3": ["198.51.100.7"]})),
    ),
    ("transport", WARN, "unencrypted", nothing),
    (
        "transport",
        WARN,
        "so do libvirt's calls",
        lambda two: setattr(two.target, "uri", "qemu+tcp://kvm2/system"),
    ),
    ("transport", WARN, "not known from here", options(transport="tls")),
    (
        "transport",
        PASS,
        "kvm2 has its certificates",
        all_of(
            options(transport="tls"),
            seen("target"),
            files(*TLS_FILES, "/etc/pki/qemu/server-cert.pem"),
        ),
    ),
    (
        "transport",
        FAIL,
        "server certificate",
        all_of(
            options(transport="tls"),
            seen("target"),
            files(*TLS_FILES),
            files("/etc/pki/qemu/server-cert.pem", is_there=False),
        ),
    ),
    ("clocks", PASS, "agree", there(clock=Clock(0.1, 0.05, "controller"))),
    ("clocks", WARN, "do not agree", there(clock=Clock(1.5, 0.05, "controller"))),
    ("clocks", WARN, "not known", there(clock=None)),
    ("clocks", WARN, "not known", there(clock=Clock(0.0, 0.0, "kvm2"))),
    ("names", PASS, "all that the options name", options(vswitches={"lan": "lan"})),
    ("names", WARN, "the source has no lna", options(vswitches={"lna": "lan"})),
    ("names", WARN, "the source has no fats", options(pools={"fats": "nvme"})),
    ("names", WARN, "the source has no nope", options(shared_pools=["nope"])),
    ("leases", PASS, "are the same", nothing),
    ("leases", FAIL, "are different", here(("lock_manager",), "lockd")),
    ("leases", WARN, "not known", there(lock_manager=None)),
    ("options", FAIL, "compression needs libvirt 9.1.0", options(compression="zstd", parallel=2)),
    (
        "options",
        FAIL,
        "no compression mt",
        all_of(options(compression="mt"), there(version=10_000_000)),
    ),
    ("options", FAIL, "together with parallel", options(post_copy=True, parallel=2)),
    ("options", WARN, "after post-copy has begun", options(post_copy=True)),
    ("judgement", PASS, "nothing against it", nothing),
    ("judgement", FAIL, "no such emulator", answers("refusal", "no such emulator")),
    ("judgement", WARN, "has not judged", answers("knows", False)),
]


def findings_of(move: Move, check: str) -> list[Finding]:
    return [one for one in preflight(move).findings if one.check == check]


@pytest.mark.parametrize(
    ("check", "result", "says", "change"),
    ROWS,
    ids=[f"{check}-{result}-{says}" for check, result, says, _change in ROWS],
)
def test_a_prerequisite(check: str, result: str, says: str, change: Change) -> None:
    two = Two()
    change(two)
    found = findings_of(two.move(), check)
    told = [one for one in found if one.result == result and says in one.message]
    assert told, "\n".join(one.text() for one in found) or f"nothing of {check}"
    assert all(one.todo for one in told if result != PASS)
    # What was dumped is judged as the hosts were.
    move = two.move()
    report = preflight(move)
    again = Move(move.vm, _again(move.source), _again(move.target), move.options)
    assert preflight(again) == report


def _again(side: Any) -> Any:
    kinds = {kind.name: kind for kind in KINDS}
    return side._replace(world=World.load(side.world.dump(), kinds))


def test_every_prerequisite_has_a_row_in_which_it_is_met_and_one_in_which_it_is_not() -> None:
    met = {check for check, result, _says, _change in ROWS if result == PASS}
    against = {check for check, result, _says, _change in ROWS if result != PASS}
    always = {"options"}  # nothing is told where nothing was asked for
    assert against - met == always
    assert met - against == set()
    named = {one.check for one in preflight(Two().move()).findings}
    assert named <= met | against
    assert len(CHECKS) <= len(met | against)


def test_every_prerequisite_is_documented() -> None:
    text = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
    section = text.split("## Before the move")[1].split("\n## ")[0]
    first = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for cell in first for name in re.findall("`([a-z_]+)`", cell)} == {
        check for check, _result, _says, _change in ROWS
    }


@pytest.mark.parametrize(
    "change",
    [
        vm(nic='<driver name="qemu"/>'),
        vm(state="stopped"),
        vm(virt="qemu"),
    ],
)
def test_the_kernel_is_asked_for_nics_that_it_carries(change: Change) -> None:
    two = Two()
    all_of(change, there(kernel="6.1.0-56-amd64"))(two)
    assert list(findings_of(two.move(), "kernel")) == []


def test_a_vm_that_can_move_has_no_failures() -> None:
    report = preflight(Two().move())
    assert report.ok and report.fails == []


def test_all_failures_are_told_and_not_only_the_first() -> None:
    two = Two()
    for change in (has("vswitch"), has("storage_volume"), vm(machine="pc-q35-10.0")):
        change(two)
    report = preflight(two.move())
    assert {"nics", "disks", "machine"} <= {one.check for one in report.fails}
    errors = report.errors("migration/web")
    assert len(errors) == len(report.fails)
    assert all(error.resource == "migration/web" and error.field for error in errors)
    assert [text.split()[0] for text in report.text()][: len(errors)] == [FAIL] * len(errors)
