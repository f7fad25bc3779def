# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for snapshots that are to go: what was written since is kept, in the image below.

libvirt merges an external one itself, by a block commit, as it does since 9.0. What it would refuse
is refused here, and what it would not notice: clones, and snapshots inside of an overlay.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.changes import LIVE, Change, Kept, Lost
from ...engine.keys import ABSENT
from ...engine.plan import DELETE, NONE, Have, Plan
from ..vm.snapshots import Snapshot
from .case import (
    DELETES_EXTERNAL,
    DELETES_MEMORY_FILE,
    DELETES_OFF_TOP,
    KEEPS_INTERNAL_PARENT,
    Case,
    release,
)
from .changes import Forgotten, Merged
from .inner import check_one_of_its_name
from .obstacles import check_images, check_not_saved, check_vm

MERGES, RECORD_ONLY, REMOVES_FILES = "merges", "record only", "removes files"


def planned(case: Case) -> Plan:
    """What is to be done that a snapshot is not there."""
    gone = Have(case.have.kind, case.have.name, None, None, {})
    taken = case.taken
    if not case.vm.exists or taken is None:
        return Plan(case.wanted, NONE, case.have, gone)
    check_vm(case)
    how = MERGES
    if taken.is_external:
        check_not_saved(case, "merged")
        how = _external(case, taken)
        check_images(case, sorted(taken.overlays) if how == MERGES else ())
    else:
        _check_internal(case, taken)
    case.mistakes.raise_any()
    resource = case.wanted.resource
    changes: list[Change] = [
        Forgotten(resource, ("state",), "present", ABSENT, note=_note(case, taken)),
        *(_of_disks(case, taken, how) if taken.is_external else ()),
        *_of_memory(case, taken, how),
    ]
    gone = Have(case.have.kind, case.have.name, None, None, {"how": how})
    return Plan(case.wanted, DELETE, case.have, gone, tuple(changes), (), tuple(case.warnings))


def _note(case: Case, taken: Snapshot) -> str:
    children = ", ".join(one.name for one in case.children(taken))
    kept = f"; what comes from it stays: {children}" if children else ""
    return f"taken {taken.taken}; the VM keeps what was written since{kept}"


# ---- internal


def _check_internal(case: Case, taken: Snapshot) -> None:
    """Of a VM that runs libvirt removes what is in the image to which it writes."""
    check_one_of_its_name(case, taken)
    for target in sorted(taken.internal) if case.runs else ():
        chain = case.chain_of.get(target, [])
        base = taken.bases.get(target, "")
        if chain and base and case.place(chain[0]) != case.place(base):
            case.mistakes.add(
                f"it is inside of {base}, and disk {target} writes to {chain[0]} by now: libvirt "
                "removes it while the VM is off only, so stop it first (state: stopped), or remove "
                "the external snapshots after it",
                "state",
            )


# ---- external


def _external(case: Case, taken: Snapshot) -> str:
    """How it goes. What forbids it is in the mistakes."""
    if case.libvirt < DELETES_EXTERNAL:
        case.mistakes.add(
            f"libvirt {case.libvirt_named} removes no external snapshot, "
            f"{release(DELETES_EXTERNAL)} does; merge its disks (virsh blockcommit {case.vm_name} "
            f"DISK --active --pivot), then its record (virsh snapshot-delete {case.vm_name} "
            f"{case.name} --metadata)",
            "state",
        )
        return MERGES
    there = {target: _where(case, taken, target) for target in taken.overlays}
    if all(where == "merged" for where in there.values()):
        return RECORD_ONLY
    current = next((one for one in case.known if one.current), None)
    is_leaf = not case.children(taken)
    if all(where == "nowhere" for where in there.values()) and is_leaf and taken != current:
        _check_beside(case, taken)
        return REMOVES_FILES
    for target, where in sorted(there.items()):
        _check_disk(case, taken, target, where)
    _check_tree(case, taken, current)
    _check_below(case, taken, [one for one in there if there[one] == "above its base"])
    _check_others(case, taken)
    return MERGES


def _where(case: Case, taken: Snapshot, target: str) -> str:
    """Whether the overlay of a disk stands where the record has it."""
    chain = [case.place(path) for path in case.chain_of.get(target, ())]
    overlay, base = (case.place(paths.get(target, "")) for paths in (taken.overlays, taken.bases))
    if overlay in chain:
        below = chain[chain.index(overlay) + 1 : chain.index(overlay) + 2]
        return "above its base" if below == [base] else "elsewhere"
    return (
        "merged"
        if base in chain and not case.world.host.exists(taken.overlays[target])
        else ("left over" if base in chain else "nowhere")
    )


def _check_disk(case: Case, taken: Snapshot, target: str, where: str) -> None:
    overlay, base = taken.overlays[target], taken.bases.get(target, "")
    vm, name = case.vm_name, case.name
    if target in taken.half_merged:
        children = ", ".join(one.name for one in case.children(taken)) or "what comes from it"
        case.mistakes.add(
            f"libvirt began to merge into {overlay} and was ended then; remove {children} first, "
            "which ends that",
            "state",
        )
    elif where == "elsewhere":
        case.mistakes.add(
            f"disk {target}: {overlay} stands on another image than the record says ({base}), so "
            "nobody knows what would be merged into what; see virsh domblklist and qemu-img info "
            "--backing-chain",
            "state",
        )
    elif where in ("merged", "left over"):
        case.mistakes.add(
            f"disk {target} was merged already, and others were not, as when libvirt's daemon is "
            "killed meanwhile; merge these too (virsh blockcommit "
            f"{vm} DISK --base IMAGE --top OVERLAY --pivot), and run again",
            "state",
        )
    elif where == "nowhere":
        case.mistakes.add(
            f"disk {target} stands neither on {overlay} nor on {base}, as after it went back to "
            f"another snapshot; go back to one that comes from {name} first, or remove those",
            "state",
        )


