"""What waits for the next start of a VM: told where it differs, and not where libvirt differs."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ansible_collections.kvm.fleet.extensions.testinfra import pending, vm

GOLDEN = Path(__file__).parents[3] / "golden" / "vm"
RUNS = sorted(path.parent for path in GOLDEN.glob("*/live.xml"))
# A VM that runs, as real libvirt tells it, and its definition, which says the same.
LIVE, STORED = ((GOLDEN / "runs" / name).read_text() for name in ("live.xml", "before.xml"))

LOADER = "<loader readonly='yes' {}type='pflash'>/usr/share/OVMF/OVMF_CODE_4M{}.fd</loader>"
NVRAM = "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/var/lib/nvram/web.fd</nvram>"
WISH = "<firmware><feature enabled='{}' name='secure-boot'/></firmware>"
EXPANDED = (
    "<cpu mode='custom' match='exact' check='full'><model fallback='forbid'>{}</model>"
    "<vendor>AMD</vendor><feature policy='require' name='x2apic'/>"
    "<feature policy='disable' name='svm'/></cpu>"
)
CUSTOM = "<cpu mode='custom' match='exact' check='partial'><model fallback='allow'>{}</model></cpu>"
HOST_MODEL = "<cpu mode='host-model' check='partial'/>"
LIMITS = "<bandwidth><inbound average='{}'/></bandwidth>"
TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/>{}</tpm>"
LIVE_TPM = TPM.format("<alias name='tpm0'/>")
VNC = "<graphics type='vnc' port='-1' autoport='yes'>"
VNC_AT = "<graphics type='vnc' port='5907' autoport='no'>"
LIVE_VNC = "<graphics type='vnc' port='5900' autoport='yes' listen='127.0.0.1'>"
LIVE_VNC_AT = "<graphics type='vnc' port='5907' autoport='no' listen='127.0.0.1'>"
SERIAL = "<serial type='pty'>\n      <target"
LIVE_SERIAL = "<serial type='pty'>\n      <source path='/dev/pts/3'/>"
UNIX = "<channel type='unix'>\n      <target"
CHANNEL = "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'{}/></channel>"
OLD = (
    "<driver name='qemu' type='qcow2'/>\n      <source file='/var/lib/libvirt/images/web-old.qcow2'"
)
OLD_WITH = OLD.replace("type='qcow2'", "type='qcow2' {}")
VDB = "<target dev='vdb' bus='virtio'/>"
NIC = "<source network='lan'/>"
LIVE_NIC = "bridge='vs-lan'/>"
VIRTIO_NIC = "<model type='virtio'/>\n      <boot order='2'/>"
WATCHDOG = "<watchdog model='itco' action='{}'>{}</watchdog>"
RNG = "<rng model='virtio'><backend model='random'>{}</backend>{}</rng>"
END = "</devices>"
OS = "</os>"
CLOCK = "<clock offset='utc'/>"
BACKED = f"<memoryBacking>{{}}</memoryBacking>{CLOCK}"
PAGES = BACKED.format("<hugepages><page size='{}' unit='KiB'/></hugepages>")
IN_GOLD = "<resource><partition>/machine/gold</partition></resource>"
LIMITED = "<memtune><hard_limit unit='KiB'>4096</hard_limit></memtune>"
PLACED = "<numatune><memory mode='{}' nodeset='0'/></numatune>"
TUNED = f"<cputune>{{}}</cputune>{CLOCK}"
Edits = dict[str, str]


def edited(text: str, edits: Edits) -> ET.Element:
    """The domain with each of these pieces of its text replaced, or put before what it ends."""
    for old, new in edits.items():
        assert old in text, old
        text = text.replace(old, new + old if old in (END, OS) else new, 1)
    return ET.fromstring(text)


def waiting(live: Edits, stored: Edits) -> list[str]:
    return pending.pending(edited(LIVE, live), edited(STORED, stored))


# For each fact: how what runs and what is stored are edited, so that it waits for a restart.
WAITS: list[tuple[str, Edits, Edits]] = [
    ("balloon", {}, {"<memballoon model='virtio'>": "<memballoon model='none'>"}),
    ("boot_order", {}, {"<boot order='1'/>": "<boot order='3'/>"}),
    ("boot_order", {}, {"<boot order='2'/>": ""}),
    ("boot_order", {OS: "<boot dev='hd'/>"}, {OS: "<boot dev='network'/>"}),
    ("channels", {}, {END: CHANNEL.format("")}),
    ("channels", {END: CHANNEL.format(" state='connected'")}, {}),
    ("channels", {}, {UNIX: "<channel type='spicevmc'>\n      <target"}),
    ("channels", {}, {UNIX: "<channel type='unix'><source mode='bind' path='/run/a'/><target"}),
    ("clock", {}, {"<clock offset='utc'/>": "<clock offset='localtime'/>"}),
    ("cpu_limit", {}, {CLOCK: TUNED.format("<global_quota>50000</global_quota>")}),
    ("numa_placement", {}, {CLOCK: f"{PLACED.format('strict')}{CLOCK}"}),
    ("numa_placement", {CLOCK: f"{PLACED.format('preferred')}{CLOCK}"}, {}),
    ("cpu_pinning", {}, {CLOCK: TUNED.format("<vcpupin vcpu='0' cpuset='1'/>")}),
    ("cpu_pinning", {CLOCK: TUNED.format("<emulatorpin cpuset='1'/>")}, {}),
    ("cpu_shares", {CLOCK: TUNED.format("<shares>200</shares>")}, {}),
    ("cpu_count", {}, {"current='2'": "current='3'"}),
    ("cpu_maximum", {}, {"current='2'>4": "current='2'>8"}),
    ("cpu_mode", {}, {HOST_MODEL: "<cpu mode='host-passthrough'/>"}),
    ("cpu_model", {HOST_MODEL: EXPANDED.format("EPYC")}, {HOST_MODEL: CUSTOM.format("qemu64")}),
    ("cpu_topology", {}, {"/>\n  <clock": "><topology sockets='1' cores='4'/></cpu>\n  <clock"}),
    ("disks", {}, {OLD: OLD.replace("web-old", "web-new")}),
    ("disks", {}, {OLD: OLD_WITH.format("cache='none'")}),
    ("disks", {OLD: OLD_WITH.format("cache='none'")}, {}),
    ("disks", {}, {OLD: OLD_WITH.format("io='native'")}),
    ("disks", {}, {OLD: OLD_WITH.format("discard='unmap'")}),
    ("disks", {}, {VDB: f"{VDB}<serial>OLD</serial>"}),
    ("disks", {}, {VDB: f"{VDB}<shareable/>"}),
    ("disks", {}, {VDB: "<target dev='vdc' bus='virtio'/>"}),
    ("disks", {}, {"<total_iops_sec>500</total_iops_sec>": ""}),
    ("disks", {}, {">500<": ">600<"}),
    ("domain_type", {}, {"<domain type='kvm'": "<domain type='qemu'"}),
    ("firmware", {}, {"<os>": "<os firmware='efi'>"}),
    ("firmware", {OS: LOADER.format("", "") + NVRAM}, {}),
    ("firmware", {OS: LOADER.format("", "")}, {OS: LOADER.format("", ".ms")}),
    ("graphics", {}, {VNC: VNC_AT}),
    ("graphics", {LIVE_VNC: LIVE_VNC_AT}, {}),
    ("graphics", {LIVE_VNC: LIVE_VNC_AT}, {VNC: VNC_AT.replace("5907", "5908")}),
    ("graphics", {}, {VNC: VNC.replace("vnc", "spice")}),
    ("graphics", {}, {END: "<graphics type='spice' port='-1' autoport='yes'/>"}),
    ("graphics", {}, {"<listen type='address'/>": "<listen type='address' address='::'/>"}),
    ("graphics", {}, {"<listen type='address'/>": "<listen type='none'/>"}),
    ("kernel", {}, {OS: "<kernel>/boot/vmlinuz</kernel>"}),
    ("lifecycle", {}, {"<on_crash>destroy": "<on_crash>restart"}),
    ("machine", {}, {"pc-q35-7.2": "pc-q35-7.1"}),
    ("memory_backing", {}, {CLOCK: BACKED.format("<locked/>")}),
    ("memory_backing", {}, {CLOCK: BACKED.format("<nosharepages/>")}),
    ("memory_backing", {CLOCK: PAGES.format(2048)}, {CLOCK: PAGES.format(1048576)}),
    ("memory_limit", {}, {CLOCK: LIMITED + CLOCK}),
    ("partition", {}, {CLOCK: IN_GOLD + CLOCK}),
    ("memory_maximum", {}, {">4194304<": ">8388608<"}),
    ("nics", {}, {NIC: "<source network='dmz'/>"}),
    ("nics", {}, {NIC: "<source network='lan' portgroup='vlan10'/>"}),
    ("nics", {}, {NIC: f"{NIC}<mtu size='1400'/>"}),
    ("nics", {}, {NIC: f"{NIC}<link state='down'/>"}),
    ("nics", {}, {VIRTIO_NIC: VIRTIO_NIC.replace("virtio", "e1000e")}),
    ("nics", {}, {NIC: NIC + LIMITS.format(1024)}),
    ("nics", {LIVE_NIC: LIVE_NIC + LIMITS.format(2048)}, {NIC: NIC + LIMITS.format(1024)}),
    ("nics", {LIVE_NIC: "/>" + LIMITS.format(9), "network='lan'": ""}, {"network='lan'": ""}),
    ("nics", {LIVE_NIC: "dev='eth0'/>", "network='lan'": ""}, {NIC: "<source dev='eth1'/>"}),
    ("rng", {}, {END: RNG.format("/dev/urandom", "")}),
    ("rng", {END: RNG.format("/dev/urandom", "")}, {END: RNG.format("/dev/hwrng", "")}),
    (
        "secure_boot",
        {"<os>": "<os firmware='efi'>", OS: LOADER.format("", "")},
        {"<os>": "<os firmware='efi'>", OS: WISH.format("yes")},
    ),
    (
        "secure_boot",
        {OS: LOADER.format("secure='yes' ", ".ms") + NVRAM},
        {"<os>": "<os firmware='efi'>", OS: WISH.format("no")},
    ),
    ("serial_ports", {}, {SERIAL: "<serial type='file'><source path='/log'/><target"}),
    ("serial_ports", {}, {END: "<serial type='pty'><target port='1'/></serial>"}),
    ("serial_ports", {}, {"<target type='isa-serial' port='0'>": "<target type='usb-serial'>"}),
    ("tpm", {}, {END: TPM.format("")}),
    ("tpm", {END: LIVE_TPM}, {}),
    ("tpm", {END: LIVE_TPM}, {END: TPM.format("").replace("2.0", "1.2")}),
    ("tpm", {END: LIVE_TPM}, {END: TPM.format("").replace("crb", "tis")}),
    ("video", {}, {"<model type='virtio' heads": "<model type='vga' heads"}),
    ("watchdog", {}, {END: WATCHDOG.format("reset", "")}),
    ("watchdog", {END: WATCHDOG.format("reset", "")}, {END: WATCHDOG.format("pause", "")}),
]


@pytest.mark.parametrize(("name", "live", "stored"), WAITS, ids=[case[0] for case in WAITS])
def test_what_is_stored_otherwise_waits(name, live, stored):
    assert waiting(live, stored) == [name]


# What libvirt itself tells of a running VM otherwise than of the same one stored.
SAME: dict[str, tuple[Edits, Edits]] = {
    "a limit was taken away": (
        {CLOCK: TUNED.format("<global_quota>-1</global_quota>")},
        {},
    ),
    "a host-model runs as the model it became": ({HOST_MODEL: EXPANDED.format("EPYC")}, {}),
    "a custom CPU runs with features that its model or QEMU gives": (
        {HOST_MODEL: EXPANDED.format("kvm64")},
        {HOST_MODEL: CUSTOM.format("kvm64")},
    ),
    "a CPU as the host's runs with what can migrate": (
        {HOST_MODEL: "<cpu mode='host-passthrough' check='none' migratable='on'/>"},
        {HOST_MODEL: "<cpu mode='host-passthrough' check='none'/>"},
    ),
    "the balloon holds memory": ({">2097152</currentMemory>": ">1843200</currentMemory>"}, {}),
    "memory is rounded up to MiB": ({}, {">4194304<": ">4193900<"}),
    "each vCPU is listed": ({OS: "</os><vcpus><vcpu id='0' enabled='yes'/></vcpus><os>"}, {}),
    "libvirt before 9.2 chose a firmware": (
        {OS: LOADER.format("", "") + NVRAM},
        {"<os>": "<os firmware='efi'>"},
    ),
    "libvirt since 9.2 chose a firmware": (
        {"<os>": "<os firmware='efi'>", OS: LOADER.format("", "") + NVRAM},
        {"<os>": "<os firmware='efi'>", OS: LOADER.format("", "")},
    ),
    "libvirt chose a firmware for secure boot": (
        {OS: LOADER.format("secure='yes' ", ".ms") + NVRAM},
        {"<os>": "<os firmware='efi'>", OS: WISH.format("yes")},
    ),
    "libvirt chose a firmware without secure boot": (
        {OS: LOADER.format("", "") + NVRAM},
        {"<os>": "<os firmware='efi'>", OS: WISH.format("no")},
    ),
    "libvirt chose secure boot": (
        {OS: LOADER.format("secure='yes' ", ".ms") + NVRAM},
        {"<os>": "<os firmware='efi'>"},
    ),
    "a TPM has an alias": ({END: LIVE_TPM}, {END: TPM.format("")}),
    "the version of a TPM is left open": (
        {END: LIVE_TPM},
        {END: TPM.format("").replace(" version='2.0'", "")},
    ),
    "a watchdog has an alias": (
        {END: WATCHDOG.format("reset", "<alias name='watchdog0'/>")},
        {END: WATCHDOG.format("reset", "")},
    ),
    "a random number generator has an alias": (
        {END: RNG.format("/dev/urandom", "<alias name='rng0'/>")},
        {END: RNG.format("/dev/urandom", "")},
    ),
    "a port of spice is drawn and another is not": (
        {END: "<graphics type='spice' port='5901' tlsPort='5902' autoport='no'/>"},
        {END: "<graphics type='spice' port='5901' tlsPort='-1' autoport='no'/>"},
    ),
    "graphics listen on the address of a network": (
        {
            LIVE_VNC: VNC,
            "<listen type='address' address='127.0.0.1'/>": (
                "<listen type='network' address='192.168.1.1' network='lan'/>"
            ),
        },
        {"<listen type='address'/>": "<listen type='network' network='lan'/>"},
    ),
    "graphics have the socket that qemu.conf wants": (
        {
            LIVE_VNC: "<graphics type='vnc' autoport='yes' socket='/run/vnc.sock'>",
            "<listen type='address' address='127.0.0.1'/>": (
                "<listen type='socket' socket='/run/vnc.sock'/>"
            ),
        },
        {},
    ),
    "a serial port is guarded as qemu.conf wants": (
        {
            LIVE_SERIAL: "<serial type='tcp'>"
            "<source mode='bind' host='::1' service='4555' tls='yes'/>"
        },
        {
            SERIAL: "<serial type='tcp'>"
            "<source mode='bind' host='::1' service='4555'/><protocol type='raw'/><target"
        },
    ),
    "a channel's socket is drawn": (
        {},
        {UNIX: "<channel type='unix'><source mode='bind'/><target"},
    ),
    "a channel's guest answers": (
        {END: CHANNEL.format(" state='connected'")},
        {END: CHANNEL.format("")},
    ),
    "a shared disk is not cached": (
        {OLD: OLD_WITH.format("cache='none'"), VDB: f"{VDB}<shareable/>"},
        {VDB: f"{VDB}<shareable/>"},
    ),
    "a group of limits is named": (
        {"</total_iops_sec>": "</total_iops_sec><group_name>drive-virtio-disk0</group_name>"},
        {},
    ),
    "a limit of none is said": (
        {"</total_iops_sec>": "</total_iops_sec><read_iops_sec>0</read_iops_sec>"},
        {},
    ),
    "an empty drive runs without a format": (
        {
            "<driver name='qemu' type='raw'/>": "<driver name='qemu'/>",
            "<source file='/srv/images/debian-12.iso' index='1'/>": "",
        },
        {"<source file='/srv/images/debian-12.iso'/>": ""},
    ),
    "a port group limits a NIC": ({LIVE_NIC: LIVE_NIC + LIMITS.format(1024)}, {}),
    "a vswitch has an MTU": ({LIVE_NIC: f"{LIVE_NIC}<mtu size='9000'/>"}, {}),
    "a vswitch is a bridge of the host": (
        {"<interface type='network'>": "<interface type='bridge'>"},
        {},
    ),
    "a vswitch is a device of the host": (
        {
            "<interface type='network'>": "<interface type='direct'>",
            LIVE_NIC: "dev='eth0' mode='bridge'/>",
            "vnet4": "macvtap0",
        },
        {},
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_what_libvirt_tells_otherwise_does_not_wait(name):
    assert waiting(*SAME[name]) == []


def test_each_fact_is_tried():
    assert {case[0] for case in WAITS} == set(pending.FACTS)


# What the collection itself says of these, read from its own plans: the first word of a change's
# field, or all of it, and the fact here.
FACT_OF = {
    "cdroms": "disks",
    "channels": "channels",
    "clock": "clock",
    "cpu.count": "cpu_count",
    "cpu.limit": "cpu_limit",
    "cpu.maximum": "cpu_maximum",
    "cpu.mode": "cpu_mode",
    "cpu.pinning.emulator": "cpu_pinning",
    "cpu.pinning.iothreads": "cpu_pinning",
    "cpu.pinning.vcpus": "cpu_pinning",
    "cpu.shares": "cpu_shares",
    "disks": "disks",
    "memory.huge_pages": "memory_backing",
    "memory.hotplug": "memory_maximum",
    "memory.ksm": "memory_backing",
    "memory.limit": "memory_limit",
    "memory.locked": "memory_backing",
    "memory.maximum": "memory_maximum",
    "nics": "nics",
    "numa.placement.mode": "numa_placement",
    "numa.placement.nodes": "numa_placement",
    "on_crash": "lifecycle",
    "resource_pool": "partition",
    "rng": "rng",
    "rngs": "rng",
    "serials": "serial_ports",
    "displays": "graphics",
    "videos": "video",
}
NOT_COMPARED = {
    "cpu.dedicated",
    "inputs", "host_devices", "shared_folders", "leases", "panic", "sound", "vsock",
    "consoles",
    "cpu.reservation",
    "memory.balloon_stats_period_s", "memory.reservation", "memory.size", "power", "protected",
    "scope", "state",
    "title",
}  # fmt: skip


def facts_of(field: str, *values: Any) -> set[str]:
    """The facts that a change of this field, between these values, changes."""
    if {field, field.partition(".")[0]} & NOT_COMPARED:
        return set()
    if field.endswith("boot_order"):
        return {"boot_order"}
    boots = any(isinstance(value, dict) and "boot_order" in value for value in values)
    name = FACT_OF.get(field) or FACT_OF[field.partition(".")[0]]
    return {name, "boot_order"} if boots else {name}


# Nothing waits in a VM that no longer runs after its changes, so its plan tells none.
RUNS_ON = [case for case in RUNS if (case / "after.xml").exists() and case.name != "runs-and-stops"]


@pytest.mark.parametrize("case", RUNS_ON, ids=lambda case: case.name)
def test_what_the_collection_changes_waits_before_it_is_done(case):
    live, after = (ET.parse(case / name).getroot() for name in ("live.xml", "after.xml"))
    changes = yaml.safe_load((case / "changes.yml").read_text())
    expected = set()
    for change in changes:
        # What is already so in the VM that runs is only stored.
        if change["class"] != "stored":
            expected |= facts_of(change["field"], change["before"], change["after"])
    if (case / "waiting.yml").exists():
        for field in yaml.safe_load((case / "waiting.yml").read_text()):
            expected |= facts_of(field)
    assert set(pending.pending(live, after)) == expected


STORED_OTHERWISE = {
    "runs-beside-a-disk-of-others": ["disks"],
    "runs-and-comes-back": ["boot_order", "channels", "disks", "nics"],
    "runs-otherwise-than-stored": ["clock", "cpu_maximum", "disks", "lifecycle", "nics"],
    "runs-under-a-namesake": ["disks"],
    "runs-with-a-nic-that-is-stored-no-more": ["nics"],
    "runs-with-less-than-is-stored": ["memory_maximum"],
    "runs-with-what-a-guest-kept": ["rng"],
}


@pytest.mark.parametrize("case", RUNS, ids=lambda case: case.name)
def test_golden_cases_run_as_they_are_stored(case):
    live, before = (ET.parse(case / name).getroot() for name in ("live.xml", "before.xml"))
    assert pending.pending(live, before) == STORED_OTHERWISE.get(case.name, [])


class FakeHost:
    """Has one VM, which is in a state and has a definition that waits."""

    def __init__(self, state: str) -> None:
        self.state = state

    def run(self, command: str, *arguments: str) -> SimpleNamespace:
        words = (command % arguments).split(" ", 5)[5]
        stored = STORED.replace("<clock offset='utc'/>", "<clock offset='localtime'/>")
        told = {
            "domstate web": self.state,
            "dumpxml web": LIVE,
            "dumpxml --inactive web": stored,
        }
        return SimpleNamespace(rc=0, stdout=told[words], stderr="")


@pytest.mark.parametrize(
    ("state", "names"), [("running\n", ["clock"]), ("paused\n", ["clock"]), ("shut off\n", [])]
)
def test_only_what_runs_waits(state, names):
    assert vm.Vm.get_module(FakeHost(state))("web").pending_restart == names
