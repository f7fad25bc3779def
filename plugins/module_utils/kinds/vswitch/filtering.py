# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan for a vswitch says of what NICs have by its port groups: filters and isolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine.changes import LIVE, Change
from ...engine.keys import Key
from . import filters, followers
from .changes import Refiltered
from .noted_vlans import FOLLOWED, ISOLATION, SECURITY

if TYPE_CHECKING:
    from .draft import VswitchDraft

NOTES = {
    SECURITY: "by libvirt's network filters; what the guest may not send goes no more from then "
    "on, and all else goes on",
    ISOLATION: "frames between two of them that are isolated are dropped from then on; all others "
    "go on",
}


def is_followed(key: Key) -> bool:
    """Whether it is an option of a port group that stands in its NICs, and nowhere in libvirt's
    network."""
    return len(key) == 3 and key[0] == "port_groups" and key[-1] in FOLLOWED


def changes(draft: VswitchDraft) -> list[Change]:
    """The filters that are missing, and the NICs that do not follow their port groups.

    VMs that are declared in the same run follow by their own plans.
    """
    strict = [key for key, value in draft.after.items() if _is_strict(key, value)]
    resource, host = draft.wanted.resource, draft.world.host
    if strict and filters.why_none(host):
        draft.mistakes.add(f"strict is not possible: {filters.why_none(host)}", _named(strict[0]))
        draft.mistakes.raise_any()
    names = [filters.BY_GROUP] if strict else []
    made = filters.made(resource, names, host)
    return [*made, *(change for name in FOLLOWED for change in _followers(draft, name))]


def _is_strict(key: Key, value: object) -> bool:
    return is_followed(key) and value == "strict"


def _concerned(draft: VswitchDraft, name: str) -> bool:
    """Whether a port group has this trait, is to have it, or has it no more."""
    said = any(is_followed(key) and key[-1] == name for key in draft.want)
    values = {**draft.stored, **draft.after}.items()
    return said or any(is_followed(k) and k[-1] == name and _says(v) for k, v in values)


def _says(value: object) -> bool:
    return value not in (None, "permissive")


def _named(key: Key) -> str:
    return ".".join(key)


def _followers(draft: VswitchDraft, name: str) -> list[Change]:
    if not _concerned(draft, name):
        return []
    world, words = draft.world, followers.TRAITS[name].words
    declared = {vm for kind, vm in world.declared if kind == "vm"}
    waits = draft.changes_wait or not draft.will_run
    vms = world.everything("vm")
    found = list(followers.astray(name, draft.definition, vms, declared, waits))
    if not found:
        return []
    before = {str(one): words[one.now] for one in found}
    after = {str(one): words[one.will] for one in found}
    return [Refiltered(draft.wanted.resource, (name,), before, after, LIVE, note=NOTES[name])]
