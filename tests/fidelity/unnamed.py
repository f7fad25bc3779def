"""What no change of a plan names is the same afterwards, to the letter.

A definition is taken apart into paths with values. Each that differs has to lie below a place that
a change of the plan stands for. The places are written down here, without the engine's table.
"""

from __future__ import annotations

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
# Where the value of a field of a VM stands; `x.` is all that begins so.
VM = {
    "title": ("title",),
    "description": ("description",),
    "virt_type": ("@type", "cpu", "devices/emulator"),
    "machine": ("os/type/@machine", "devices/"),
    "firmware": ("os/", "features/smm", "features/acpi"),
    "secure_boot": ("os/", "features/smm", "features/acpi"),
    "boot.": ("os/",),
    "cpu.maximum": ("vcpu", "cpu/numa/cell/@cpus"),  # libvirt gives what is left to the first cell
    "cpu.count": ("vcpu",),
    "cpu.topology.": ("cpu/topology", "cpu/@"),
    "cpu.individual_vcpus": ("vcpus",),
    "cpu.count_in_words": ("vcpu/",),
    "cpu.": CPU,
    "memory.balloon": ("devices/memballoon",),
    "memory.balloon_stats_period_s": ("devices/memballoon/stats",),
    "memory.": ("memory/", "currentMemory/"),
    "clock": ("clock/@",),
    "on_poweroff": ("on_poweroff",),
    "on_reboot": ("on_reboot",),
    "on_crash": ("on_crash",),
    "agent": ("devices/channel[org.qemu.guest_agent.0]",),
    "serial": ("devices/serial", "devices/console"),
    "graphics": ("devices/graphics", "devices/audio", "devices/channel[com.redhat.spice.0]"),
    "video": ("devices/video",),
    "rng": ("devices/rng",),
    "watchdog": ("devices/watchdog",),
    "tpm": ("devices/tpm",),
    # What goes along with one of them, under a name of its own.
    "spice.": ("devices/audio", "devices/channel", "devices/redirdev", "devices/smartcard"),
    "other_graphics": ("devices/graphics",),
    "other_videos": ("devices/video",),
    "video_details": ("devices/video",),
    "other_serial_ports": ("devices/serial", "devices/console"),
    "other_rngs": ("devices/rng",),
    "rng_": ("devices/rng",),
    "other_watchdogs": ("devices/watchdog",),
    "balloon_details": ("devices/memballoon",),
    "bios_output": ("os/bios",),
    "tpm_banks": ("devices/tpm",),
    "clock_details": ("clock/@",),
    "pci.": ("devices/",),
    "scsi_controller": ("devices/controller",),
    "firmware_": ("os/",),
    "nvram": ("os/nvram",),
    "smm": ("features/smm",),
    "extra_xml": ("devices/sound", "devices/audio", "devices/input", "memoryBacking/",
                  "{http://libvirt.org/schemas/domain/qemu/1.0}commandline", "features/hyperv"),
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
    "shareable": ("shareable",),
    "limits.": ("iotune/",),
    "capacity": (),
    "target": ("",),  # a disk on another bus is known by another target
    "address": ("address/",),
    "bus_details": ("",),
    "format_details": ("driver/",),
    # The source: a file, a device, a pool and a volume, a medium.
    "": ("source", "@type", "driver/@type", "backingStore"),
}
NIC = {
    "model": ("model/@type", "address/", "driver/"),
    "mtu": ("mtu/",),
    "link": ("link/",),
    "boot_order": ("boot/",),
    "bandwidth.": ("bandwidth/",),
    "mac": ("",),
    "driver": ("driver/",),
    "details": ("",),
    "source_details": ("",),
    "": ("source", "@type"),
}
VSWITCH = {
    "type": ("forward",),
    "bridge": ("bridge/@name",),
    "stp": ("bridge/@stp",),
    "forward_delay_s": ("bridge/@delay",),
    "mtu": ("mtu",),
    "domain": ("domain",),
    "dns.hosts": ("dns/host", "dns/text()"),
    "dns.forwarders": ("dns/forwarder", "dns/text()"),
    "dns.": ("dns",),
    "address6": ("ip[ipv6]",),
    "address": ("ip",),
    "dhcp.": ("ip/dhcp", "ip[ipv4]/dhcp"),
    "port_groups.": ("portgroup",),
}
POOL = {
    "path": ("target/path",),
    "permissions.": ("target/permissions",),
    "source.name": ("source", "name", "target/path"),  # a volume group has its path by its name
    "": ("source", "name"),
}
# In every plan: what says that a thing is declared, and what libvirt adds for what comes.
ALWAYS = FLEET
# A screen brings a card.
COMES = ("devices/controller", "devices/audio", "devices/video")
# Not said by anybody: what is measured, and the owner that libvirt gives a file while a VM runs.
MEASURED = re.compile(
    r"(capacity|allocation|available|physical|(target|backingStore)/timestamps)/|@connections"
    # libvirt 11 takes another port of the network for every update of a NIC.
    r"|devices/interface\[[^]]*\]/source/@portid"
)
OWNED = re.compile(r"(target|backingStore)/permissions/")


