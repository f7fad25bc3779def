"""What no change of a plan names is the same afterwards, to the letter.

A definition is taken apart into paths with values. Each that differs has to lie below a place that
a change of the plan stands for. The places are written down here, without the engine's table.
"""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.parsers import expat

Element = ET.Element
Change = Mapping[str, Any]
Paths = dict[str, str]

FLEET = ("metadata/{urn:kvm.fleet:1", "metadata/text()")
MARK = "known-by"
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
OURS = ("ua-disk-", "ua-cdrom-", "ua-nic-")  # others have aliases of their own
# What a device is known by, below it; other things are told apart by their number.
IDENTITY = {
    "disk": (".", MARK),
    "interface": (".", MARK),
    "channel": ("target", "name"),
    "controller": (".", "type", "index"),
    "portgroup": (".", "name"),
    "ip": (".", "family"),
    "feature": (".", "name"),
    "timer": (".", "name"),
    "host": (".", "mac", "ip", "id", "name"),
    "vcpupin": (".", "vcpu"),
}
CPU = ("cpu/@", "cpu/model", "cpu/feature", "cpu/vendor", "cpu/text()")
FIRMWARE = ("os/@firmware", "os/loader", "os/nvram", "os/firmware", "features/smm",
            "features/acpi")  # fmt: skip
