# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a snapshot is internal or external, why, and what can have its memory.

After qemuSnapshotPrepare and its neighbours in libvirt 9.0 and 11.3, and libvirt's release notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...engine import xmltree
from ..vm.state_files import nvram_of
from ..vm.states import PAUSED
from .case import (
    INTERNAL_BESIDE_CHECKPOINTS,
    INTERNAL_OFF_UEFI,
    INTERNAL_UEFI,
    REVERTS_DISK_ONLY,
    REVERTS_EXTERNAL,
    Case,
    release,
)
from .disks import Disk

AUTO, EXTERNAL, INTERNAL = "auto", "external", "internal"
FORMATS = (AUTO, EXTERNAL, INTERNAL)
NUMBER = r"[0-9]{1,5}"  # as QEMU numbers the snapshots inside of an image; a date has more digits


class Choice(NamedTuple):
    """A format, and why it is this one."""

    format: str
    why: str


def choose(case: Case, disks: Sequence[Disk], chosen: Sequence[Disk]) -> Choice:
    """The format of a snapshot that is to be taken; what is wrong is in the mistakes."""
    asked, memory = case.wanted.options["format"], case.wanted.options["memory"]
    inside = list(_against_internal(case, disks, chosen, memory))
    outside = list(_against_external(case, chosen))
    if asked == AUTO:
        return _by_itself(case, inside, outside)
    against = inside if asked == INTERNAL else outside
    if against:
        case.mistakes.add(f"cannot be {asked}: {'; '.join(against)}", "format")
    elif asked == INTERNAL and _externals(case):
        case.warnings.append(
            f"it is inside of what the snapshot {_externals(case)[0]} wrote to, which cannot be "
            "removed as long as this one is there"
        )
    return Choice(asked, "as declared")


def _by_itself(case: Case, inside: list[str], outside: list[str]) -> Choice:
    externals = _externals(case)
    if externals and not outside:
        return Choice(
            EXTERNAL, f"as {externals[-1]} is; one inside of its overlay would hold it fast"
        )
    if not inside:
        return Choice(INTERNAL, "all disks that are written to are qcow2, and they stay in place")
    if outside:
        case.mistakes.add(
            f"can be neither internal ({'; '.join(inside)}) nor external ({'; '.join(outside)})",
            "format",
        )
    return Choice(EXTERNAL, f"not internal: {'; '.join(inside)}")


def _externals(case: Case) -> list[str]:
    return [one.name for one in case.known if one.is_external]


def _against_internal(
    case: Case, disks: Sequence[Disk], chosen: Sequence[Disk], memory: bool
) -> Iterator[str]:
    for disk in chosen:
        if disk.format != "qcow2":
            yield f"disk {disk.name} is {disk.format}, and only qcow2 has room for it"
    left = [disk.name for disk in disks if disk.is_written and disk not in chosen]
    if left:
        yield f"it has all disks that are written to, also {', '.join(left)}"
    for disk in chosen:
        yield from _by_name(case, disk)
    if case.runs and not memory:
        yield "of a VM that runs it has the memory too (memory: true)"
    if _has_checkpoints_while_off(case) and case.libvirt < INTERNAL_BESIDE_CHECKPOINTS:
        yield (
            "of a VM that is off and has checkpoints, as backups leave them, it comes with libvirt "
            f"{release(INTERNAL_BESIDE_CHECKPOINTS)}, and this host has {case.libvirt_named}; take "
            "it while the VM runs"
        )
    yield from _by_firmware(case)


def _by_name(case: Case, disk: Disk) -> Iterator[str]:
    """QEMU looks a name up among the numbers first, and takes a name twice or writes over it."""
    name = case.name
    if re.fullmatch(NUMBER, name):
        yield f"QEMU takes the name {name} for the number of a snapshot inside of an image"
    elif disk.format == "qcow2":
        inner = case.inner(disk.target)
        if any(name in one for one in inner):
            yield (
                f"{disk.path} has a snapshot {name} in it, of which libvirt has no record "
                "(qemu-img snapshot -l)"
            )


def _by_firmware(case: Case) -> Iterator[str]:
    if nvram_of(case.world.host, case.definition) is None:
        return
    since = INTERNAL_UEFI if case.runs else INTERNAL_OFF_UEFI
    if case.libvirt < since:
        yield (
            f"of a VM with UEFI {'that runs ' if case.runs else ''}it comes with libvirt "
            f"{release(since)}, and this host has {case.libvirt_named}"
        )
    elif case.runs and xmltree.get(case.definition, "os/nvram/@format") != "qcow2":
        yield "the variables of its UEFI (NVRAM) are not in qcow2"


def _against_external(case: Case, chosen: Sequence[Disk]) -> Iterator[str]:
    folder = case.wanted.options["folder"]
    for disk in chosen:
        if disk.on_device and not folder:
            yield f"disk {disk.name} is on a device; say in which folder its overlay goes (folder)"
        if disk.is_encrypted:
            yield f"disk {disk.name} is encrypted, and its overlay would not be"
    if _has_checkpoints_while_off(case):
        yield "the VM has checkpoints, of which libvirt's overlays know nothing while it is off"
    if folder and case.world.host.exists(folder) is False:
        yield f"the folder {folder} is not there"


def _has_checkpoints_while_off(case: Case) -> bool:
    return not case.runs and bool(case.world.host.checkpoints(case.vm_name))


# ---- the memory, and what is to be told


def check_memory(case: Case) -> None:
    """Where the memory is to be in the snapshot: it is carried like that of a VM which moves."""
    if not case.wanted.options["memory"]:
        return
    if not case.runs:
        case.mistakes.add("the VM does not run, and has none; leave it out", "memory")
    domain = case.definition
    for path, what in _HOLDS_MEMORY:
        if domain.find(path) is not None:
            case.mistakes.add(
                f"the VM has {what}, whose state cannot be saved; leave the memory out, or take "
                "the device from the VM first",
                "memory",
            )


_HOLDS_MEMORY = (
    ("devices/hostdev", "a device of the host"),
    ("devices/interface[@type='hostdev']", "a network device of the host"),
    ("devices/interface[@type='vdpa']", "a network device of the host (vDPA)"),
    ("devices/filesystem", "a shared folder"),
)


def told_of(case: Case, choice: Choice) -> Iterator[str]:
    """What is to be known of a snapshot before it is taken."""
    memory = case.wanted.options["memory"]
    if choice.format == EXTERNAL:
        since = REVERTS_DISK_ONLY if case.runs and not memory else REVERTS_EXTERNAL
        if case.libvirt < since:
            yield (
                f"libvirt {case.libvirt_named} cannot go back to it, {release(since)} can; the "
                "disks as they are now stay readable in the images below its overlays"
            )
        if memory and case.state == PAUSED:
            yield "QEMU merges nothing of the VM before it has run again, so it cannot go before"
        inside = [one.name for one in case.known if one.internal and one.memory != EXTERNAL]
        if inside:
            yield (
                f"it comes after the internal snapshot {inside[-1]}, and can be removed only once "
                "that is gone"
            )
    if not memory and nvram_of(case.world.host, case.definition) is not None:
        yield "the variables of its UEFI (NVRAM) are not in it, and stay as they are"
    if not memory and case.definition.find("devices/tpm/backend[@type='emulator']") is not None:
        yield "the state of its TPM is not in it, and stays as it is when it goes back"
