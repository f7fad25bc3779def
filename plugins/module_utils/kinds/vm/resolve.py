# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a user wrote to concrete values, by the host, by other resources and by names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.host import HostFacts
from ...engine.keys import ABSENT, PRESENT, UNION, Key, Values, within
from ...engine.plan import Have
from ...engine.units import format_size, parse_size
from ...engine.world import World
from ..storage_volume.volumes import disk_source, format_of, type_of
from . import (
    cpu_time,
    disk_sources,
    host_devices,
    numa_cells,
    numa_placement,
    platform,
    shared_folders,
)
from .derived import derived_mac
from .lease_rows import LEASES, LOCKSPACE
from .memory import HOTPLUG, MAXIMUM, SIZE, most_of
from .nic_rows import BRIDGED, MACVTAP
from .port_rows import ISA, SERIALS
from .screen_rows import DISPLAYS, VIDEOS
from .seeded import DRIVE, VOLUME
from .table import AGENT_CHANNEL, ALL, CDROMS, DISKS, option_of

if TYPE_CHECKING:
    from .standing import Standing

# What a new VM gets where nothing is said: what an operator of a headless server would choose.
DEFAULTS: Values = {
    ("memory", "balloon"): "virtio",
    ("clock",): "utc",
    ("on_poweroff",): "destroy",
    ("on_reboot",): "restart",
    ("on_crash",): "destroy",
    ("serial", "type"): "pty",
    ("rng",): "/dev/urandom",
}

# What a new device of a list gets where nothing is said of it.
OF_SMALLER: dict[str, dict[str, Value]] = {
    "rngs": {"path": "/dev/urandom"},
    "inputs": {"bus": "usb"},
    "serials": {"type": "pty"},
    "consoles": {"type": "pty"},
    "videos": {"model": "virtio"},
    LEASES.name: {"lockspace": LOCKSPACE},
}

# What new disks stand on that are raw where nothing else is said.
RAW_ON = {"device", "network", "nvme"}

WATCHDOG, TPM = ("watchdog", "model"), ("tpm", "model")

# What QEMU emulates where nothing is said, by the architecture of the VM.
USUAL_CPUS = {"x86_64": "qemu64", "i686": "qemu32"}

# From this version on libvirt stores the watchdog that every q35 machine has, and puts it back.
WRITES_ITCO = 9_001_000


def resolve(
    name: str,
    want: Mapping[Key, Value],
    stored: Values,
    world: World,
    purged: Collection[str],
    standing: Callable[[], Standing],
) -> dict[Key, Value]:
    """The values to set; `stored` is empty for a new VM, `purged` are lists that are complete."""
    values = dict(want) if stored else {**DEFAULTS, **want}
    _virt_type(values, stored, world.host)
    _machine(values, stored, world.host)
    _firmware(values, stored)
    _watchdog(values, stored, world.host)
    _tpm(values, stored, world.host.arch)
    _cpu_features(values, stored)
    numa_cells.resolve(values, stored)
    _cpu(values, stored, world.host)
    _usual_model(values, stored, world.host)
    platform.resolve(values, stored, want)
    cpu_time.resolve(values, stored)
    numa_placement.resolve(values, stored)
    _memory(values, stored)
    _locked(values, stored)
    _sources(values, stored, world)
    disk_sources.settled(values, stored)
    if stored and any(_is_elsewhere(key, values, stored) for key in values):
        standing().adopt(values, stored)
        standing().keep(values, stored)
    _disks(values, stored)
    _adopt_nics(values, stored)
    _nics(name, values, stored, world)
    resolve_devices(values, stored)
    _serials(values, stored, world.host.arch)
    _screens(values, stored)
    _purge(values, stored, purged)
    if any(values[key] is ABSENT and key[0] == DISKS.name and key in stored for key in values):
        standing().check_going(values, stored)
    return values


def _is_elsewhere(key: Key, values: Values, stored: Values) -> bool:
    """Whether a key is that of a disk or drive that is new, goes, or is to stand on another source.

    Of the others nobody has to know what they stand on.
    """
    if len(key) != 2 or key[0] not in (DISKS.name, CDROMS.name):
        return False
    if key not in stored or values[key] is ABSENT:
        return True
    source = (*key, UNION)
    return source in values and values[source] != stored.get(source)


