# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which target a disk gets, from which libvirt derives its place on a bus."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from ....engine import xmltree
from ....engine.xmltree import Element

PREFIX_OF_BUS = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}
Unit = tuple[int, int, int]  # controller, bus, unit
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _on_scsi(index: int) -> Unit:
    unit = index % 15
    return index // 15, 0, unit + (unit >= 7)  # 7 is the controller itself


# virDomainDiskDefAssignAddress: buses on which the place follows from the target's letters.
_UNIT_OF_INDEX: dict[str, Callable[[int], Unit]] = {
    "scsi": _on_scsi,
    "sata": lambda index: (index // 6, 0, index % 6),
    "ide": lambda index: (index // 4, index % 4 // 2, index % 2),
}


def place(disk: Element, disks: Sequence[Element]) -> None:
    """Give a disk without a fitting target the first of its bus that is free, its place too."""
    target = xmltree.ensure(disk, "target")
    bus = target.get("bus", "")
    prefix = PREFIX_OF_BUS.get(bus, "")
    if not prefix:
        return
    others = [other for other in disks if other is not disk]
    names = {xmltree.get(other, "target/@dev") for other in others}
    units = {unit_of(other) for other in others if xmltree.get(other, "target/@bus") == bus}

    def free(dev: str) -> bool:
        return dev not in names and (bus not in _UNIT_OF_INDEX or _derived(bus, dev) not in units)

    if not (target.get("dev", "").startswith(prefix) and free(target.get("dev", ""))):
        target.set("dev", next(dev for dev in _targets(prefix) if free(dev)))


def unit_of(disk: Element) -> Unit | None:
    """The place of a disk on its bus, be it said or still to be derived."""
    address = disk.find("address[@type='drive']")
    if address is not None:
        controller, bus, unit = (int(address.get(at, "0")) for at in ("controller", "bus", "unit"))
        return controller, bus, unit
    return _derived(xmltree.get(disk, "target/@bus") or "", xmltree.get(disk, "target/@dev") or "")


def _derived(bus: str, dev: str) -> Unit | None:
    letters = re.fullmatch(r"(?:fd|hd|vd|sd|xvd|ubd)([a-z]+)\d*", dev)
    if letters is None or bus not in _UNIT_OF_INDEX:
        return None
    index = 0
    for letter in letters[1]:
        index = index * 26 + _LETTERS.index(letter) + 1
    return _UNIT_OF_INDEX[bus](index - 1)


def _targets(prefix: str) -> Iterator[str]:
    yield from (prefix + one for one in _LETTERS)
    yield from (prefix + one + two for one in _LETTERS for two in _LETTERS)