# Where the value of a field of a VM stands; `x.` is all that begins so. In a place `*` is one step.
VM = {
    "title": ("title/",),
    "cloud_init.": FLEET,
    "description": ("description/",),
    "resource_pool": ("resource/",),
    "virt_type": ("@type", "cpu/", "devices/emulator/"),
    "machine": ("os/type/@machine", "devices/controller", "devices/*/address/"),
    "board_watchdog": ("devices/watchdog",),
    "firmware": FIRMWARE,
    "secure_boot": FIRMWARE,
    "boot.devices": ("os/boot",),
    "boot.menu": ("os/bootmenu",),
    "boot.bios": ("os/bios",),
    "boot.": ("os/kernel/", "os/initrd/", "os/cmdline/"),
    "cpu.maximum": ("vcpu/", "cpu/numa/cell/@cpus"),
    "cpu.count": ("vcpu/",),
    "cpu.topology.": ("cpu/topology", "cpu/@"),
    "cpu.individual_vcpus": ("vcpus",),
    "cpu.shares": ("cputune/shares", "cputune/text()"),
    "cpu.limit": ("cputune/global_quota", "cputune/text()"),
    "cpu.reservation": FLEET,
    "cpu.dedicated": FLEET,
    "cpu.pinning.vcpus": ("cputune/vcpupin", "cputune/text()"),
    "cpu.pinning.emulator": ("cputune/emulatorpin", "cputune/text()"),
    "cpu.pinning.iothreads": ("cputune/iothreadpin", "cputune/text()"),
    "numa.cells": ("cpu/numa", "cpu/text()"),
    "numa.placement_of_cells": ("numatune/memnode",),
    "numa.placement.automatic_cpus": ("vcpu/@placement",),
    "numa.placement": ("numatune/memory", "numatune/text()"),
    "cpu.cache": ("cpu/cache",),
    "cpu.": CPU,
    "memory.balloon": ("devices/memballoon",),
    "memory.balloon_stats_period_s": ("devices/memballoon/stats",),
    "memory.reservation": FLEET,
    "memory.limit": ("memtune/hard_limit", "memtune/text()"),
    "memory.locked": ("memoryBacking/locked", "memoryBacking/text()", *FLEET),
    "memory.shared": ("memoryBacking/access", "memoryBacking/source", "memoryBacking/text()",
                      *FLEET),
    "memory.source": ("memoryBacking/source",),
    "memory.ksm": ("memoryBacking/nosharepages", "memoryBacking/text()"),
    "memory.huge_pages": ("memoryBacking/hugepages", "memoryBacking/text()", *FLEET),
    "memory.size": ("currentMemory/", "devices/memory"),
    "memory.maximum": ("memory/", "maxMemory/", "cpu/numa/cell/@memory", "devices/memory"),
    "memory.hotplug": ("memory/", "maxMemory/", "cpu/numa", "devices/memory", *CPU),
    "memory.numa": ("cpu/numa", *CPU),
    "memory.slots": ("maxMemory/",),
    "clock": ("clock/@",),
    "timezone": ("clock/@",),
    "timers": ("clock/timer",),
    "features.hyperv": ("features/hyperv",),
    "features.kvm": ("features/kvm",),
    "features.": ("features/",),
    "smbios": ("sysinfo", "os/smbios"),
    "emulator": ("devices/emulator/",),
    "on_poweroff": ("on_poweroff",),
    "on_reboot": ("on_reboot",),
    "on_crash": ("on_crash",),
    "agent": ("devices/channel[org.qemu.guest_agent.0]",),
    "serial": ("devices/serial", "devices/console"),
    "graphics": ("devices/graphics", "devices/audio", "devices/video"),  # a screen brings a card
    "video": ("devices/video",),
    "serials": ("devices/serial", "devices/console"),
    "consoles": ("devices/console",),
    "displays": ("devices/graphics", "devices/audio"),
    "videos": ("devices/video",),
    "rng": ("devices/rng",),
    "rngs": ("devices/rng",),
    "inputs": ("devices/input",),
    "shared_folders": ("devices/filesystem",),
    "leases": ("devices/lease",),
    "iommu": ("devices/iommu", *FLEET),
    "host_devices": ("devices/hostdev",),
    "sound": ("devices/sound", "devices/audio"),
    "panic": ("devices/panic",),
    "vsock": ("devices/vsock",),
    "watchdog": ("devices/watchdog",),
    "tpm": ("devices/tpm",),
    # What goes along with one of them, under a name of its own.
    "spice.audio": ("devices/audio",),
    "spice.channels": ("devices/channel[com.redhat.spice.", "devices/channel[org.spice-space."),
    "spice.redirections": ("devices/redirdev",),
    "spice.smartcards": ("devices/smartcard",),
    "video_details": ("devices/video",),
    "other_serial_ports": ("devices/serial", "devices/console"),
    "other_rngs": ("devices/rng",),
    "rng_": ("devices/rng",),
    "other_watchdogs": ("devices/watchdog",),
    "balloon_details": ("devices/memballoon",),
    "tpm_banks": ("devices/tpm",),
    "clock_details": ("clock/@",),
    "pci.controllers": ("devices/controller",),
    "pci.addresses": ("devices/*/address/",),
    "scsi_controller": ("devices/controller",),
    "firmware_": ("os/loader", "os/@firmware", "os/firmware"),
    "nvram": ("os/nvram",),
    "extra_xml": ("devices/audio",),  # beside what it says
}  # fmt: skip
DISK = {
    "bus": ("target/", "address/", "driver/@"),
    "format": ("driver/@type",),
    "cache": ("driver/@cache",),
    "io": ("driver/@io",),
    "discard": ("driver/@discard",),
    "serial": ("serial/",),
    "boot_order": ("boot/",),
    "read_only": ("readonly",),
    "encryption": ("encryption", "source/encryption"),
    "shareable": ("shareable",),
    "limits.": ("iotune/",),
    "capacity": (),
    "address": ("address/",),
    "bus_details": ("driver/", "@model", "wwn", "vendor", "product", "geometry", "target/@"),
    "format_details": ("driver/",),
    # The source: a file, a device, a pool and a volume, a server, a medium.
    "": ("source", "@type", "backingStore", "auth"),
}
NIC = {
    "model": ("model/@type", "address/", "driver/"),
    "mtu": ("mtu/",),
    "link": ("link/",),
    "isolated": ("port",),
    "vlan": ("vlan",),
    "native_vlan": ("vlan",),
    "trunk": ("vlan",),
    "trust_guest_rx_filters": ("@trustGuestRxFilters",),
    "target": ("target/",),
    "filter": ("filterref",),
    "boot_order": ("boot/",),
    "bandwidth.": ("bandwidth/",),
    "mac": ("mac/",),
    "driver": ("driver/",),
    "queues": ("driver/@queues",),
    "details": (
        "virtualport",
        "target/",
        "script/",
        "bandwidth/",
        "@managed",
        "ip[",
        "route",
        "backend",
    ),
    "": ("source", "@type"),
}
VSWITCH = {
    "type": ("forward/@mode", "forward/text()", "virtualport"),
    "devices": ("forward/@dev", "forward/interface"),
    "physical_function": ("forward/pf",),
    "virtual_functions": ("forward/address",),
    "dnsmasq_options": ("{http://libvirt.org/schemas/network/dnsmasq/1.0}options",),
    "nat": ("forward/nat",),
    "uplinks": ("forward/@dev", "forward/interface"),
    "bridge": ("bridge/@name",),
    "stp": ("bridge/@stp",),
    "forward_delay_s": ("bridge/@delay",),
    "mtu": ("mtu/",),
    "domain": ("domain/",),
    "domain_local_only": ("domain/@localOnly",),
    "dns.hosts": ("dns/host", "dns/text()"),
    "dns.forwarders": ("dns/forwarder", "dns/text()"),
    "dns.enabled": ("dns/@enable", "dns/text()"),
    "address_details": ("ip[ipv4]/tftp", "ip[ipv4]/dhcp/bootp", "ip[ipv4]/@localPtr"),
    "address6": ("ip[ipv6]/@", "ip[ipv6]/text()"),
    "address": ("ip[ipv4]/@", "ip[ipv4]#*/@", "ip[ipv4]/text()"),  # of which one has DHCP
    "dhcp.": ("ip[ipv4]/dhcp", "ip[ipv4]#*/dhcp"),
    "dhcp6.": ("ip[ipv6]/dhcp", "ip[ipv6]#*/dhcp"),
    "more_addresses": ("ip[ipv4]#", "ip[ipv6]#"),
    "routes": ("route",),
}
POOL = {
    "path": ("target/path/",),
    "permissions.": ("target/permissions",),
    "source.name": ("source/", "target/path/"),  # a volume group has its path by its name
    "source.": ("source/",),
}
SECRET = {
    "description": ("description/",),
    "private": ("@private", "value/"),
    "ephemeral": ("@ephemeral",),
    "value": ("value/",),
}
VOLUME = {
    "capacity": ("capacity/",),
    "cluster_size": ("target/clusterSize",),
    "lazy_refcounts": ("target/features",),
    "extended_l2": ("target/features",),
    "permissions.mode": ("target/permissions/mode",),
    "permissions.owner": ("target/permissions/owner",),
    "permissions.group": ("target/permissions/group",),
}
# What libvirt writes of a VM that runs, beside that, where a field changes meanwhile.
LIVE_VM = {"cpu.count": ("vcpus/",)}
LIVE_CDROM = ("driver/@type",)  # of a medium that is put in
# In every plan: what says that a thing is declared, and what libvirt adds for what comes.
ALWAYS = FLEET
# What libvirt adds for a device that comes; a hub where USB has no port left.
COMES = ("devices/controller", "devices/hub")
# Not said by anybody: what is measured, and the owner that libvirt gives a file while a VM runs.
MEASURED = re.compile(
    r"(allocation|available|physical|(target|backingStore)/timestamps)/|@connections"
    # libvirt numbers consoles by their places, which are others once it has added one.
    r"|devices/console[^/]*/target/@port"
    # libvirt 11 takes another port of the network for every update of a NIC.
    r"|devices/interface\[[^]]*\]/source/@portid"
)
OWNED = re.compile(r"(target|backingStore)/permissions/(owner|group|text)")
FOLDER = re.compile(r"target/permissions/")  # libvirt knows them of a pool that was active


