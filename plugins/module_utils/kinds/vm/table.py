# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a VM: every option, where it stands in libvirt's XML, and what changes it live.

Source of the paths: https://libvirt.org/formatdomain.html. Identity of disks, CD-ROMs and NICs is
libvirt's user alias, `ua-disk-NAME` and so on (an alias is unique in a whole VM, and a disk and a
NIC may have one name); of those that others made, the target (`vda`) or the MAC address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...engine import xmltree
from ...engine.codecs import (
    absence,
    boolean,
    choice,
    integer,
    mapping,
    partly_hiding,
    presence,
    prose,
    size,
    text,
)
from ...engine.fields import Field, Items, Mapped, Rows, Variant, Written
from ...engine.keys import ABSENT, UNION, Key
from ...engine.mark import GROUP, MARK, SCOPE, SCOPE_PATH
from ...engine.mark import TEMPLATE as TEMPLATE_PATH
from ...engine.traits import KEPT, Trait, Traits, persistence, state_codec, state_of
from ...engine.xmltree import Element
from ..resource_pool.partitions import partition
from . import device_rows
from .cpu_time import LIMIT_CODEC, QUOTA, RESERVATION_CODEC, SHARES_CODEC
from .disk_sources import DISK_ENCRYPTION, NETWORK_SOURCE, NVME_SOURCE
from .live import Applier
from .nic_rows import BOOT_ORDER, NAME, NICS, alias_or
from .pinning import CPU_LIST, OF_THREADS
from .platform_rows import (
    BOOT_ROWS,
    CLOCK_ROWS,
    EMULATOR_ROW,
    FEATURE_ROWS,
    SMBIOS_ROWS,
    SWITCH,
)
from .port_rows import SERIAL
from .port_rows import TYPES as PORT_TYPES
from .screen_rows import GRAPHICS_TYPES, VIDEO
from .screen_rows import PORT as SCREEN_PORT
from .states import PAUSED, RUNNING, SAVED, STOPPED


def _cell_number(given: object) -> str:
    """The number of a NUMA cell, by which it is known."""
    return str(integer(0).parse(given))


CELL_NUMBER = replace(text(), parse=_cell_number, spec={"type": "int"})

AGENT_CHANNEL = "org.qemu.guest_agent.0"


def _disk_of(device: str) -> Callable[[Element], str | None]:
    by_alias = alias_or("target/@dev", f"ua-{device}-")
    return lambda disk: by_alias(disk) if disk.get("device", "disk") == device else None


def _new_disk(device: str) -> Callable[[str], Element]:
    def new(name: str) -> Element:
        disk = xmltree.parse(f'<disk type="file" device="{device}"><driver name="qemu"/></disk>')
        name_disk(disk, name)
        return disk

    return new


def name_disk(disk: Element, name: str) -> None:
    """Make a disk or CD-ROM known by a name, whatever its target."""
    xmltree.put(disk, "alias/@name", f"ua-{disk.get('device', 'disk')}-{name}")


def _new_channel(name: str) -> Element:
    channel = xmltree.parse(
        '<channel type="unix"><source mode="bind"/><target type="virtio"/></channel>'
    )
    xmltree.put(channel, "target/@name", name)
    return channel


def _numbered(tag: str) -> Callable[[str], Element]:
    def new(number: str) -> Element:
        element = xmltree.Element(tag)
        element.set("id", number)
        return element

    return new


def _named(tag: str) -> Callable[[str], Element]:
    def new(name: str) -> Element:
        element = xmltree.Element(tag)
        element.set("name", name)
        return element

    return new


def _swap_in_cmdline(text: str, swap: Callable[[str], str]) -> str:
    """Few VMs are booted by a kernel of the host, and the others import nothing for it."""
    from ...engine.secret_words import swap_in_cmdline

    return swap_in_cmdline(text, swap)


