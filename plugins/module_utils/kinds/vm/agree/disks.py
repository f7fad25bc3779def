# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and CD-ROMs: their place on a bus, and what goes with one bus, format or image only."""

from __future__ import annotations

from collections.abc import Mapping

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.codecs import Value
from ....engine.fields import items_of
from ....engine.keys import Key, is_within
from ....engine.xmltree import Element
from ...images.servers import NETWORK, NVME
from ..allotting import drive_of, targets
from ..disk_sources import is_one_image
from ..table import CDROMS, DISKS, name_disk
from .base import Changed, drop, prune

# What libvirt refuses elsewhere (qemuValidateDomainDeviceDefDiskFrontend).
_OF_VIRTIO = (
    "@model",
    *(
        f"driver/@{name}"
        for name in (
            *("queues", "queue_size", "iothread", "ioeventfd", "event_idx", "iommu", "ats"),
            *("packed", "page_per_vq"),
        )
    ),
    "driver/iothreads",
)
_OF_BUS = {
    "virtio": _OF_VIRTIO,
    "scsi": ("wwn", "vendor", "product", "target/@rotation_rate"),
    "sata": ("target/@rotation_rate",),
    "ide": ("wwn", "target/@rotation_rate", "geometry/@trans"),
    "usb": ("target/@removable",),
}
_NOT_ON_USB = ("geometry",)
_OF_SOME_BUS = (
    *dict.fromkeys(path for paths in _OF_BUS.values() for path in paths),
    *_NOT_ON_USB,
)
_OF_QCOW2 = ("driver/metadata_cache", "driver/@discard_no_unref")
# libvirt keeps the first and last of these where it found them, which may be beside the source.
_OF_IMAGE = ("encryption", "source/encryption", "source/slices", "source/@index", "auth")
# Of one image of a server, and of all that come from there by one protocol.
_OF_SERVED = ("source/@query", "source/cookies", "source/snapshot")
_OF_PROTOCOL = (
    *(f"source/{tag}" for tag in ("initiator", "config", "ssl", "readahead", "timeout")),
    *(f"source/{tag}" for tag in ("reconnect", "identity", "knownHosts", "@tlsHostname")),
)
# What libvirt takes of files, devices and volumes only.
_OF_PATH = ("source/@startupPolicy", "source/@fdgroup")
# What no option says of a source, whatever its kind.
_OF_SOURCE = (
    *(f"source/@{name}" for name in ("mode", "path", "startupPolicy", "fdgroup", "index", "dir")),
    *(f"source/{tag}" for tag in ("slices", "reservations", "seclabel", "dataStore")),
    *_OF_SERVED,
    *_OF_PROTOCOL,
)
_ENCRYPTIONS = ("source/encryption", "encryption")  # told by the row where that knows it
_LIMITS = tuple(f"{half}_{of}" for half in ("total", "read", "write") for of in ("iops", "bytes"))
_OPTION_OF_LIMIT = {name: f"limits.{name.replace('bytes', 'bandwidth')}" for name in _LIMITS}
_BURSTS = ("max", "max_length")


def _of(above: str) -> tuple[Consequence, ...]:
    """What goes along with an option of each disk, or of each CD-ROM."""
    return (
        Consequence("target", ("target/@dev",), ("bus",), "the first free one on its bus", above),
        Consequence("address", ("address",), ("bus",), "libvirt gives it one on its bus", above),
        Consequence("alias", ("alias",), ("bus",), "keeps its name, which was its target", above),
        Consequence("bus_details", _OF_SOME_BUS, ("bus",), "not possible on its bus", above),
        Consequence("format_details", _OF_QCOW2, ("format",), "only qcow2 has it", above),
        Consequence(
            "backing_chain",
            ("backingStore",),
            ("source",),
            "of the former image",
            above,
            told=lambda said: said[0],  # an empty one only says that there is none
        ),
        Consequence("source_details", _OF_SOURCE, ("source",), "of the former source", above),
        Consequence("encryption", _ENCRYPTIONS, ("source",), "of the former source", above),
        *(
            Consequence(
                f"{option}_burst",
                tuple(f"iotune/{name}_sec_{burst}" for burst in _BURSTS),
                (option,),
                "goes with its limit",
                above,
            )
            for name, option in _OPTION_OF_LIMIT.items()
        ),
        Consequence(
            "limits.group",
            ("iotune/group_name", "iotune/size_iops_sec"),
            tuple(_OPTION_OF_LIMIT.values()),
            "no limit is left",
            above,
        ),
    )