def _virt_type(values: dict[Key, Value], stored: Values, host: HostFacts) -> None:
    if values.get(("virt_type",), "auto") != "auto":
        return
    values.pop(("virt_type",), None)
    if not stored:
        values[("virt_type",)] = host.best_virt_type


def _machine(values: dict[Key, Value], stored: Values, host: HostFacts) -> None:
    """A family such as `q35` means its newest version for a new VM, and what an old one has."""
    if not stored and "q35" in host.machines:
        values.setdefault(("machine",), "q35")
    wanted = values.get(("machine",))
    if wanted is None:
        return
    has = str(stored.get(("machine",), ""))
    of_family = has.startswith(f"pc-{wanted}-") or (wanted == "pc" and has.startswith("pc-i440fx-"))
    values[("machine",)] = has if of_family else host.machines.get(wanted) or wanted


def _firmware(values: dict[Key, Value], stored: Values) -> None:
    """Where secure boot is said of a firmware that was picked, libvirt has to pick again."""
    firmware = values.get(("firmware",), stored.get(("firmware",), "bios"))
    if firmware != "efi" and values.get(("secure_boot",)) is False:
        del values[("secure_boot",)]  # as it is
    elif ("secure_boot",) in values and stored.get(("firmware",)) == "efi":
        values.setdefault(("firmware",), "efi")


def _watchdog(values: dict[Key, Value], stored: Values, host: HostFacts) -> None:
    """None at all is on a q35 machine what the machine itself has; an action comes with any."""
    was, there = str(stored.get(("machine",), "")), stored.get(WATCHDOG, "none")
    is_q35 = "q35" in str(values.get(("machine",), was))
    if is_q35 and host.driver == "QEMU" and host.libvirt_version >= WRITES_ITCO:
        is_new_board = there == "none" and "q35" not in was
        if values.get(WATCHDOG, "none" if is_new_board else "") == "none":
            values[WATCHDOG] = "itco"
    if there == "none" and values.get(WATCHDOG, "none") != "none":
        values.setdefault(("watchdog", "action"), "reset")


def _tpm(values: dict[Key, Value], stored: Values, arch: str) -> None:
    """The version of a new one, as libvirt has it (qemuDomainTPMDefPostParse)."""
    model = values.get(TPM, "none")
    if model != "none" and stored.get(TPM, "none") == "none":
        is_old = model == "tpm-tis" and arch in USUAL_CPUS
        values.setdefault(("tpm", "version"), "1.2" if is_old else "2.0")


def _usual_cpu(values: dict[Key, Value], host: HostFacts) -> None:
    """The CPU of a new VM where none is said: that of the host, or the one that QEMU emulates."""
    mode, model = platform.CPU_MODE, platform.CPU_MODEL
    if values.get(model):
        values.setdefault(mode, "custom")
    elif values[("virt_type",)] == "kvm":
        values.setdefault(mode, "host-model")
    elif mode not in values and host.driver == "QEMU" and host.arch in USUAL_CPUS:
        values.update({mode: "custom", model: USUAL_CPUS[host.arch]})


def _usual_model(values: dict[Key, Value], stored: Values, host: HostFacts) -> None:
    """The model of a CPU that becomes a custom one, where none is said: the one QEMU emulates."""
    mode, model = platform.CPU_MODE, platform.CPU_MODEL
    is_emulated = host.driver == "QEMU" and host.arch in USUAL_CPUS
    if values.get(mode) == "custom" and not stored.get(model) and is_emulated:
        values.setdefault(model, USUAL_CPUS[host.arch])


def _cpu_features(values: dict[Key, Value], stored: Values) -> None:
    for key in [key for key in values if key[:2] == ("cpu", "features") and len(key) == 3]:
        if values[key] is PRESENT and key not in stored:
            values.setdefault((*key, "policy"), "require")


