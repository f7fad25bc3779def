# SPDX-License-Identifier: GPL-3.0-or-later
"""Who leaves the groups of VMs that are declared, and who must not be taken for a member.

A member is who has the group's note in its metadata. A name is no proof: others may have made a VM
that is called like one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..engine import xmltree
from ..engine.errors import FleetError, Mistakes
from ..engine.keys import ABSENT
from ..engine.mark import MARK, group_of
from ..engine.plan import Have, Member, Wanted
from ..engine.world import World
from ..kinds.vm.kind import KIND as VM
from .group_spec import OPTION
from .vm_groups import Group, groups_of, of_member, options_of

Warn = Callable[[str], None]
Read = Callable[[Mapping[str, Any]], tuple[list[Wanted], list[FleetError]]]


def leaving(
    world: World, params: Mapping[str, Any], read: Read, wanted: Sequence[Wanted], warn: Warn
) -> list[Wanted]:
    """The declarations by which members go that their groups have no more, the highest first.

    `read` makes declarations of the options of a VM.
    """
    mistakes, spec = Mistakes(), VM.spec()
    there = world.everything("vm")
    declared = {one.name for one in wanted if one.kind == "vm"}
    goes: list[Wanted] = []
    for group in groups_of(params[OPTION], Mistakes()):
        _check_there(group, there, mistakes)
        for member, have in _who_leaves(group, there, declared, warn):
            _check_may_go(group, have, mistakes)
            if group.drain and have.name not in params["drained"]:
                _tell_undrained(group, have, world, mistakes, warn)
            absent = _absent(group, member, spec)
            goes += [of_member(one, member) for one in read(absent)[0]]
    mistakes.raise_any()
    return goes


def _check_there(group: Group, there: Mapping[str, Have], mistakes: Mistakes) -> None:
    """Nobody gets into a group by being called like a member of it."""
    for name in group.names if not group.adopt else ():
        have = there.get(name)
        of = group.name if have is None else group_of(have.definition)
        if of != group.name:
            whose = f"is a member of the group {of}" if of else f"is no member of {group.name}"
            mistakes.add(
                f"is there already and {whose}; write adopt: true to have it in the group "
                f"{group.name}, which changes it to what is declared and removes it when it "
                "leaves; or have other names (name_format) or numbers (start)",
                resource=f"vm/{name}",
            )


def _who_leaves(
    group: Group, there: Mapping[str, Have], declared: Collection[str], warn: Warn
) -> list[tuple[Member, Have]]:
    leaves = []
    for have in there.values():
        if group_of(have.definition) != group.name or have.name in declared:
            continue
        number = group.index_of(have.name)
        if number is None:
            warn(
                f"vm/{have.name} is a member of the group {group.name} and not called like one; it "
                "is left as it is: declare it in vms, with group: '' if it is none any more"
            )
        else:
            leaves.append((Member(group.name, number), have))
    return sorted(leaves, key=lambda one: one[0].number, reverse=True)


def _check_may_go(group: Group, have: Have, mistakes: Mistakes) -> None:
    if xmltree.get(have.definition, f"{MARK}/@protected") == "yes":
        mistakes.add(
            f"is protected, and would leave the group {group.name}, which is to have "
            f"{_said(group)}; raise its count, or set protected to false for it and run before",
            resource=f"vm/{have.name}",
        )


def _said(group: Group) -> str:
    names = group.names
    return "no members" if not names else f"{names[0]} to {names[-1]}" if names[1:] else names[0]


def _tell_undrained(group: Group, have: Have, world: World, mistakes: Mistakes, warn: Warn) -> None:
    """In check mode what an earlier task would do has not been done."""
    message = (
        f"leaves the group {group.name} and is to be drained first; do that and name it in "
        "drained, as the playbook kvm.fleet.scale does"
    )
    if world.assume_on_host:
        warn(f"vm/{have.name}: {message}")
    else:
        mistakes.add(message, resource=f"vm/{have.name}")


def _absent(group: Group, member: Member, spec: Mapping[str, Any]) -> dict[str, Any]:
    shutdown = options_of(group, member.number, spec)[0].get("shutdown")
    name = group.name_of(member.number)
    said = {"name": name, "state": ABSENT, "remove_storage": group.remove_storage}
    return {**said, "shutdown": shutdown} if shutdown else said
