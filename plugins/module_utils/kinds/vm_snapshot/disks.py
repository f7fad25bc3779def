# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of a VM, as far as a snapshot can have them."""

from __future__ import annotations

from dataclasses import dataclass

from ...engine import xmltree
from ...engine.fields import items_of
from ...engine.xmltree import Element
from ..vm.table import DISKS
from .case import Case


@dataclass(frozen=True)
class Disk:
    """One disk or drive."""

    name: str  # as `vm` calls it
    target: str
    path: str
    format: str
    on_device: bool
    is_written: bool  # else it is empty, or only read
    is_encrypted: bool
    left_out: str  # why it is in no snapshot unless it is named; empty where it is in each
    why_not: str  # why it can be in none at all


def disks_of(case: Case) -> list[Disk]:
    """All disks and drives, in the order of the definition."""
    domain = case.definition
    named = {id(disk): name for name, disk in items_of(DISKS, domain).items()}
    return [_disk(case, one, named.get(id(one))) for one in domain.findall("devices/disk")]


def _disk(case: Case, disk: Element, name: str | None) -> Disk:
    target = xmltree.get(disk, "target/@dev") or ""
    layers = case.chains.told(disk)[0]
    path = layers[0].path if layers else ""
    is_read = disk.get("device") == "cdrom" or disk.find("readonly") is not None
    return Disk(
        name or target,
        target,
        path,
        xmltree.get(disk, "driver/@type") or "raw",
        disk.get("type") == "block" or path.startswith("/dev/"),
        bool(path) and not is_read,
        next(disk.iter("encryption"), None) is not None,
        "its definition says so (snapshot='no')" if disk.get("snapshot") == "no" else "",
        _why_not(disk, path),
    )


def _why_not(disk: Element, path: str) -> str:
    if disk.get("device") in ("lun", "floppy"):
        what = "a LUN that is passed through" if disk.get("device") == "lun" else "a floppy"
        return f"is {what}"
    if disk.find("shareable") is not None:
        return "is shared with other VMs (shareable)"
    if disk.find("transient") is not None:
        return "is transient: what is written to it is thrown away at its end anyhow"
    if disk.get("snapshot") == "manual":
        return "is left to others by its definition (snapshot='manual')"
    if not path.startswith("/"):
        return "has no path on this host: what keeps it has snapshots of its own"
    return ""


def selected(case: Case, disks: list[Disk]) -> list[Disk]:
    """Those that the snapshot is to have; what is wrong is in the mistakes."""
    asked = case.wanted.options["disks"]
    written = [disk for disk in disks if disk.is_written]
    if asked is None:
        chosen = [disk for disk in written if not disk.left_out]
        for disk in written:
            if disk.left_out:
                case.warnings.append(f"disk {disk.name} is not in it: {disk.left_out}")
    else:
        by_name = {called: disk for disk in written for called in (disk.target, disk.name)}
        unknown = [name for name in asked if name not in by_name]
        if unknown:
            there = ", ".join(disk.name for disk in written) or "none"
            case.mistakes.add(
                f"{', '.join(unknown)}: no such disk that is written to; there are: {there}",
                "disks",
            )
        names = {by_name[name].target for name in asked if name in by_name}
        chosen = [disk for disk in written if disk.target in names]
    for disk in chosen:
        if disk.why_not:
            todo = "" if asked else "; say in disks which ones the snapshot is to have"
            case.mistakes.add(f"{disk.name} {disk.why_not}, and cannot be in it{todo}", "disks")
    if not chosen and not case.mistakes.errors:
        case.mistakes.add("the VM has no disk that is written to", "disks")
    return chosen
