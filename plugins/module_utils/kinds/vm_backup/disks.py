# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of a VM, as far as a backup can have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.fields import items_of
from ...engine.xmltree import Element
from ..images.chains import Chains
from ..vm.table import DISKS
from .looking import Asked


@dataclass(frozen=True)
class Disk:
    """One disk that is written to."""

    name: str  # as `vm` calls it
    target: str
    path: str
    format: str
    images: tuple[str, ...]  # all that it stands on, as far as that is known
    why_not: str  # why it can be in no backup


def disks_of(domain: Element, chains: Chains) -> list[Disk]:
    """All disks that are written to, in the order of the definition."""
    named = {id(disk): name for name, disk in items_of(DISKS, domain).items()}
    found = [_disk(one, named.get(id(one)), chains) for one in domain.findall("devices/disk")]
    return [one for one in found if one is not None]


def _disk(disk: Element, name: str | None, chains: Chains) -> Disk | None:
    target = xmltree.get(disk, "target/@dev") or ""
    layers = chains.of(disk)
    kind = disk.get("device", "disk")
    if not layers or kind == "cdrom" or disk.find("readonly") is not None:
        return None
    images = tuple(layer.path for layer in layers)
    form = xmltree.get(disk, "driver/@type") or "raw"
    return Disk(name or target, target, layers[0].path, form, images, _why_not(disk, kind))


def _why_not(disk: Element, kind: str) -> str:
    if kind in ("lun", "floppy"):
        return f"is a {'LUN that is passed through' if kind == 'lun' else 'floppy'}"
    if disk.find("shareable") is not None:
        return "is shared with other VMs (shareable), which write to it too"
    if disk.find("transient") is not None:
        return "is transient: what is written to it is thrown away at its end anyhow"
    if next(disk.iter("encryption"), None) is not None:
        return "is encrypted, and its copy would not be"
    return ""


class AskedForDisks(Asked, Protocol):
    """What is declared, with the disks that are meant."""

    @property
    def disks(self) -> tuple[str, ...]:
        """Their names or targets; none for all."""


def chosen(disks: list[Disk], wanted: AskedForDisks) -> tuple[list[Disk], list[FleetError]]:
    """Those that the backup is to have, and what stands against that."""
    errors = list(_unknown(disks, wanted))
    asked = wanted.disks
    found = [disk for disk in disks if not asked or disk.name in asked or disk.target in asked]
    todo = "" if asked else "; say in disks which ones the backup is to have"
    for disk in found:
        if disk.why_not:
            message = f"{disk.name} {disk.why_not}, and cannot be in it{todo}"
            errors.append(FleetError(message, wanted.resource, "disks"))
    if not found and not errors:
        message = "the VM has no disk that is written to"
        errors.append(FleetError(message, wanted.resource, "disks"))
    return found, errors


def _unknown(disks: list[Disk], wanted: AskedForDisks) -> Iterator[FleetError]:
    known = {called for disk in disks for called in (disk.name, disk.target)}
    unknown = [name for name in wanted.disks if name not in known]
    if unknown:
        there = ", ".join(disk.name for disk in disks) or "none"
        yield FleetError(
            f"{', '.join(unknown)}: no such disk that is written to; there are: {there}",
            wanted.resource,
            "disks",
        )
