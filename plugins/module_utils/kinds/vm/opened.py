# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host QEMU opens for a VM, at its start or as a device comes: images, files, devices.

libvirt looks at none of it before the start itself, be it asked for its judgement or not.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from ...engine import xmltree
from ...engine.fields import items_of
from ...engine.host import HostFacts
from ...engine.looked_at import Image
from ...engine.xmltree import Element
from ..images.chains import Chains
from ..images.headers import backing_path
from .state_files import nvram_of
from .table import CDROMS, DISKS


@dataclass(frozen=True)
class Opened:
    """One path, and whose it is."""

    path: str
    field: str  # the option that says it; where there is none, where it stands in the XML
    under: str = ""  # the image that stands on it, or keeps its data in it
    for_file: str = ""  # what is made in it, of a folder


# What has to be there, by its place and the option or place by which it is told.
FILES = (
    ("os/loader", "firmware"),
    ("os/kernel", "boot.kernel"),
    ("os/initrd", "boot.initrd"),
    ("os/dtb", "os/dtb"),
    ("os/acpi/table", "os/acpi/table"),
    ("sysinfo/entry/@file", "sysinfo"),
    ("devices/rng/backend[@model='random']", "rng"),
    ("devices/filesystem[@type='mount']/source/@dir", "devices/filesystem"),
    ("devices/filesystem[@type='file']/source/@file", "devices/filesystem"),
    ("devices/filesystem[@type='block']/source/@dev", "devices/filesystem"),
    ("devices/input/source/@dev", "devices/input"),
    ("devices/input/source/@evdev", "devices/input"),
    ("devices/tpm/backend[@type='passthrough']/device/@path", "tpm"),
    ("devices/memory/source/path", "devices/memory"),
    ("devices/graphics/gl/@rendernode", "graphics"),
)
CHARACTER_DEVICES = ("serial", "parallel", "console")


def opened_by(domain: Element, chains: Chains) -> Iterator[Opened]:
    """All that a start opens, but for what libvirt makes itself where it is missing."""
    for field, disk in disks_of(domain):
        yield from of_disk(field, disk, chains)
    for path, field in FILES:
        for file in _texts(domain, path):
            yield Opened(file, field)
    yield from _variables(domain, chains.world.host)
    for tag in CHARACTER_DEVICES:
        for device in domain.findall(f"devices/{tag}"):
            yield from _of_character_device(tag, device)


def disks_of(domain: Element) -> Iterator[tuple[str, Element]]:
    """The disks and drives of a VM by name, those too that no list of ours names."""
    named = set()
    for row in (DISKS, CDROMS):
        for name, disk in items_of(row, domain).items():
            named.add(id(disk))
            yield f"{row.name}.{name}", disk
    for disk in domain.findall("devices/disk"):
        if id(disk) not in named:
            yield f"{disk.get('device', 'disk')} {xmltree.get(disk, 'target/@dev')}", disk


def of_disk(field: str, disk: Element, chains: Chains) -> Iterator[Opened]:
    """The images of a disk, from its own down. An optional medium is left out by libvirt itself."""
    if xmltree.get(disk, "source/@startupPolicy") == "optional":
        return
    option = {"file": ".file", "block": ".device"}.get(disk.get("type", ""), "")
    above = ""
    for layer in chains.of(disk):
        if layer.path.startswith("/"):
            yield Opened(layer.path, field if above else f"{field}{option}", above)
            if layer.format != "raw":
                yield from _data_of(layer.path, field, chains.world.host)
        above = layer.path


def _data_of(path: str, field: str, host: HostFacts) -> Iterator[Opened]:
    """Where the data of an image is, if that is another file."""
    if not host.is_local:
        return
    image = host.image(path)
    data = image.data_file if isinstance(image, Image) else ""
    where = backing_path(data, path) if data else ""
    if where.startswith("/"):
        yield Opened(where, field, path)


def _variables(domain: Element, host: HostFacts) -> Iterator[Opened]:
    """Where the firmware's variables are taken from, as long as the VM has none of its own."""
    nvram, file = domain.find("os/nvram"), nvram_of(host, domain)
    if nvram is None or file is None or not file.removable:
        return
    if file.path and host.exists(file.path) is not False:
        return
    template = nvram.get("template", "")
    if template:
        yield Opened(template, "firmware")
    if file.path:
        yield Opened(posixpath.dirname(file.path), "firmware", for_file=file.path)


def _of_character_device(tag: str, device: Element) -> Iterator[Opened]:
    if tag == "console" and xmltree.get(device, "target/@type") == "serial":
        return  # libvirt shows the first serial port as a console too
    field = "serial.path" if tag == "serial" else f"devices/{tag}"
    path = xmltree.get(device, "source/@path") or ""
    kind, connects = device.get("type"), xmltree.get(device, "source/@mode") == "connect"
    if path and (kind == "dev" or (kind == "unix" and connects)):
        yield Opened(path, field)
    made = [path] if kind == "file" or (kind == "unix" and not connects) else []
    for file in (*made, xmltree.get(device, "log/@file") or ""):
        if file:
            yield Opened(posixpath.dirname(file), field, for_file=file)


def _texts(domain: Element, path: str) -> Iterator[str]:
    place, _at, attribute = path.rpartition("/@")
    for element in domain.findall(place or path):
        found = element.get(attribute) if place else (element.text or "").strip()
        if found and found.startswith("/"):
            yield found
