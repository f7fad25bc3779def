# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan for a vswitch says of what NICs have by its port groups: filters and isolation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...engine.changes import LIVE, STORED, Change
from ...engine.keys import Key
from ...engine.xmltree import Element
from ..vm.states import SAVED
from . import filters, followers, isolation, table
from .changes import Refiltered, RefilteredLater
from .noted_vlans import FOLLOWED, ISOLATION

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
    _warn_of_gone(draft)
    names = [filters.BY_GROUP] if strict else []
    made = filters.made(resource, names, host)
    return [*made, *_followers(draft)]


def freed(draft: VswitchDraft) -> Iterator[Change]:
    """The NICs that are isolated by the port groups of a vswitch that goes, with which that does.

    One that is made again may say nothing of it, and nobody would know by whom they have it.
    """
    network = isolation.without(draft.have.definition)
    if network is None:
        return
    declared = {vm for kind, vm in draft.world.declared if kind == "vm"}
    users = followers.users_of(draft.wanted.name, draft.world.everything("vm"), declared)
    found = list(followers.astray(ISOLATION, network, users, waits=True))
    yield from _refiltered(draft, ISOLATION, found, waits=True)


def _is_strict(key: Key, value: object) -> bool:
    return is_followed(key) and value == "strict"


def _concerned(draft: VswitchDraft, name: str) -> bool:
    """Whether a port group has this trait, is to have it, or has it no more."""
    if not draft.have.exists and table.things_of(draft.after, GROUPS):
        return True  # NICs that wait for it may have what a former one gave them
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
    return _refiltered(draft, name, found, waits)


def _refiltered(
    draft: VswitchDraft, name: str, found: Sequence[followers.Follower], waits: bool
) -> list[Change]:
    if not found:
        return []
    words = followers.TRAITS[name].words
    # Of one that is otherwise as it runs than as it is stored, what is stored comes first.
    with_more = {str(one): f" ({one.parameters})" for one in reversed(found) if one.parameters}
    before = {str(one): words[one.now] + with_more.get(str(one), "") for one in found}
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
    elif name == ISOLATION:
        _warn_of_former(draft, users)
    asleep = {user.vm for user in users if user.state == SAVED}
    saved = sorted(asleep & {one.vm for one in found})
    if saved:
        draft.warnings.append(
            f"these are saved, and come back without the change of {name}, which the next run "
            f"after their start finds: {', '.join(saved)}"
        )


def _warn_of_gone(draft: VswitchDraft) -> None:
    """Of NICs that name a port group which goes: libvirt gives them nothing from then on."""
    before, after = draft.have.stored, draft.definition
    gone = set() if before is None else _named_groups(before) - _named_groups(after)
    if not gone:
        return
    declared = {vm for kind, vm in draft.world.declared if kind == "vm"}
    users = followers.users_of(draft.wanted.name, draft.world.everything("vm"), declared)
    left = followers.naming(gone, users)
    if left:
        draft.warnings.append(
            "these name a port group that goes, and have nothing of any with their next start, be "
            f"it a VLAN, a limit or isolation: {', '.join(left)}; have them name another one"
        )


def _named_groups(network: Element) -> set[str]:
    return {group.get("name", "") for group in network.findall("portgroup")}


def _warn_of_former(draft: VswitchDraft, users: list[followers.User]) -> None:
    """Of NICs on a new vswitch which are isolated though its port groups do not say so."""
    left = followers.isolated_by_themselves(draft.definition, users)
    if left:
        draft.warnings.append(
            f"these are isolated by themselves, or by a former vswitch of this name: "
            f"{', '.join(left)}; say isolated of their port groups, or of the NICs"
        )
