# SPDX-License-Identifier: GPL-3.0-or-later
"""State beside the disks, which has to go over: of the TPM, of the firmware, saved memory."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...kinds.vm.state_files import StateFile, nvram_of, saved_memory_of, tpm_state_of
from ..case import Case
from ..findings import Finding
from ..move import Move

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


def carried(move: Move) -> list[StateFile]:
    """The files of state that have to go over when a VM moves offline; live, QEMU carries them."""
    host, domain = move.source.host, move.have.definition
    found = [tpm_state_of(host, domain), nvram_of(host, domain)]
    if move.saved:
        found.append(saved_memory_of(host, domain))
    return [one for one in found if one is not None and one.path]


def state_files(case: Case) -> Iterator[Finding]:
    """State beside the disks goes over, and meets none of another VM there."""
    for file in carried(case.move):
        sides = {"source": file.path, "target": file.path}
        is_there = case.target.host.exists(file.path) if case.target.is_here else None
        if is_there and case.mode.is_live:
            message = f"{file.path} of the target, of an earlier VM, is written over"
            yield case.warned("state_files", message, "keep a copy of it", file.field, **sides)
        elif is_there:
            yield case.failed(
                "state_files",
                f"{file.path} is at the target already, from an earlier VM, and would be taken up",
                "remove it there first",
                file.field,
                **sides,
            )
        elif is_there is None and not case.mode.is_live:
            message = f"whether the target has a {file.path} of an earlier VM is not known"
            yield case.warned("state_files", message, "see that it has not", file.field, **sides)
        else:
            yield case.passed("state_files", "goes over with it", file.field, **sides)
    nvram = case.sent.find("os/nvram")
    if nvram is not None and nvram.get("type", "file") not in ("file", ""):
        message = f"its NVRAM is on {nvram.get('type')} storage, which is not looked at"
        todo = "see that the target reaches it"
        yield case.warned("state_files", message, todo, "nvram", source=xmltree.serialise(nvram))
