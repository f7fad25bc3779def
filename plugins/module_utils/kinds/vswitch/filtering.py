# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan for a vswitch says of what NICs have by its port groups: filters and isolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine.changes import LIVE, STORED, Change
from ...engine.keys import Key
from ..vm.states import SAVED
from . import filters, followers, table
from .changes import Refiltered, RefilteredLater
from .noted_vlans import FOLLOWED, SECURITY

if TYPE_CHECKING:
    from .draft import VswitchDraft

GROUPS = ("port_groups",)
NOTES = {
    "strict": "by libvirt's network filters; what the guest may not send goes no more from then "
    "on, and all else goes on",
    "permissive": "what the guest sends is filtered no more",
    "isolated": "frames between two that are isolated are dropped from then on; all others go on",
    "not isolated": "they reach each other again",
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
    return [*made, *_followers(draft)]


def _is_strict(key: Key, value: object) -> bool:
    return is_followed(key) and value == "strict"


def _concerned(draft: VswitchDraft, name: str) -> bool:
    """Whether a port group has this trait, is to have it, or has it no more."""
    if name == SECURITY and not draft.have.exists and table.things_of(draft.after, GROUPS):
        return True  # NICs that wait for it may have the filter of a former one
    said = any(is_followed(key) and key[-1] == name for key in draft.want)
    values = {**draft.stored, **draft.after}.items()
    return said or any(is_followed(k) and k[-1] == name and _says(v) for k, v in values)


def _says(value: object) -> bool:
    return value not in (None, "permissive")


def _named(key: Key) -> str:
    return ".".join(key)


def _followers(draft: VswitchDraft) -> list[Change]:
    names = [name for name in FOLLOWED if _concerned(draft, name)]
    if not names:
        return []
    declared = {vm for kind, vm in draft.world.declared if kind == "vm"}
    users = followers.users_of(draft.wanted.name, draft.world.everything("vm"), declared)
    return [change for name in names for change in _who_follows(draft, name, users)]


def _who_follows(draft: VswitchDraft, name: str, users: list[followers.User]) -> list[Change]:
    waits = draft.changes_wait or not draft.will_run
    found = list(followers.astray(name, draft.definition, users, waits))
    _warn(draft, name, users, found)
    if not found:
        return []
    words = followers.TRAITS[name].words
    before = {str(one): words[one.now] for one in found}
    after = {str(one): words[one.will] for one in found}
    note = "; ".join(NOTES[word] for word in dict.fromkeys(after.values()))
    kind, effect = (RefilteredLater, STORED) if waits else (Refiltered, LIVE)
    return [kind(draft.wanted.resource, (name,), before, after, effect, note=note)]


def _warn(
    draft: VswitchDraft,
    name: str,
    users: list[followers.User],
    found: list[followers.Follower],
) -> None:
    """Of NICs that do not follow, since no port group says anything to them or since they sleep."""
    if draft.have.stored is not None:
        left = followers.left_alone(name, draft.have.stored, draft.definition, users)
        if left:
            draft.warnings.append(
                f"no port group says anything of {name} to these any more, and they keep what they "
                f"have by it: {', '.join(left)}; declare it of the NICs themselves"
            )
    asleep = {user.vm for user in users if user.state == SAVED}
    saved = sorted(asleep & {one.vm for one in found})
    if saved:
        draft.warnings.append(
            f"these are saved, and come back without the change of {name}, which the next run "
            f"after their start finds: {', '.join(saved)}"
        )
