# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers as plain data, for recordings and digests: without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from . import sensitive
from .looked_at import File, Image, Interface, Unreadable

KINDS = (
    *("resource_pool", "secret", "storage_pool", "storage_volume", "vm", "vm_snapshot"),
    "vswitch",
)

# Questions with a whole definition in them are recorded by its digest.
BY_DEFINITION = ("refusal", "parsed", "parser_refusal", "cpu_comparison")


def plain(answer: Any) -> Any:
    """An answer as JSON has it, without secrets; what has a type of its own says which."""
    if isinstance(answer, (File, Interface)):
        return asdict(answer)
    if isinstance(answer, Image):
        return {"image": asdict(answer)}
    if isinstance(answer, Unreadable):
        return {"unreadable": asdict(answer)}
    if isinstance(answer, Mapping):
        return {str(name): plain(one) for name, one in answer.items()}
    if isinstance(answer, (list, tuple)):
        return [plain(one) for one in answer]
    return sensitive.masked_text(answer) if isinstance(answer, str) else answer