def lost(before: Mapping[str, str], after: Mapping[str, str], plan: Iterable[Change]) -> list[str]:
    """What differs between two dumps and belongs to no change of the plan."""
    changes = _by_resource(plan)
    found: list[str] = []
    for key in sorted({**before, **after}):
        resource, view = key.rsplit(" ", 1)
        mine = changes.get(resource, [])
        one, other = before.get(key), after.get(key)
        if one == other or view == "files":  # of which libvirt tells as volumes
            continue
        if (other or one or "").startswith("<volume type='dir'"):
            continue  # a folder in a pool, such as that of another pool
        if one is None or other is None:
            found += _came_or_went(key, before, after, mine)
        elif view == "facts":
            found += _facts(key, one, other, mine)
        elif view == "stored" or not _turns(mine):
            found += [f"{key}: {what}" for what in _lost(key, one, other, mine)]
    return found


def _by_resource(plan: Iterable[Change]) -> dict[str, list[Change]]:
    changes: dict[str, list[Change]] = {}
    for change in plan:
        of = [change["resource"]]
        if change["field"].startswith(("cloud_init.volume", "cloud_init.former")):
            # the volume of a seed is its VM's
            of += [f"storage_volume/{change[side]}" for side in ("before", "after")]
        if change["field"] in FOLLOWED:  # by NICs
            of += [f"vm/{nic.split(' (')[0]}" for nic in change["after"]]
        for resource in of:
            changes.setdefault(resource, []).append(change)
    return changes