CONSEQUENCES = (
    *_of(DISKS.name),
    *_of(CDROMS.name),
    Consequence(
        "scsi_controller",
        ("devices/controller[@type='scsi']",),
        (DISKS.name, CDROMS.name),
        "a disk on scsi needs one",
    ),
)


def agree(domain: Element, before: Mapping[Key, Value], changed: Mapping[Key, Value]) -> None:
    """Make the rest of each disk go with what changed of it, and place what comes or moves."""
    moving: dict[Key, Element] = {}
    for row in (DISKS, CDROMS):
        for name, disk in items_of(row, domain).items():
            at = (row.name, name)
            if at not in changed:
                _agree_disk(disk, at, changed)
                if (*at, "source") in changed:
                    was, now = (values.get((*at, "source")) or {} for values in (before, changed))
                    _agree_source(disk, was, now)
            if (*at, "bus") in changed:
                moving[at] = disk
    disks = xmltree.find_all(domain, "devices/disk")
    _move(moving, disks)
    on_scsi = moving and any(xmltree.get(disk, "target/@bus") == "scsi" for disk in disks)
    if on_scsi and domain.find("devices/controller[@type='scsi']") is None:
        controller = '<controller type="scsi" index="0" model="virtio-scsi"/>'
        xmltree.ensure(domain, "devices").append(xmltree.parse(controller))


def _move(moving: Mapping[Key, Element], disks: list[Element]) -> None:
    """Put disks on the buses that they are to have, under the names that they have."""
    stay = (drive_of(disk) for disk in disks if disk not in moving.values())
    come = {at: drive_of(disk) for at, disk in moving.items()}
    for disk in moving.values():
        xmltree.put(disk, "address!", None)  # it is one on the former bus
    for at, target in targets(stay, come).items():
        xmltree.put(moving[at], "target/@dev", target)
        if at[1] == come[at].target != target:
            name_disk(moving[at], at[1])  # others made it, so it was known by its target


def _agree_disk(disk: Element, at: Key, changed: Changed) -> None:
    if (*at, "bus") in changed:
        bus = xmltree.get(disk, "target/@bus") or ""
        fits = (*_OF_BUS.get(bus, ()), *(_NOT_ON_USB if bus != "usb" else ()))
        drop(disk, *(path for path in _OF_SOME_BUS if path not in fits))
    if (*at, "format") in changed and xmltree.get(disk, "driver/@type") != "qcow2":
        drop(disk, *_OF_QCOW2)
    for name, option in _OPTION_OF_LIMIT.items():
        if (*at, *option.split(".")) in changed and disk.find(f"iotune/{name}_sec") is None:
            drop(disk, *(f"iotune/{name}_sec_{burst}" for burst in _BURSTS))
    if any(is_within(key, (*at, "limits")) for key in changed):
        _agree_limits(disk)


def _agree_source(disk: Element, was: Mapping[str, Value], now: Mapping[str, Value]) -> None:
    if is_one_image(was, now):
        return  # by another way
    drop(disk, "backingStore", *_OF_IMAGE, *_OF_SERVED)
    protocols = [source.get(NETWORK, {}).get("protocol") for source in (was, now)]
    if protocols[0] != protocols[1]:
        drop(disk, *_OF_PROTOCOL)
    if NETWORK in now or NVME in now:
        drop(disk, *_OF_PATH)
    if disk.get("type") != "block":
        drop(disk, "source/reservations")
    if disk.get("type") != "volume":
        drop(disk, "source/@mode")


def _agree_limits(disk: Element) -> None:
    """A group without any limit is refused."""
    if not any(disk.find(f"iotune/{name}_sec") is not None for name in _LIMITS):
        drop(disk, "iotune/group_name", "iotune/size_iops_sec")
    prune(disk, "iotune")
