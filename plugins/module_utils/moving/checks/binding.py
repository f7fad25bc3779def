# SPDX-License-Identifier: GPL-3.0-or-later
"""What binds the VM to its host, for good or at the moment: devices, snapshots, jobs."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.fields import items_of
from ...engine.xmltree import Element
from ...kinds.vm.host_device_rows import HOST_DEVICES, USB, what_it_is
from ...kinds.vm.opened import disks_of
from ..bindings import Bound, bound
from ..case import Case, listed
from ..findings import FAIL, PASS, WARN, Finding
from ..options import LIVE, OFFLINE
from ..standing import bound_by_snapshots

# What is a check of its own, with both sides, by these names.
OWN_CHECKS = ("cpu",)
# What a definition that waits may bring of its host.
FROM_NEXT_START = ("host_devices", "shared_folders")
# Each of these is passed where nothing is found against it.
LOOKED_FOR = {
    "state": "its state allows it",
    "host_devices": "it has no devices of its host",
    "shared_folders": "it shares no folders of its host",
    "snapshots": "libvirt has no records of snapshots of it",
}


def bindings(case: Case) -> Iterator[Finding]:
    """Nothing binds it to its host that the mode cannot move."""
    move = case.move
    runs = move.definition if case.has_memory else move.have.definition
    found = [*bound(move.have, runs), *bound_by_snapshots(len(case.source.host.snapshots(move.vm)))]
    against = [one for one in found if _concerns(case, one)]
    for one in against:
        there = _device_there(case, one)
        result = _result(case, one)
        yield Finding(
            one.check, result, one.message, one.about, target=there, todo=one.advice(case.mode.name)
        )
    yield from _waiting(case, runs)
    yield from _not_now(case)
    for check, message in LOOKED_FOR.items():
        if check not in {one.check for one in against}:
            yield case.passed(check, message)


def _result(case: Case, one: Bound) -> str:
    """What it is to this move: a saved guest goes on with its devices, as one that runs does."""
    goes_on = case.move.saved and one.check != "state"
    return one.result(LIVE if goes_on else case.mode.name)


def _not_now(case: Case) -> Iterator[Finding]:
    why_not = case.source.moves.why_not_now(case.move.vm) if case.mode.is_live else ""
    if why_not:
        todo = (
            "wake it (virsh dompmwakeup), or mend the disk and let it go on (virsh resume), first"
        )
        yield case.failed("state", why_not, todo, "state")


def _waiting(case: Case, runs: Element) -> Iterator[Finding]:
    """What binds it from its next start on, which is at the target."""
    if case.waiting is None:
        return
    known = {(one.check, one.about) for one in bound(case.move.have, runs)}
    for one in bound(case.move.have, case.waiting):
        is_new = (one.check, one.about) not in known and one.check in FROM_NEXT_START
        if is_new and one.offline != PASS:
            message = f"{one.message}; it waits for the VM's next start"
            yield case.warned(one.check, message, one.advice(OFFLINE), one.about)


def _concerns(case: Case, one: Bound) -> bool:
    is_own = one.check in OWN_CHECKS and one.live == WARN
    return _result(case, one) != PASS and not is_own


def _device_there(case: Case, one: Bound) -> str:
    """Whether the target has the device of the host of a VM that moves offline, as far as libvirt
    calls it by what it is: the devices of PCI, and mediated ones."""
    if one.check != "host_devices" or _result(case, one) == FAIL:
        return ""
    devices = items_of(HOST_DEVICES, case.sent)
    device = devices.get(one.about.partition(".")[2])
    there = case.target.moves.node_devices
    if device is None or device.get("type") == USB or there is None:
        return ""
    name = what_it_is(device) or ""
    # Newer libvirt adds the parent to the name of a mediated device.
    is_there = any(found == name or found.startswith(f"{name}_pci_") for found in there)
    return f"has {name}" if is_there else f"has no {name}"


def checkpoints(case: Case) -> Iterator[Finding]:
    """No checkpoints would be lost, from which backups go on."""
    names = case.source.host.checkpoints(case.move.vm)
    if names:
        yield case.failed(
            "checkpoints",
            f"libvirt does not carry its checkpoints ({listed(names)}): the next backup would be a "
            "full one, and the source cannot be cleared",
            "delete them first (virsh checkpoint-delete), and make a full backup after the move",
            "checkpoints",
            source=listed(names),
        )
    else:
        yield case.passed("checkpoints", "it has no checkpoints")


def jobs(case: Case) -> Iterator[Finding]:
    """Nothing works on the VM or its disks."""
    found = []
    if case.move.running:
        host, vm = case.source.host, case.move.vm
        found = [
            (name, job)
            for name, disk in disks_of(case.move.definition)
            for job in [host.block_job(vm, xmltree.get(disk, "target/@dev") or "")]
            if job
        ]
        if host.backup(vm):
            found.append(("backup", "backup"))
    for name, job in found:
        todo = "wait until it is done, or abort it (virsh blockjob --abort, domjobabort)"
        yield case.failed("jobs", f"a {job} is under way", todo, name, source=job)
    if not found:
        yield case.passed("jobs", "no job is under way")