def _turns(changes: Iterable[Change]) -> bool:
    """Whether it starts, stops or restarts: then what runs is something else."""
    return any(change["field"] in ("state", "power") for change in changes)


def _came_or_went(
    key: str, before: Mapping[str, str], after: Mapping[str, str], mine: list[Change]
) -> list[str]:
    is_seed = any(change["field"].startswith("cloud_init.") for change in mine)
    if mine if key in after else _turns(mine) or is_seed:
        return []
    resource = key.rsplit(" ", 1)[0]
    pool = f"storage_pool/{resource.split('/')[1]} live"
    if resource.startswith("storage_volume/") and _folder(before, pool) != _folder(after, pool):
        return []  # as is shown by what became of the pool
    return [f"{key} {'came' if key in after else 'went'}"]


def _folder(side: Mapping[str, str], pool: str) -> str | None:
    """Where a pool shows volumes; nowhere if it is not active."""
    return ET.fromstring(side[pool]).findtext("target/path") if pool in side else None


def _facts(key: str, before: str, after: str, mine: list[Change]) -> list[str]:
    """What is no XML: whether it is active, and whether it starts by itself."""
    was, now = (list(ast.literal_eval(facts)) for facts in (before, after))
    at = 2 if key.startswith("vm/") else 1  # where Observer has it
    starts = was.pop(at), now.pop(at)
    found = []
    if starts[0] != starts[1] and not any(one["field"] == "autostart" for one in mine):
        found.append(f"{key}: it starts by itself: {starts[0]}, now {starts[1]}")
    if was != now and not _turns(mine):
        found.append(f"{key}: its state was {was}, is {now}")
    return found


def _lost(key: str, before: str, after: str, changes: list[Change]) -> Iterator[str]:
    was, now = ET.fromstring(before, _parser()), ET.fromstring(after, _parser())
    _mark(was, now)
    resource = key.rsplit(" ", 1)[0]
    places = [*ALWAYS, *_places_of_all(key, changes, (was, now)), *_default_boot(was, now)]
    old, new = dict(_paths(was, "")), dict(_paths(now, ""))
    differ = [path for path in sorted({**old, **new}) if old.get(path) != new.get(path)]
    named = {path for path in differ if any(_is_in(path, place) for place in places)}
    for path in differ:
        if path in named or MEASURED.match(path):
            continue
        if _is_of_file(resource, path, path in old, changes):
            continue
        if path not in old and path.startswith(COMES) and any("devices/" in p for p in places):
            continue
        if _only_holds(path, old if path in old else new, differ, named):
            continue
        yield f"{path} was {old.get(path)!r}, is {new.get(path)!r}"
    for note in notes(before):
        if note not in after:
            yield f"in metadata this is not as it was: {note}"


def _places_of_all(
    key: str, changes: list[Change], trees: tuple[Element, Element]
) -> Iterator[str]:
    resource, view = key.rsplit(" ", 1)
    for change in changes:
        yield from _places(resource, change["field"], trees)
        if change["field"] == "extra_xml":
            yield from _places_of_fragments(change["before"], change["after"])
        if view == "live":
            yield from _places_of_live(change["field"], trees)


def _only_holds(path: str, side: Paths, differ: list[str], named: set[str]) -> bool:
    """Whether it is an element that came, or went, with what is in it, all of which is named."""
    at = path.removesuffix("text()")
    inside = {one for one in differ if one.startswith(at)} - {path}
    is_it = side[path] == "" and path.endswith("/text()") and bool(inside & named)
    return is_it and all(one in named or one.endswith("/text()") for one in inside)


