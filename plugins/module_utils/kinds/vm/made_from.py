# SPDX-License-Identifier: GPL-3.0-or-later
"""A new VM that is made from a template: what its plan says of that beside its options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ...engine import xmltree
from ...engine.changes import Change
from ...engine.errors import Mistakes
from ...engine.keys import Key
from .changes import Brought

if TYPE_CHECKING:
    from ...engine.plan import Have
    from .draft import VmDraft
    from .state_files import StateFile

FROM, LINKED, FULL = "from_template", "linked", "full"
MADE = "made_from_template"  # where a declaration has the `Made` of a VM
_OF_FIRMWARE: tuple[Key, ...] = (("firmware",), ("secure_boot",))
PLACED = "disks_are_placed"  # whether its disks have the pools that nobody said
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
    _warn_of_tpm(draft, made.template)
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
    why = _why_new_variables(draft, have, of_template)
    if why:
        draft.warnings.append(f"the variables of its firmware are new: {why}")
    elif host.exists(of_template.path) and not host.exists(own.path):
        note = f"a copy of {of_template.path}"
        yield Brought(draft.wanted.resource, ("nvram",), None, own.path, note=note)


def _why_new_variables(draft: VmDraft, template: Have, variables: StateFile) -> str:
    """Why those of a template are none for the VM; another firmware would not start with them."""
    if not draft.world.host.is_local:
        return f"those of {template.name} cannot be copied from here"
    if not variables.removable:
        return f"those of {template.name} are in no file"
    of_template = draft.values_in(template.definition)
    formats = {
        xmltree.get(tree, "os/nvram/@format") or "raw"
        for tree in (template.definition, draft.definition)
    }
    if len(formats) > 1 or any(of_template[key] != draft.after[key] for key in _OF_FIRMWARE):
        return f"its firmware is another than that of {template.name}"
    return ""


def _warn_of_tpm(draft: VmDraft, template: str) -> None:
    """To have a copy would be to know the secrets of another guest: it begins as an empty one."""
    from . import state_files

    host, have = draft.world.host, draft.world.was("vm", template)
    found = state_files.tpm_state_of(host, have.definition) if have.exists else None
    if found is None or state_files.tpm_state_of(host, draft.definition) is None:
        return
    if host.exists(found.path) is not False:
        draft.warnings.append(
            f"its TPM is new and empty: what the guest of {template} sealed by its own, such as "
            "the key of an encrypted disk, opens by another key alone"
        )