def _cpu(values: dict[Key, Value], stored: Values, host: HostFacts) -> None:
    """The count pulls the maximum up with it, and the maximum the count down."""
    count, most = values.get(("cpu", "count")), values.get(("cpu", "maximum"))
    topology = [("cpu", "topology", part) for part in ("sockets", "dies", "cores", "threads")]
    if any(values.get(part) for part in topology):
        product = 1
        for part in topology:
            if values.get(part) is None and stored.get(part) is None:
                values[part] = 1  # as libvirt says it of what is not said
            product *= values.get(part) or stored.get(part) or 1
        most = values.setdefault(("cpu", "maximum"), product)
    if not stored:
        count = values.setdefault(("cpu", "count"), count or most or 1)
        values.setdefault(("cpu", "maximum"), most or count)
        _usual_cpu(values, host)
        return
    if count is not None and most is None and count > stored[("cpu", "maximum")]:
        values[("cpu", "maximum")] = count
    if most is not None and count is None:
        values[("cpu", "count")] = min(stored[("cpu", "count")], most)


def _memory(values: dict[Key, Value], stored: Values) -> None:
    """The size pulls the maximum up with it where it can have no more by what is plugged in, and
    what it can have pulls the size down."""
    size, most = values.get(SIZE), values.get(MAXIMUM)
    if not stored:
        if size or most:
            values.setdefault(SIZE, most)
            values.setdefault(MAXIMUM, size)
        return
    hotplug = values.get(HOTPLUG, stored[HOTPLUG])
    can_have = most_of({MAXIMUM: most or stored[MAXIMUM], HOTPLUG: hotplug})
    if size is not None and most is None and parse_size(size) > can_have:
        values[MAXIMUM] = size
    declares = most is not None or HOTPLUG in values
    if size is None and declares and can_have < parse_size(stored[SIZE]):
        values[SIZE] = format_size(can_have)


def _locked(values: dict[Key, Value], stored: Values) -> None:
    """What a reservation of all had brought is put back where somebody took it out."""
    reserves, pages = ("memory", "reservation"), ("memory", "huge_pages")
    if not stored or values.get(pages, stored[pages]) != "none":
        return
    if values.get(reserves) == stored[reserves] == ALL:
        values.setdefault(("memory", "locked"), True)


def _sources(values: dict[Key, Value], stored: Values, world: World) -> None:
    """A disk on a volume gets the volume's own path and format."""
    for key in _declared(values):
        source = values.get((*key, "source"))
        if source and "pool" in source:
            _volume(values, key, source, stored, world)


def _disks(values: dict[Key, Value], stored: Values) -> None:
    """What a new disk or drive has where nothing is said."""
    for key in _declared(values):
        if key in stored or values[key] is ABSENT:
            continue
        source = values.get((*key, "source"))
        values.setdefault((*key, "bus"), "virtio" if key[0] == "disks" else "sata")
        if key[0] == "cdroms":
            values.setdefault((*key, "source"), {"file": ""})
        if key[0] == "disks" and source and RAW_ON & source.keys():
            values.setdefault((*key, "format"), "raw")


def _declared(values: Mapping[Key, Value]) -> list[Key]:
    return [key for key in values if key[0] in ("disks", "cdroms") and len(key) == 2]


def _volume(
    values: dict[Key, Value], key: Key, source: Mapping[str, str], stored: Values, world: World
) -> None:
    pool = world.will_be("storage_pool", source["pool"])
    volume = world.will_be("storage_volume", f"{source['pool']}/{source['volume']}")
    if pool.exists:
        values[(*key, "source")] = _source(pool, volume, source["volume"])
    if key[0] != "disks":
        return
    if volume.exists:
        values.setdefault((*key, "format"), format_of(volume))
    elif not _is_on(values[(*key, "source")], stored):
        usual = "raw" if "device" in values[(*key, "source")] else "qcow2"
        values.setdefault((*key, "format"), usual)


def _source(pool: Have, volume: Have, name: str) -> dict[str, str]:
    """The source of a disk on a volume. Of a multipath pool libvirt takes none by its name."""
    path = xmltree.get(volume.stored, "target/path") if volume.stored is not None else None
    if type_of(pool) == "mpath" and path:
        return {"device": path}
    return disk_source(pool, name)