def lost(before: Mapping[str, str], after: Mapping[str, str], plan: Iterable[Change]) -> list[str]:
    """What differs between two dumps and belongs to no change of the plan."""
    changes: dict[str, list[Change]] = {}
    for change in plan:
        changes.setdefault(change["resource"], []).append(change)
    found = []
    for key in before.keys() & after.keys():
        resource, view = key.rsplit(" ", 1)
        if view in ("stored", "live") and before[key] != after[key]:
            mine = changes.get(resource, [])
            if view == "live" and any(one["field"] in ("state", "power") for one in mine):
                continue
            found += [f"{key}: {one}" for one in _lost(resource, before[key], after[key], mine)]
    return found


def _lost(resource: str, before: str, after: str, changes: list[Change]) -> Iterator[str]:
    was, now = ET.fromstring(before, _parser()), ET.fromstring(after, _parser())
    _mark(was, now)
    places = list(ALWAYS)
    for change in changes:
        places += _places(resource, change["field"], (was, now))
    old, new = dict(_paths(was, "")), dict(_paths(now, ""))
    places += _default_boot(was, now)
    for path in sorted({**old, **new}):
        if old.get(path) == new.get(path) or MEASURED.match(path):
            continue
        if OWNED.match(path) and (path not in old or _may_be_owned(resource, changes)):
            continue
        if any(path.startswith(place) for place in places):
            continue
        if path not in old and path.startswith(COMES):
            continue
        yield f"{path} was {old.get(path)!r}, is {new.get(path)!r}"
    for note in notes(before):
        if note not in after:
            yield f"in metadata this is not as it was: {note}"


def _may_be_owned(resource: str, changes: list[Change]) -> bool:
    """libvirt tells what a directory has, as soon as its pool was active."""
    starts = any(change["field"] == "state" for change in changes)
    return resource.startswith("storage_volume") or starts


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
    return name if name.startswith("ua-") else told


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


def _places(resource: str, field: str, trees: tuple[Element, Element]) -> list[str]:
    kind = resource.split("/")[0]
    if kind == "vm":
        return _places_in_vm(field, trees)
    if kind == "vswitch":
        return list(_by_field(VSWITCH, field))
    return list(_by_field(POOL, field))


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


def _identities(trees: tuple[Element, Element], tag: str, alias: str, name: str) -> set[str]:
    """How a device is known in either tree, by its alias or by what it is called."""
    return {
        _name(device)
        for tree in trees
        for device in tree.iterfind(f"devices/{tag}")
        if device.get(MARK) in (alias, name) or device.find(f"alias[@name='{alias}']") is not None
    }


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
