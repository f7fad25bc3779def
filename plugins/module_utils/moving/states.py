# SPDX-License-Identifier: GPL-3.0-or-later
"""The files with a VM's state that go over with it: NVRAM, the TPM's state, saved memory."""

from __future__ import annotations

from ..kinds.vm.state_files import StateFile, saved_memory_of, state_files_of
from .move import Move
from .spots import spot_at, why_shared

MEMORY = "saved_memory"


def all_state_files(move: Move) -> list[StateFile]:
    """All that the VM has."""
    host, definition = move.source.host, move.have.definition
    files = state_files_of(host, definition)
    return [*files, saved_memory_of(host, definition)] if move.saved else files


def state_files(move: Move) -> list[StateFile]:
    """Those that go over: what is on storage of both hosts does not."""
    return [file for file in all_state_files(move) if not why_shared_state(move, file)]


def why_shared_state(move: Move, file: StateFile) -> str:
    """By what it is known that the target has the same file; empty where nothing shows it."""
    return why_shared(move, spot_at(move.source, file.path))