def _is_on(source: Value, stored: Values) -> bool:
    """Whether a disk is on it, and so says what the format is of a volume that cannot be seen."""
    return any(source == stored[key] for key in stored if key[0] == "disks" and key[-1] == "source")


def _adopt_nics(values: dict[Key, Value], stored: Values) -> None:
    """A NIC with the MAC of one that others made, which has no other name, is that one.

    One that goes may be in what runs only.
    """
    for key in [key for key in values if key[0] == "nics" and len(key) == 2]:
        others = ("nics", str(values.get((*key, "mac"))))
        if key not in stored and others in stored:
            for field in within(values, key):
                values[(*others, *option_of(field))] = values.pop(field)
        elif values[key] is ABSENT and key not in stored and values.get((*key, "mac")):
            values[others] = ABSENT


def _nics(name: str, values: dict[Key, Value], stored: Values, world: World) -> None:
    for key in [key for key in values if key[0] == "nics" and len(key) == 2]:
        _mode_of_macvtap((*key, UNION), values, stored)
        if values[key] is PRESENT and key not in stored:
            values.setdefault((*key, "mac"), derived_mac(name, key[1]))
            values.setdefault((*key, "model"), "virtio")
        elif _becomes_of_qemu(key, values, stored, world):
            values.setdefault((*key, "model"), "virtio")


def _becomes_of_qemu(key: Key, values: Values, stored: Values, world: World) -> bool:
    """Whether a NIC comes to where QEMU emulates it. A device of the host, which it was, has no
    model, and libvirt would choose one of its own."""
    place = values.get((*key, UNION)) or {}
    if stored.get((*key, "model")) or place == stored.get((*key, UNION)):
        return False
    network = world.will_be("vswitch", str(place["vswitch"])).stored if "vswitch" in place else None
    mode = "" if network is None else xmltree.get(network, "forward/@mode")
    return bool(place) and mode != "hostdev"


def _mode_of_macvtap(at: Key, values: dict[Key, Value], stored: Values) -> None:
    """That of the same interface stays where none is said."""
    said = (values.get(at) or {}).get(MACVTAP)
    if said and "mode" not in said:
        now = (stored.get(at) or {}).get(MACVTAP) or {}
        mode = now["mode"] if now.get("dev") == said["dev"] else BRIDGED
        values[at] = {MACVTAP: {**said, "mode": mode}}


def resolve_devices(values: dict[Key, Value], stored: Values) -> None:
    """What new devices of lists have where nothing is said, disks and NICs aside."""
    _smaller_devices(values, stored)
    host_devices.resolve(values, stored)
    shared_folders.resolve(values, stored)


def _smaller_devices(values: dict[Key, Value], stored: Values) -> None:
    """What a new device of the smaller ones has where nothing is said."""
    for key in [key for key in values if len(key) == 2 and key[0] in OF_SMALLER]:
        if values[key] is PRESENT and key not in stored:
            for option, value in OF_SMALLER[key[0]].items():
                values.setdefault((*key, option), value)


def _serials(values: dict[Key, Value], stored: Values, arch: str) -> None:
    """A new port is one of ISA on x86, as libvirt has it; elsewhere that depends on the machine."""
    for key in [key for key in values if len(key) == 2 and key[0] == SERIALS.name]:
        if values[key] is PRESENT and key not in stored and arch in USUAL_CPUS:
            values.setdefault((*key, "target"), ISA)


def _screens(values: dict[Key, Value], stored: Values) -> None:
    """None is none of several."""
    for first, row in ((("graphics", "type"), DISPLAYS), (("video",), VIDEOS)):
        if values.get(first) == "none":
            for key in [key for key in stored if len(key) == 2 and key[0] == row.name]:
                values.setdefault(key, ABSENT)


def _purge(values: dict[Key, Value], stored: Values, purged: Collection[str]) -> None:
    """What is not declared of a complete list goes, but for what an option of its own brought."""
    for key in stored:
        own = key[1:] == (AGENT_CHANNEL,) or (key == DRIVE and VOLUME in stored)
        if len(key) == 2 and key[0] in purged and not own and key not in values:
            values[key] = ABSENT
