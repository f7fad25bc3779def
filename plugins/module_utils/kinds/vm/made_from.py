# SPDX-License-Identifier: GPL-3.0-or-later
"""A new VM that is made from a template: what its plan says of that beside its options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ...engine.changes import Change
from ...engine.errors import Mistakes
from .changes import Brought

if TYPE_CHECKING:
    from .draft import VmDraft

FROM, LINKED, FULL = "from_template", "linked", "full"
MADE = "made_from_template"  # where a declaration has the `Made` of a VM
UNSEEN = "template_unseen"  # what to say where check mode cannot see the template


class Made(NamedTuple):
    """What is known of how a new VM is made."""

    template: str
    clones: tuple[str, ...]  # the volumes, POOL/NAME, that are clones of the template's
    sysprep: str  # by what it gets an identity of its own; empty: by nothing
    warnings: tuple[str, ...] = ()


def check_declared(params: Mapping[str, Any], mistakes: Mistakes) -> None:
    """Mistakes that show without a host."""
    template = params.get(FROM)
    for option in ("clone", "sysprep") if not template else ():
        if params.get(option):
            mistakes.add(f"goes with {FROM}; set that too", option)
    if template and template == params["name"]:
        mistakes.add("is the VM itself; name another", FROM)
    if template and params.get("template"):
        mistakes.add(
            "is for a VM that is used; make it without, set it up, stop it, and set it then",
            "template",
        )


def told(draft: VmDraft) -> Iterator[Change]:
    """What a plan says of a VM that is made from a template."""
    made = draft.wanted.options.get(MADE)
    if made is None or draft.have.exists:
        return
    draft.warnings += made.warnings
    resource = draft.wanted.resource
    fresh = [one for one in made.clones if not draft.world.was("storage_volume", one).exists]
    note = f"its disks are clones: {', '.join(made.clones)}" if made.clones else "it has no disks"
    yield Brought(resource, (FROM,), None, made.template, note=note)
    yield from _nvram(draft, made.template)
    if made.sysprep:
        from . import sysprep

        yield from sysprep.told(draft, made.sysprep, fresh)


def _nvram(draft: VmDraft, template: str) -> Iterator[Change]:
    """The variables of its firmware are those of the template, in a file of its own."""
    from . import state_files

    host, have = draft.world.host, draft.world.was("vm", template)
    if not have.exists:
        return
    of_template = state_files.nvram_of(host, have.definition)
    own = state_files.nvram_of(host, draft.definition)
    if of_template is None or own is None:
        return
    if not host.is_local:
        draft.warnings.append(
            f"the variables of its firmware are new, as those of {template} cannot be copied from "
            "here"
        )
    elif host.exists(of_template.path) and not host.exists(own.path):
        note = f"a copy of {of_template.path}"
        yield Brought(draft.wanted.resource, ("nvram",), None, own.path, note=note)
