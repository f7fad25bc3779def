# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM as a module tells of it: its options as one could declare them, and what is beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...engine import told, xmltree
from ...engine.codecs import Value
from ...engine.keys import UNION, Key, Values, nested
from ...engine.mark import is_made_here
from ...engine.plan import Have
from ...engine.xmltree import Element
from . import alike
from .definition import domain_values
from .derived import derived_uuid
from .port_rows import is_of_serial
from .seeded import CLOUD_INIT, DRIVE, NOTE
from .table import LISTS, ROWS

# What libvirt writes by itself into every definition, and what is told under another name.
KNOWN: told.Known = {
    "name": (),
    "uuid": (),
    "@id": (),
    "metadata/fleet:resource": (),
    "metadata/fleet-restart:restart": (),
    "metadata/fleet-move:move": (),
    "metadata/fleet-home:home": (),
    "metadata/fleet-disk:move": (),
    "metadata/fleet-restore:restore": (),
    NOTE: (),
    "memory/@unit": (),
    "currentMemory/@unit": (),
    "devices/memory/@model": ("virtio-mem",),
    "devices/memory/address": (),
    "devices/memory/alias": (),
    **{f"devices/memory/target/{part}": () for part in ("node", "block", "requested", "current")},
    "devices/memory/target/size/@unit": (),
    "memtune/hard_limit/@unit": (),
    "memoryBacking/hugepages/page/@unit": (),
    "vcpu/@placement": ("static",),
    "os/type/text()": ("hvm",),
    "os/type/@arch": ("x86_64",),
    "os/boot/@dev": ("hd",),
    "sysinfo/@type": ("smbios",),
    "features/hyperv/spinlocks/@state": (),
    "features/hyperv/vendor_id/@state": (),
    "cpu/@match": ("exact",),
    "cpu/@check": (),
    "cpu/@migratable": ("on",),
    "cpu/model/@fallback": (),
    "cpu/feature/@name": (),
    "cpu/numa/cell/@unit": (),
    "vcpus": (),
    "devices/emulator": (),
    "devices/controller": (),
    "devices/input": (),
    "devices/audio": (),
    "devices/console/target/@type": ("virtio",),
    "devices/console/target/@port": (),
    "devices/console/source/@mode": ("bind",),
    "devices/disk/driver/@name": ("qemu",),
    "devices/disk/driver/@type": ("raw",),
    "devices/disk/readonly": (),
    "devices/disk/target/@dev": (),
    "devices/disk/@device": (),
    "devices/graphics/@autoport": (),
    "devices/graphics/listen": (),
    "devices/rng/@model": ("virtio",),
    "devices/filesystem/@type": ("mount",),
    "memoryBacking/source/@type": ("memfd",),
    "devices/hostdev/@mode": ("subsystem",),
    "devices/hostdev/driver/@name": ("vfio",),
    "devices/vsock/@model": ("virtio",),
    "devices/vsock/cid/@address": (),
    "devices/rng/backend/@model": ("random",),
    "devices/serial/target": (),
    "devices/channel/@type": ("unix",),
    "devices/channel/target/@type": ("virtio",),
    "devices/channel/target/@name": (),
    "devices/serial/source/@mode": ("bind",),
    "devices/tpm/backend/@type": ("emulator",),
    "devices/channel/source/@mode": ("bind",),
    "devices/video/model/@heads": (),
    "devices/video/model/@primary": (),
    "devices/video/model/@vram": (),
    "devices/video/model/@ram": (),
    "devices/video/model/@vgamem": (),
    **{
        f"devices/{tag}/{part}": ()
        for tag in (
            *("channel", "disk", "interface", "memballoon", "rng", "tpm", "video", "watchdog"),
            *("serial", "console", "sound", "panic", "vsock", "hostdev", "filesystem", "iommu"),
        )
        for part in ("address", "alias")
    },
}


def result(have: Have) -> dict[str, Any]:
    """The VM with every option as it is stored, and its state."""
    if have.stored is None:
        return {"name": have.name, "state": "absent"}
    uuid = xmltree.get(have.stored, "uuid")
    told = options(domain_values(have.stored))
    managed = is_made_here(have.stored, derived_uuid(have.name))
    left = {"managed": managed, "unmanaged": unmanaged(have.stored)}
    return {"name": have.name, "uuid": uuid, **have.facts, **told, **left}


def options(values: Values) -> dict[str, Any]:
    """Values as the options that a user would write, without those that say nothing."""
    said = told.sayable(ROWS, alike.with_numbers(values))
    shown = nested({key: value for key, value in said.items() if value not in (None, "", {}, [])})
    if CLOUD_INIT in shown:
        _tell_seed(shown)
    for name in LISTS:
        shown[name] = _listed(shown.get(name, {}))
    cells = shown.get("numa", {}).get("cells", {})
    if cells:
        shown["numa"]["cells"] = [{"id": int(number), **cells[number]} for number in cells]
    if "timers" in shown:
        shown["timers"] = _listed(shown["timers"])
    cpu = shown.get("cpu", {})
    if "features" in cpu:
        cpu["features"] = _listed(cpu["features"])
    return shown


def _tell_seed(shown: dict[str, Any]) -> None:
    """What is in its drive is told as what it is."""
    shown.get(DRIVE[0], {}).pop(DRIVE[1], None)
    seed = shown[CLOUD_INIT]
    if "nics" in seed:
        seed["nics"] = _listed(seed["nics"])


def unsaid(values: Values) -> list[str]:
    """Those of some values that no option can say."""
    return told.unsaid(ROWS, values)


def says(key: Key, value: Value) -> bool:
    """Whether an option can say a value."""
    return told.says(ROWS, key, value)


def _listed(things: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Things by name as a list; what each stands on is an option of it like the others."""
    listed = []
    for name, thing in things.items():
        fields = dict(thing) if isinstance(thing, dict) else {}
        listed.append({"name": name, **fields.pop(UNION, {}), **fields})
    return listed


def unmanaged(domain: Element) -> list[str]:
    """The paths of what a definition says and no option does."""
    again = filter(is_of_serial, domain.findall("devices/console"))
    parts = [part for console in again for part in console.iter()]
    known = [(id(part), at) for part in parts for at in (None, *part.attrib)]
    return told.unmanaged(ROWS, domain, KNOWN, told=known)