SOURCE = {
    "file": (Field("file", "source/@file"),),
    "block": (Field("device", "source/@dev"),),
    "volume": (Field("pool", "source/@pool"), Field("volume", "source/@volume")),
    "network": (NETWORK_SOURCE,),
}

LIMIT = integer(minimum=0, unset=0)
OFF = boolean(unset=False)
BYTES_PER_S = size(unset="0B")

DISK_ROWS = (
    Variant(UNION, "@type", {**SOURCE, "nvme": (NVME_SOURCE,)}),
    Field("bus", "target/@bus", choice("virtio", "scsi", "sata", "usb", "ide")),
    Field("format", "driver/@type", choice("qcow2", "raw")),
    Field(
        "cache",
        "driver/@cache",
        choice("none", "writeback", "writethrough", "directsync", "unsafe", unset="default"),
    ),
    Field("io", "driver/@io", choice("native", "threads", "io_uring", unset="default")),
    Field("discard", "driver/@discard", choice("unmap", "ignore", unset="default")),
    Written(
        "serial",
        "serial",
        prose(r"[A-Za-z0-9_.+ -]{1,36}", "a serial number of up to 36 characters"),
    ),
    Field("boot_order", "boot/@order", BOOT_ORDER),
    DISK_ENCRYPTION,
    Field("read_only", "readonly", presence()),
    Field("shareable", "shareable", presence()),
    Field("limits.total_iops", "iotune/total_iops_sec", LIMIT, Applier.DISK_LIMITS),
    Field("limits.read_iops", "iotune/read_iops_sec", LIMIT, Applier.DISK_LIMITS),
    Field("limits.write_iops", "iotune/write_iops_sec", LIMIT, Applier.DISK_LIMITS),
    Field("limits.total_bandwidth", "iotune/total_bytes_sec", BYTES_PER_S, Applier.DISK_LIMITS),
    Field("limits.read_bandwidth", "iotune/read_bytes_sec", BYTES_PER_S, Applier.DISK_LIMITS),
    Field("limits.write_bandwidth", "iotune/write_bytes_sec", BYTES_PER_S, Applier.DISK_LIMITS),
)

CDROM_ROWS = (
    Variant(UNION, "@type", SOURCE, Applier.MEDIA),
    Field("bus", "target/@bus", choice("sata", "scsi", "ide", "usb")),
    Field("boot_order", "boot/@order", BOOT_ORDER),
)

DISKS = Items(
    "disks",
    "devices/disk",
    DISK_ROWS,
    _disk_of("disk"),
    _new_disk("disk"),
    ("name", NAME),
    Applier.DEVICE,
)
CDROMS = Items(
    "cdroms",
    "devices/disk",
    CDROM_ROWS,
    _disk_of("cdrom"),
    _new_disk("cdrom"),
    ("name", NAME),
    Applier.DEVICE,
)
CHANNELS = Items(
    "channels",
    "devices/channel",
    (Field("path", "source/@path"),),
    lambda channel: xmltree.get(channel, "target/@name"),
    _new_channel,
    applier=Applier.DEVICE,
)
# What a VM is made of that comes and goes, each known by its name.
ITEMS = (DISKS, CDROMS, NICS, CHANNELS, *device_rows.EVERY)
LISTS = tuple(row.name for row in ITEMS)
FEATURES = Items(
    "cpu.features",
    "cpu/feature",
    (Field("policy", "@policy", choice("require", "disable", "force", "optional", "forbid")),),
    lambda feature: feature.get("name"),
    _named("feature"),
)


def device_of(key: Key) -> Key:
    """The key of the device that an option is of: `("disks", "root")`."""
    return key[:2]


def option_of(key: Key) -> Key:
    """The option of its device: `("limits", "read_iops")`."""
    return key[2:]


# Where the record of extra_xml is, see extra.py.
EXTRA_RECORD = "metadata/fleet:resource/fleet:extra_xml"

TEMPLATE: Key = ("template",)

