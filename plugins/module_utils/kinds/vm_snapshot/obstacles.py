# SPDX-License-Identifier: GPL-3.0-or-later
"""What forbids to touch the snapshots of a VM at this moment, whatever is to be done."""

from __future__ import annotations

from collections.abc import Iterable

from ...engine import xmltree
from ..vm.states import CRASHED, SAVED
from ..vm.under_way import backup_under_way
from .case import Case


def check_vm(case: Case) -> None:
    """The VM is stored, and nobody is at work on it."""
    facts = case.vm.facts
    if not facts.get("persistent", True):
        case.mistakes.add(
            "the VM is stored nowhere, and its snapshots would be forgotten with it; store it "
            "first (virsh define, or kvm.fleet.vm)",
            "vm",
        )
    if case.state == CRASHED:
        case.mistakes.add("the VM has crashed; stop or restart it first", "vm")
    _check_jobs(case)


def check_not_saved(case: Case, what: str) -> None:
    """The memory of a saved VM fits the disks as they are, and no others."""
    if case.state == SAVED:
        case.mistakes.add(
            f"the VM is saved, and its memory would not fit its disks any more once it is {what}; "
            "start it first (state: running), or have the memory thrown away (virsh "
            f"managedsave-remove {case.vm_name})",
            "vm",
        )


def check_images(case: Case, targets: Iterable[str]) -> None:
    """All is there that QEMU opens for disks of a VM that is off; one that runs has it open."""
    if case.runs:
        return
    disks = {
        xmltree.get(one, "target/@dev"): one
        for one in xmltree.find_all(case.definition, "devices/disk")
    }
    for target in targets:
        told = case.chains.told(disks[target])[0] if target in disks else []
        for top in told[:1]:
            gone = top.path if case.chains.is_gone(top.path) else case.chains.missing_below(top)
            if gone:
                case.mistakes.add(
                    f"disk {target} needs {gone}, which is not there, and QEMU opens it for that; "
                    "put it back",
                    "vm",
                )


def _check_jobs(case: Case) -> None:
    host, name = case.world.host, case.vm_name
    if not case.runs or host.driver != "QEMU":
        return
    job = host.vm_job(name)
    if job:
        case.mistakes.add(
            f"libvirt is at work on the VM ({job}); run again when that is done", "vm"
        )
        return
    under_way = backup_under_way(host, name)
    if under_way:
        case.mistakes.add(under_way, "vm")
    for disk in xmltree.find_all(case.definition, "devices/disk"):
        target = xmltree.get(disk, "target/@dev") or ""
        found = host.block_job(name, target)
        if found:
            case.mistakes.add(
                f"a {found} of disk {target} is under way; wait until it is done, or abort it "
                f"(virsh blockjob {name} {target} --abort)",
                "vm",
            )