def _is_in(path: str, place: str) -> bool:
    """Whether a path begins with a place."""
    steps = re.escape(place).replace(re.escape("*"), "[^/]*")
    return re.match(steps, path) is not None


def _is_of_file(resource: str, path: str, was_there: bool, changes: list[Change]) -> bool:
    """Whether libvirt tells of a file or folder what it has, which no definition says."""
    if resource.startswith("storage_volume"):
        return OWNED.match(path) is not None
    if not resource.startswith("storage_pool"):
        return False
    starts = any(change["field"] == "state" for change in changes)
    return FOLDER.match(path) is not None and (starts or not was_there)


def _mark(was: Element, now: Element) -> None:
    """Give each disk and NIC what it is known by in both trees: its name, or what it was before.

    The attribute is not libvirt's, and is left out where paths are made.
    """
    for path, where in (("devices/disk", "target/@dev"), ("devices/interface", "mac/@address")):
        known = {device: _own(device, where) for device in was.findall(path)}
        found = {device: _own(device, where) for device in now.findall(path)}
        for device, own in found.items():
            before = [
                name
                for other, name in known.items()
                if _source(other) == _source(device) and name not in found.values()
            ]
            if own not in known.values() and len(before) == 1:
                found[device] = before[0]
        for device, name in {**known, **found}.items():
            device.set(MARK, name)


def _own(device: Element, where: str) -> str:
    """Its name among the declared, or what libvirt tells it by."""
    alias = device.find("alias")
    name = "" if alias is None else alias.get("name", "")
    path, _slash, attribute = where.partition("/@")
    place = device.find(path)
    told = "" if place is None else place.get(attribute, "")
    return name if name.startswith(OURS) else told


def _source(device: Element) -> list[tuple[str, str]]:
    """What a disk stands on; of a NIC its address, since many are on one network."""
    place = device.find("mac" if device.tag == "interface" else "source")
    return [] if place is None else sorted(place.attrib.items())


def _parser() -> ET.XMLParser:
    return ET.XMLParser(target=ET.TreeBuilder(insert_comments=True, insert_pis=True))


def _paths(element: Element, path: str) -> Iterator[tuple[str, str]]:
    """Every attribute and text of a tree. A path of a child begins with its tag and identity."""
    at = f"{path}/" if path else ""
    for name, value in element.attrib.items():
        if name != MARK:
            yield f"{at}@{name}", value
    yield f"{at}text()", (element.text or "").strip()
    seen: dict[str, int] = {}
    for child in element:
        key = f"{at}{_name(child)}"
        seen[key] = seen.get(key, 0) + 1
        yield from _paths(child, key if seen[key] == 1 else f"{key}#{seen[key]}")


def _name(element: Element) -> str:
    if not isinstance(element.tag, str):
        return "comment()"
    place, *names = IDENTITY.get(element.tag, (".",))
    at = element if place == "." else element.find(place)
    said = [at.get(name, "") for name in names] if at is not None else []
    identity = "-".join(word for word in said if word)
    if element.tag == "ip":
        identity = identity or "ipv4"
    return f"{element.tag}[{identity}]" if identity else element.tag


# ---- what a change of the plan stands for


# What NICs have by their port groups, and where.
FOLLOWED = {"security": "devices/interface*/filterref", "isolated": "devices/interface*/port"}
TABLES = {"secret": SECRET, "vswitch": VSWITCH, "storage_volume": VOLUME}


def _places(resource: str, field: str, trees: tuple[Element, Element]) -> list[str]:
    kind = resource.split("/")[0]
    if kind == "vm":
        return [FOLLOWED[field]] if field in FOLLOWED else _places_in_vm(field, trees)
    if kind == "vswitch" and field.startswith("port_groups."):
        return [f"portgroup[{field.split('.')[1]}]/"]
    return list(_by_field(TABLES.get(kind, POOL), field))


def _places_of_live(field: str, trees: tuple[Element, Element]) -> list[str]:
    what, _dot, rest = field.partition(".")
    if what != "cdroms":
        return list(LIVE_VM.get(field, ()))
    name = rest.partition(".")[0]
    known = _identities(trees, "disk", f"ua-cdrom-{name}", name)
    return [f"devices/{one}/{place}" for one in known for place in LIVE_CDROM]


