# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan for a vswitch says of the security of its port groups: filters, and who gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine.changes import LIVE, Change
from ...engine.keys import Key
from . import filters, followers
from .changes import Refiltered
from .noted_vlans import SECURITY

if TYPE_CHECKING:
    from .draft import VswitchDraft

NOTE = (
    "by libvirt's network filters; what the guest may not send goes no more from then on, and all "
    "else goes on"
)


def is_followed(key: Key) -> bool:
    """Whether it is an option of a port group that stands in its NICs, and nowhere in libvirt's
    network."""
    return len(key) == 3 and key[0] == "port_groups" and key[-1] == SECURITY


def changes(draft: VswitchDraft) -> list[Change]:
    """The filters that are missing, and the NICs that do not follow their port groups.

    VMs that are declared in the same run follow by their own plans.
    """
    strict = [key for key, value in draft.after.items() if _is_strict(key, value)]
    if not strict and not _concerned(draft):
        return []
    resource, host = draft.wanted.resource, draft.world.host
    if strict and filters.why_none(host):
        draft.mistakes.add(f"strict is not possible: {filters.why_none(host)}", _named(strict[0]))
        draft.mistakes.raise_any()
    names = [filters.BY_GROUP] if strict else []
    return [*filters.made(resource, names, host), *_followers(draft)]


def _is_strict(key: Key, value: object) -> bool:
    return is_followed(key) and value == "strict"


def _concerned(draft: VswitchDraft) -> bool:
    """Whether a port group is to be strict no more."""
    said = any(map(is_followed, draft.want))
    return said or any(_is_strict(key, value) for key, value in draft.stored.items())


def _named(key: Key) -> str:
    return ".".join(key)


def _followers(draft: VswitchDraft) -> list[Change]:
    world = draft.world
    declared = {name for kind, name in world.declared if kind == "vm"}
    waits = draft.changes_wait or not draft.will_run
    vms = world.everything("vm")
    found = list(followers.astray(draft.definition, vms, declared, waits))
    if not found:
        return []
    before = {str(one): followers.WORDS[one.now] for one in found}
    after = {str(one): followers.WORDS[one.will] for one in found}
    return [Refiltered(draft.wanted.resource, (SECURITY,), before, after, LIVE, note=NOTE)]