def _check_tree(case: Case, taken: Snapshot, current: Snapshot | None) -> None:
    children = [one.name for one in case.children(taken)]
    if len(children) > 1:
        case.mistakes.add(
            f"{', '.join(children)} come from it, and what was written since is merged into one "
            "image below one of them only; remove all but one of them first",
            "state",
        )
    elif taken == current and children:
        case.mistakes.add(
            f"the VM went back to it, and {children[0]} comes from it too; remove that first",
            "state",
        )
    for target in taken.overlays:
        before = next((one for one in case.above(taken) if target in _disks(one)), None)
        if before is not None and target in before.internal:
            case.mistakes.add(
                f"libvirt merges nothing into an image with the internal snapshot {before.name} in "
                "it; remove that first",
                "state",
            )
            break


def _check_below(case: Case, taken: Snapshot, targets: list[str]) -> None:
    """Of a VM that is off, older versions look for an overlay before they know what it stands on:
    in what is stored, which says of a chain the image at its top."""
    if case.runs or case.libvirt >= DELETES_OFF_TOP:
        return
    known = {
        xmltree.get(disk, "target/@dev"): {
            case.place(one.path) for one in case.chains.told(disk)[0]
        }
        for disk in xmltree.find_all(case.definition, "devices/disk")
    }
    below = [one for one in targets if case.place(taken.overlays[one]) not in known.get(one, ())]
    if below:
        above = ", ".join(one.name for one in case.children(taken)) or "what is above it"
        case.mistakes.add(
            f"disk {', '.join(sorted(below))} writes to an overlay above, and libvirt "
            f"{case.libvirt_named} removes such a snapshot while the VM runs only, "
            f"{release(DELETES_OFF_TOP)} does; start it first (state: running), or remove {above}",
            "state",
        )


def _disks(one: Snapshot) -> set[str]:
    return {*one.internal, *one.overlays}


def _check_others(case: Case, taken: Snapshot) -> None:
    """The image below is written to, and the overlay goes."""
    for target, overlay in sorted(taken.overlays.items()):
        for path in filter(None, (overlay, taken.bases.get(target, ""))):
            others = case.others_on(path)
            if others:
                case.mistakes.add(
                    f"{path} is used by {' and '.join(others)}, for which it would be another; "
                    "remove that first, or make it stand alone",
                    "state",
                )
        for one in case.known:
            at = one.bases.get(target, "")
            if target in one.internal and at and case.place(at) == case.place(overlay):
                case.mistakes.add(
                    f"the snapshot {one.name} is inside of {overlay}, and would go with it; remove "
                    "that first",
                    "state",
                )


def _check_beside(case: Case, taken: Snapshot) -> None:
    """A leaf from which the VM went away: libvirt removes the images that it alone has."""
    above = case.above(taken)
    if case.libvirt < DELETES_OFF_TOP:
        case.mistakes.add(
            f"the VM went away from it, and libvirt {case.libvirt_named} removes no external "
            f"snapshot of such, {release(DELETES_OFF_TOP)} does; remove its record only (virsh "
            f"snapshot-delete {case.vm_name} {case.name} --metadata)",
            "state",
        )
        return
    if case.libvirt < KEEPS_INTERNAL_PARENT and above and above[0].internal:
        case.mistakes.add(
            f"libvirt {case.libvirt_named} would remove the image with {above[0].name} in it, "
            f"{release(KEEPS_INTERNAL_PARENT)} does not; remove its record only (virsh "
            f"snapshot-delete {case.vm_name} {case.name} --metadata)",
            "state",
        )
    in_use = {case.place(path) for chain in case.chain_of.values() for path in chain}
    for path in _files_of_leaf(taken):
        others = case.others_on(path)
        if case.place(path) in in_use or others:
            users = " and ".join(others) or f"vm/{case.vm_name}"
            case.mistakes.add(f"{path} would go with it, and {users} uses it", "state")


def _files_of_leaf(taken: Snapshot) -> Iterator[str]:
    for target in sorted(taken.overlays):
        if taken.bases.get(target):
            yield taken.bases[target]


# ---- what a plan shows


def _of_disks(case: Case, taken: Snapshot, how: str) -> Iterator[Change]:
    resource = case.wanted.resource
    if how == REMOVES_FILES:
        for path in _files_of_leaf(taken):
            yield Lost(resource, ("images", path), path, note="no other snapshot has it")
        return
    for target, overlay in sorted(taken.overlays.items()):
        base = taken.bases.get(target, "")
        if how == MERGES:
            off = "" if case.runs else "; QEMU runs for that, its guest does not"
            note = f"into {base}{off}"
            yield Merged(
                resource, ("disks", target), overlay, f"merged into {base}", LIVE, note=note
            )


def _of_memory(case: Case, taken: Snapshot, how: str) -> Iterator[Change]:
    if taken.memory_file and (how == RECORD_ONLY or case.libvirt < DELETES_MEMORY_FILE):
        note = f"libvirt {case.libvirt_named} leaves it; it is of no use any more"
        yield Kept(case.wanted.resource, ("memory",), taken.memory_file, note=note)
    elif taken.memory:
        yield Lost(case.wanted.resource, ("memory",), taken.memory_file or "inside")
