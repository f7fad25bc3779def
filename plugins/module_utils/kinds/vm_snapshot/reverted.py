# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans by which a VM goes back to a snapshot.

Nobody keeps what was written since, so each run goes back again: that a VM is where it was cannot
be seen from outside.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.changes import LIVE, Change
from ...engine.errors import FleetError
from ...engine.hidden import Sensitive
from ...engine.plan import NONE, UPDATE, Have, Plan
from ...engine.xmltree import Element
from ..vm.snapshots import Snapshot
from ..vm.state_files import nvram_of
from ..vm.states import PAUSED, RUNNING, STOPPED
from .case import INTERNAL_UEFI, REVERTS_DISK_ONLY, REVERTS_EXTERNAL, Case, release
from .changes import Discarded, WentBack
from .inner import check_goes_back
from .obstacles import check_not_saved, check_vm

DISK_ONLY = "disk-snapshot"
AFTERWARDS = {"running": RUNNING, "paused": PAUSED}


def planned(case: Case) -> Plan:
    """What is to be done that a VM is as it was."""
    taken = case.taken
    if taken is None:
        there = ", ".join(one.name for one in case.known) or "none"
        raise FleetError(
            f"there is no such snapshot to go back to; the VM has: {there}",
            case.wanted.resource,
            "name",
        )
    after = Have(
        case.have.kind, case.have.name, case.have.stored, None, {**case.have.facts, "current": True}
    )
    if case.world.verifies and taken.current:
        return Plan(case.wanted, NONE, case.have, after)
    check_vm(case)
    if not taken.memory:
        check_not_saved(case, "back at what they were")
    if taken.is_external:
        _check_external(case, taken)
    else:
        _check_internal(case, taken)
    case.mistakes.raise_any()
    case.warnings.extend(_told(case, taken))
    changes = (*_lost(case, taken), *_definition(case, taken), _state(case, taken))
    return Plan(case.wanted, UPDATE, case.have, after, changes, (), tuple(case.warnings))


# ---- what forbids it


def _check_external(case: Case, taken: Snapshot) -> None:
    since = REVERTS_DISK_ONLY if taken.state == DISK_ONLY else REVERTS_EXTERNAL
    if case.libvirt < since:
        bases = ", ".join(
            sorted(taken.bases[disk] for disk in taken.overlays if disk in taken.bases)
        )
        what = (
            "an external one that was taken while the VM ran"
            if since == REVERTS_DISK_ONLY
            else "an external one"
        )
        case.mistakes.add(
            f"libvirt {case.libvirt_named} does not go back to {what}, {release(since)} does; the "
            f"disks as they were are in {bases}, from which they can be copied "
            "(kvm.fleet.storage_volume with copy_of or image) while the VM is off",
            "state",
        )
    if taken.half_merged:
        case.mistakes.add(
            "libvirt began to merge the snapshot after it and was ended then: its images are of no "
            "time; merge that to its end first (state: absent of it)",
            "state",
        )
    definition = _definition_of(case)
    for disk in definition.findall("devices/disk") if definition is not None else ():
        if disk.find("source") is not None and disk.get("type", "file") != "file":
            case.mistakes.add(
                f"disk {xmltree.get(disk, 'target/@dev')} is no file, and libvirt goes back to "
                "external snapshots of files only",
                "state",
            )
    for target, path in sorted(_written_now(case).items()):
        if target in taken.overlays:
            _check_alone(case, path)


def _check_internal(case: Case, taken: Snapshot) -> None:
    """What is inside of an image is put back over what the image has, and all above it is lost."""
    check_goes_back(case, taken)
    if taken.memory and nvram_of(case.world.host, case.definition) and case.libvirt < INTERNAL_UEFI:
        case.mistakes.add(
            f"libvirt {case.libvirt_named} does not go back to one with the memory of a VM with "
            f"UEFI, {release(INTERNAL_UEFI)} does",
            "state",
        )
    for target in sorted(taken.internal):
        base = taken.bases.get(target, "")
        for one in case.known:
            at = one.bases.get(target, "")
            if target in one.overlays and base and at and case.place(at) == case.place(base):
                case.mistakes.add(
                    f"the snapshot {one.name} stands on {base}, which would be written to: it, and "
                    "what was written since, would be lost; remove it first (state: absent)",
                    "state",
                )
        if base:
            _check_alone(case, base)


def _check_alone(case: Case, path: str) -> None:
    others = case.others_on(path)
    if others:
        case.mistakes.add(
            f"{path} is used by {' and '.join(others)}, under which it would become another; "
            "remove that first, or make it stand alone",
            "state",
        )


# ---- what a plan shows


def _written_now(case: Case) -> dict[str, str]:
    return {target: chain[0] for target, chain in case.chain_of.items() if chain}


def _lost(case: Case, taken: Snapshot) -> Iterator[Change]:
    now = _written_now(case)
    for target in sorted({*taken.internal, *taken.overlays} & set(now)):
        base = taken.bases.get(target, "")
        if base and case.place(base) not in map(case.place, case.chain_of[target]):
            note = f"as of {taken.taken}; {now[target]}, where it is now, stays, and is not used"
            yield WentBack(
                case.wanted.resource, ("disks", target), now[target], base, LIVE, note=note
            )
            continue
        kept = [one.name for one in case.known if one.created > taken.created]
        note = f"as of {taken.taken}"
        if kept:
            note += f"; the snapshots {', '.join(kept)} stay"
        if taken.is_external:
            note += f"; {now[target]} goes, and a new overlay of libvirt's naming comes"
        since = f"written since, in {now[target]}"
        yield Discarded(case.wanted.resource, ("disks", target), since, case.name, LIVE, note=note)


def _definition_of(case: Case) -> Element | None:
    """The definition of the VM that is stored once it went back."""
    record = case.have.definition
    inactive = record.find("inactiveDomain")
    return record.find("domain") if inactive is None else inactive


def _definition(case: Case, taken: Snapshot) -> Iterator[Change]:
    """Options of the VM that were changed since: they go back too."""
    from ..vm.definition import domain_values

    then = _definition_of(case)
    if then is None:
        return
    was, now = domain_values(then), domain_values(case.vm.definition)
    for key in sorted({*was, *now}):
        one, other = now.get(key), was.get(key)
        hidden = isinstance(one, Sensitive) or isinstance(other, Sensitive)
        if one != other and not hidden and not _follows(key):
            note = f"the definition is again that of {taken.taken}"
            yield WentBack(case.wanted.resource, ("definition", *key), one, other, LIVE, note=note)


def _follows(key: tuple[str, ...]) -> bool:
    """What a disk stands on is told of the disk."""
    return key[0] in ("disks", "cdroms") and key[-1] in ("source", "format")


def _state(case: Case, taken: Snapshot) -> Change:
    after = AFTERWARDS.get(taken.state, STOPPED)
    note = "as when it was taken"
    if after == STOPPED and case.runs:
        note = "it has no memory in it; the VM is stopped at once, as by power off"
    elif case.runs:
        note = "QEMU is started anew, with the memory as it was"
    return WentBack(case.wanted.resource, ("vm_state",), case.state, after, LIVE, note=note)


def _told(case: Case, taken: Snapshot) -> Iterator[str]:
    if case.world.host.checkpoints(case.vm_name):
        yield "the VM has checkpoints: backups that build on them are no longer of its disks"
    if not taken.memory and nvram_of(case.world.host, case.definition) is not None:
        yield "the variables of its UEFI (NVRAM) stay as they are"