def _default_boot(was: Element, now: Element) -> list[str]:
    """libvirt's own <boot dev='hd'/>, for a VM of which no device has a place in an order."""
    ordered = [tree.find("devices/*/boot") is not None for tree in (was, now)]
    plain = now if ordered[0] else was
    boots = [boot.get("dev") for boot in plain.iterfind("os/boot")]
    return ["os/boot/"] if ordered[0] != ordered[1] and boots == ["hd"] else []


def _places_in_vm(field: str, trees: tuple[Element, Element]) -> list[str]:
    what, _dot, rest = field.partition(".")
    name, _dot, option = rest.partition(".")
    if what in ("disks", "cdroms"):
        below = _by_field(DISK, option) if option else ("",)
        known = _identities(trees, "disk", f"ua-{what[:-1]}-{name}", name)
    elif what == "nics":
        below = _by_field(NIC, option) if option else ("",)
        known = _identities(trees, "interface", f"ua-nic-{name}", name)
    elif what == "channels":
        return [f"devices/channel[{rest.removesuffix('.path')}]"]
    else:
        return list(_by_field(VM, field))
    # A device that somebody else made gets its name in the same turn.
    return [f"devices/{one}/{place}" for one in known for place in (*below, "alias")]


def _places_of_fragments(*fragments: str) -> list[str]:
    """Where extra_xml says something; a device other than disks and NICs is all of it."""
    found = []
    for fragment in fragments:
        root = ET.fromstring(f"<domain xmlns:qemu='{QEMU}'>{fragment}</domain>")
        for part in root:
            for child in part if part.tag == "devices" else (part,):
                above = "devices/" if child is not part else ""
                if part.tag == "devices" and child.tag not in ("disk", "interface"):
                    found.append(f"{above}{child.tag}")
                else:
                    found += [f"{above}{place}" for place in _said_in(child)]
    return found


def _said_in(element: Element) -> Iterator[str]:
    """The places of what an element says, and of all that is in it, whichever of its name it is."""
    yield from (f"{element.tag}*/@{name}" for name in element.attrib)
    yield f"{element.tag}*/text()"
    for child in element:
        yield from (f"{element.tag}*/{place}" for place in _said_in(child))


def _identities(trees: tuple[Element, Element], tag: str, alias: str, name: str) -> set[str]:
    """How a device is known in either tree, by its alias or by what it is called."""
    called, _hash, number = name.partition("#")  # of several that are called so
    known = {
        _name(device)
        for tree in trees
        for device in tree.iterfind(f"devices/{tag}")
        if device.get(MARK) in (alias, called) or device.find(f"alias[@name='{alias}']") is not None
    }
    return {f"{one}#{number}" for one in known} if number else known


def _by_field(table: Mapping[str, tuple[str, ...]], field: str) -> tuple[str, ...]:
    """The places of the first row that the field, or what it is of, begins with."""
    for row, places in table.items():
        if row and f"{field}.".startswith(row if row.endswith((".", "_")) else f"{row}."):
            return places
    return table.get("", ())


# ---- what others noted


def notes(text: str) -> list[str]:
    """The children of <metadata> that are not ours, each as it is written."""
    data = text.encode()
    found: list[tuple[int, int, bool]] = []
    depth, stack = 0, [""]
    parser = expat.ParserCreate(namespace_separator=" ")

    def start(name: str, _attributes: Any) -> None:
        nonlocal depth
        depth += 1
        stack.append(name)
        if depth == 3 and stack[2] == "metadata":
            found.append((parser.CurrentByteIndex, -1, name.startswith("urn:kvm.fleet:")))

    def end(_name: str) -> None:
        nonlocal depth
        if depth == 3 and stack[2] == "metadata":
            stop = parser.CurrentByteIndex  # of <a/> it is the end, of </a> the beginning
            if data.startswith(b"</", stop):
                stop = data.index(b">", stop) + 1
            found[-1] = (found[-1][0], stop, found[-1][2])
        depth -= 1
        stack.pop()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(data, True)
    return [data[begin:stop].decode() for begin, stop, ours in found if not ours]
