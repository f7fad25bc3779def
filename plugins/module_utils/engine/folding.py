# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of a group for which a plan says the same, shown as one: ten with one line changed.

Only what is the same to the letter is folded: what happens to them, and each change with its class,
before and after. What a run returns of each VM is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .plan import Member, Plan

RUN = 3  # so many with numbers in a row are told by the first and the last


def folded(plans: Iterable[Plan]) -> list[list[Plan]]:
    """The plans, those together that are told once; each such list stands where its first did."""
    shown: list[list[Plan]] = []
    alike: dict[str, list[list[Plan]]] = {}
    for plan in plans:
        if plan.wanted.member is None:
            shown.append([plan])
            continue
        known = alike.setdefault(f"{plan.wanted.member.group} {_text_of(plan)}", [])
        same = next((one for one in known if _same(one[0], plan)), None)
        if same is not None:
            same.append(plan)
            continue
        known.append([plan])
        shown.append(known[-1])
    return shown


def _text_of(plan: Plan) -> str:
    """What tells most plans apart at once. What is hidden reads the same."""
    return repr([plan.action, *((c.field, c.before, c.after, c.note) for c in plan.changes)])


def _same(one: Plan, other: Plan) -> bool:
    return one.action == other.action and _changes(one) == _changes(other)


def _changes(plan: Plan) -> list[object]:
    return [replace(change, resource="") for change in plan.changes]


def called(plans: Sequence[Plan]) -> str:
    """How plans that are told once are called: `vm_groups/web (web-1 to web-10)`."""
    by_member = {one.wanted.member: one.wanted.name for one in plans if one.wanted.member}
    return plans[0].resource if len(plans) == 1 else _of_group(by_member)


def _of_group(names: dict[Member, str]) -> str:
    runs: list[list[Member]] = []
    for member in sorted(names):
        if runs and runs[-1][-1].number + 1 == member.number:
            runs[-1].append(member)
        else:
            runs.append([member])
    parts: list[str] = []
    for run in runs:
        ends = f"{names[run[0]]} to {names[run[-1]]}"
        parts += [ends] if len(run) >= RUN else [names[member] for member in run]
    return f"vm_groups/{next(iter(names)).group} ({', '.join(parts)})"


def listed(resources: Iterable[str], plans: Iterable[Plan]) -> list[str]:
    """Names of resources, several members of one group as one."""
    of = {one.resource: one.wanted.member for one in plans if one.wanted.member is not None}
    groups: dict[str, dict[Member, str]] = {}
    told: list[str] = []
    for resource in dict.fromkeys(resources):
        member = of.get(resource)
        if member is None:
            told.append(resource)
            continue
        if member.group not in groups:
            told.append(f"\n{member.group}")  # no resource is called so
        groups.setdefault(member.group, {})[member] = resource.partition("/")[2]
    return [_told(groups[one[1:]]) if one.startswith("\n") else one for one in told]


def _told(names: dict[Member, str]) -> str:
    return _of_group(names) if len(names) > 1 else f"vm/{next(iter(names.values()))}"