# What is promised to a VM, for libvirt keeps none of it.
RESERVATION = f"{MARK}/fleet:reservation"
MEMORY_LIMIT = size(1024, unset="0B")
ALL = "all"
RESERVED = size(1024, unset="0B", words=(ALL,))
# The device of ours among memory devices, by its alias.
HOTPLUG_DEVICE = "devices/memory[alias/@name='ua-hotplug']"
HUGE_PAGES = size(1024, unset="none", words=("none",))

NUMA_CELLS = Items(
    "numa.cells",
    "cpu/numa/cell",
    (Field("cpus", "@cpus", CPU_LIST), Field("memory", "@memory", size(1024))),
    lambda cell: cell.get("id"),
    _numbered("cell"),
    ("id", CELL_NUMBER),
)
PLACEMENT = choice("strict", "preferred", "interleave", unset="none")

# The RNG of an option of its own: the first that is not one of `rngs`.
RNG = "devices/rng[~ua-rng-]"

# Those that QEMU's driver takes (qemuValidateLifecycleAction); libvirt knows more words.
LIFECYCLE = choice("destroy", "restart")
ON_CRASH = choice("destroy", "restart", "preserve", "coredump-destroy", "coredump-restart")

ROWS: Rows = (
    Written("title", "title", prose(r".+", "a title on one line"), Applier.METADATA),
    Written("description", "description", prose(), Applier.METADATA),
    Field("tags", "metadata/fleet:resource/fleet:tags", mapping(), Applier.METADATA),
    Field(
        "protected", "metadata/fleet:resource/@protected", boolean(unset=False), Applier.METADATA
    ),
    Field("scope", SCOPE_PATH, SCOPE, Applier.METADATA),
    Field("group", f"{GROUP}/@name", SCOPE, Applier.METADATA),
    Field("template", f"{TEMPLATE_PATH}/@is", boolean(unset=False), Applier.METADATA),
    Field("resource_pool", "resource/partition!", partition()),
    Field("virt_type", "@type", choice("auto", "kvm", "qemu")),
    Field("machine", "os/type/@machine"),
    Field("firmware", "os/@firmware", choice("efi", unset="bios")),
    Field("secure_boot", "os/firmware/feature[@name='secure-boot']/@enabled", boolean()),
    Field("boot.kernel", "os/kernel"),
    Field("boot.initrd", "os/initrd"),
    Field("boot.cmdline", "os/cmdline", partly_hiding(_swap_in_cmdline)),
    *BOOT_ROWS,
    *FEATURE_ROWS,
    *SMBIOS_ROWS,
    EMULATOR_ROW,
    Field("cpu.maximum", "vcpu", integer(1)),
    Field("cpu.count", "vcpu/@current", integer(1), Applier.VCPUS),
    Field("cpu.mode", "cpu/@mode", choice("host-model", "host-passthrough", "maximum", "custom")),
    Field("cpu.model", "cpu/model"),
    Field("cpu.check", "cpu/@check", choice("none", "partial", "full")),
    Field("cpu.migratable", "cpu/@migratable", SWITCH),
    Field("cpu.topology.sockets", "cpu/topology/@sockets", integer(1)),
    Field("cpu.topology.dies", "cpu/topology/@dies", integer(1)),
    Field("cpu.topology.cores", "cpu/topology/@cores", integer(1)),
    Field("cpu.topology.threads", "cpu/topology/@threads", integer(1)),
    FEATURES,
    Field("cpu.shares", "cputune/shares", SHARES_CODEC, Applier.CPU_TIME),
    Field("cpu.limit", QUOTA, LIMIT_CODEC, Applier.CPU_TIME),
    Field("cpu.reservation", f"{RESERVATION}/@cpu", RESERVATION_CODEC, Applier.PROMISE),
    Field("cpu.dedicated", f"{RESERVATION}/@dedicated", OFF, Applier.PROMISE),
    Mapped(
        "cpu.pinning.vcpus",
        "cputune/vcpupin",
        OF_THREADS,
        Applier.CPU_PINS,
        key="vcpu",
        of="cpuset",
    ),
    Field("cpu.pinning.emulator", "cputune/emulatorpin/@cpuset", CPU_LIST, Applier.CPU_PINS),
    Mapped(
        "cpu.pinning.iothreads",
        "cputune/iothreadpin",
        OF_THREADS,
        Applier.CPU_PINS,
        key="iothread",
        of="cpuset",
    ),
    Field("memory.maximum", "memory", size(1024)),
    Field("memory.size", "currentMemory", size(1024), Applier.BALLOON),
    Field("memory.balloon", "devices/memballoon/@model", choice("virtio", "none")),
    Field(
        "memory.balloon_stats_period_s",
        "devices/memballoon/stats/@period",
        LIMIT,
        Applier.BALLOON_STATS,
    ),
    Field("memory.reservation", f"{RESERVATION}/@memory", RESERVED, Applier.PROMISE),
    Field("memory.limit", "memtune/hard_limit!", MEMORY_LIMIT, Applier.MEMORY_LIMIT),
    Field("memory.locked", "memoryBacking/locked", presence()),
    Field("memory.shared", "memoryBacking/access/@mode", boolean("shared", "private", False)),
    Field("memory.ksm", "memoryBacking/nosharepages", absence()),
    Field("memory.hotplug", f"{HOTPLUG_DEVICE}!/target/size", size(1024, unset="0B")),
    Field("memory.huge_pages", "memoryBacking/hugepages!/page/@size", HUGE_PAGES),
    NUMA_CELLS,
    Field("numa.placement.mode", "numatune/memory!/@mode", PLACEMENT),
    Field("numa.placement.nodes", "numatune/memory/@nodeset", CPU_LIST),
    *CLOCK_ROWS,
    Field("on_poweroff", "on_poweroff", LIFECYCLE, Applier.LIFECYCLE),
    Field("on_reboot", "on_reboot", LIFECYCLE, Applier.LIFECYCLE),
    Field("on_crash", "on_crash", ON_CRASH, Applier.LIFECYCLE),
    DISKS,
    CDROMS,
    NICS,
    CHANNELS,
    Field("serial.type", f"{SERIAL}!/@type", choice(*PORT_TYPES, unset="none")),
    Field("serial.path", f"{SERIAL}/source/@path"),
    Field("graphics.type", "devices/graphics!/@type", choice(*GRAPHICS_TYPES, unset="none")),
    Field("graphics.listen", "devices/graphics/@listen"),
    Field("graphics.port", "devices/graphics/@port", SCREEN_PORT),
    Field(
        "video",
        f"{VIDEO}/model/@type",
        choice("virtio", "vga", "qxl", "cirrus", "bochs", "none"),
    ),
    Field(
        "rng",
        f"{RNG}!/backend",
        choice("/dev/urandom", "/dev/random", "/dev/hwrng", unset="none"),
    ),
    Field(
        "watchdog.model",
        "devices/watchdog!/@model",
        choice("i6300esb", "itco", "ib700", unset="none"),
    ),
    Field(
        "watchdog.action",
        "devices/watchdog/@action",
        choice("reset", "shutdown", "poweroff", "pause", "dump", "inject-nmi", "none"),
    ),
    Field("tpm.model", "devices/tpm!/@model", choice("tpm-crb", "tpm-tis", unset="none")),
    Field("tpm.version", "devices/tpm/backend/@version", choice("2.0", "1.2")),
    *device_rows.ROWS,
)

_STATES = state_codec(KEPT, RUNNING, STOPPED, PAUSED, SAVED, ABSENT, default=KEPT)

TRAITS: Traits = (
    persistence(),
    Trait("autostart", boolean(), gone=False, new=lambda _state: False),
    state_of(_STATES, new=STOPPED, leaves=KEPT),
)
