# SPDX-License-Identifier: GPL-3.0-or-later
"""State beside the disks, which has to go over: of the TPM, of the firmware, saved memory."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...kinds.vm.state_files import StateFile, others_with
from ..case import Case
from ..findings import Finding
from ..states import MEMORY, all_state_files, why_shared_state

EMULATOR = "emulator"


def tpm(case: Case) -> Iterator[Finding]:
    """The target can run the emulated TPM."""
    backend = case.sent.find("devices/tpm/backend")
    if backend is None or backend.get("type") != EMULATOR:
        return
    known = case.target.moves.device_models(*case.kind)
    version = backend.get("version") or "2.0"
    sides = {"source": f"{EMULATOR} {version}"}
    if known is None:
        message = "whether the target emulates TPMs is not known"
        yield case.warned("tpm", message, "see that swtpm is installed there", "tpm", **sides)
        return
    models = known.get("tpm/backendModel", [])
    versions = known.get("tpm/backendVersion", [version])  # which libvirt 8.0 tells first
    if EMULATOR not in models or version not in versions:
        todo = "install swtpm and swtpm-tools there"
        message = "the target emulates no such TPM"
        yield case.failed("tpm", message, todo, "tpm", **sides, target=", ".join(models))
    else:
        yield case.passed("tpm", "the target emulates such TPMs", "tpm", **sides, target=EMULATOR)


def state_files(case: Case) -> Iterator[Finding]:
    """State beside the disks goes over, and meets none of another VM there."""
    for file in all_state_files(case.move):
        shared = why_shared_state(case.move, file)
        if not shared:
            yield _state_file(case, file)
        elif file.field == MEMORY:
            # What counts as saved at the target would be saved over it first.
            message = f"its memory is saved in a folder of both hosts: {shared}"
            todo = "wake it and move it live (state: running)"
            yield case.failed("state_files", message, todo, file.field, source=file.path)
        else:
            yield case.passed("state_files", shared, file.field, source=file.path)
    nvram = case.sent.find("os/nvram")
    if nvram is not None and nvram.get("type", "file") not in ("file", ""):
        message = f"its NVRAM is on {nvram.get('type')} storage, which is not looked at"
        todo = "see that the target reaches it"
        yield case.warned("state_files", message, todo, "nvram", source=xmltree.serialise(nvram))


def _state_file(case: Case, file: StateFile) -> Finding:
    sides = {"source": file.path, "target": file.path}
    owners = others_with(case.move.vm, file, case.target.world)
    if owners:
        return case.failed(
            "state_files",
            f"{file.path} of the target is that of vm/{owners[0]}",
            "give one of both VMs a file of its own (virsh edit)",
            file.field,
            **sides,
        )
    is_there = case.target.host.exists(file.path) if case.target.is_here else None
    is_ours = case.move.is_coming if file.field == MEMORY else case.move.is_taken_up
    if is_there and (case.mode.is_live or is_ours):
        message = f"{file.path} of the target, of an earlier VM, is written over"
        return case.warned("state_files", message, "keep a copy of it", file.field, **sides)
    if is_there:
        return case.failed(
            "state_files",
            f"{file.path} is at the target already, from an earlier VM, and would be taken up",
            "remove it there first",
            file.field,
            **sides,
        )
    if is_there is None:
        message = f"whether the target has a {file.path} of an earlier VM is not known"
        return case.warned("state_files", message, "see that it has not", file.field, **sides)
    return case.passed("state_files", "goes over with it", file.field, **sides)
