# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How plans are shown: by the options that a user writes, and with a line of counts at their end.

Inside, what a disk or a NIC stands on is one value, a dictionary of the options of one case. A user
writes those options beside the others, and so they are shown: `disks.root.file`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .changes import HOTPLUG, LIVE, RESTART, STAYS, STORED, Change
from .codecs import Value
from .hidden import shown
from .keys import ABSENT, UNION, Key, named, nested
from .plan import CREATE, DELETE, UPDATE, Plan
from .yaml_text import to_yaml

RESTARTED = "restarted"  # what a change of `power` or `state` says of what is stopped and started


def unfolded(changes: Iterable[Change]) -> Iterator[Change]:
    """The changes by the options that a user writes; one of a union is one of each option."""
    for change in _by_option(changes):
        before = change.before
        after, live = (shown(value, before) for value in (change.after, change.live))
        yield replace(change, before=shown(before), after=after, live=live)


def _by_option(changes: Iterable[Change]) -> Iterator[Change]:
    for change in changes:
        if change.field[-1] == UNION and len(change.field) > 1:
            yield from _of_union(change)
        else:
            values = (change.before, change.after, change.live)
            before, after, live = (_with_options_of_union(value) for value in values)
            yield replace(change, before=before, after=after, live=live)


def _of_union(change: Change) -> Iterator[Change]:
    before, after, live = (value or {} for value in (change.before, change.after, change.live))
    for name in {**before, **after}:
        was, will, runs = before.get(name), after.get(name), live.get(name)
        if was != will or (live and runs != will):
            field = (*change.field[:-1], name)
            yield replace(change, field=field, before=was, after=will, live=runs)


def _with_options_of_union(value: Value) -> Value:
    """A thing as a whole, what it stands on among its options."""
    if not isinstance(value, Mapping) or not isinstance(value.get(UNION), Mapping):
        return value
    options = dict(value)
    return {**options.pop(UNION), **options}


def results(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Changes as a module returns them."""
    return [change.result() for change in unfolded(changes)]


def names(changes: Iterable[Change]) -> list[str]:
    """The options that changes are of, as a user writes them."""
    return [named(change.field) for change in unfolded(changes)]


# ---- as a diff


def diff_of(plan: Plan) -> dict[str, str]:
    """The plan as a before and after that Ansible shows as a unified diff of YAML."""
    changes = list(unfolded(plan.changes))
    before = {c.field: c.before for c in changes if plan.action != CREATE and not _comes(c)}
    stays = [c for c in changes if plan.action != DELETE or c.after == STAYS]
    after = {c.field: c.after for c in stays if not _goes(c)}
    classes = {c.field: c.effect for c in changes if plan.action == UPDATE}
    return {
        "before_header": f"{plan.resource} (before)",
        "after_header": f"{plan.resource} (after)",
        "before": to_yaml(nested(before)),
        "after": to_yaml(
            nested(after), {field: f"  # {effect}" for field, effect in classes.items()}
        ),
    }


def _comes(change: Change) -> bool:
    return change.before is None and isinstance(change.after, str) and _in_thing(change.field)


def _goes(change: Change) -> bool:
    return change.after is None and isinstance(change.before, str) and _in_thing(change.field)


def _in_thing(field: Key) -> bool:
    """Whether a field may be one option of a union, of which another takes its place."""
    return len(field) > 2


def diffs(plans: Sequence[Plan]) -> list[dict[str, str]]:
    """What `--diff` shows of all plans that change anything: each one's diff, then the counts."""
    changed = [plan for plan in plans if plan.changed]
    if not changed:
        return []
    return [*(diff_of(plan) for plan in changed), {"prepared": f"{summary(plans)}\n"}]


# ---- the line at the end


def summary(plans: Sequence[Plan]) -> str:
    """One line: how many changes of which class, what is restarted, what waits, what goes."""
    told = (change for plan in plans if plan.changed for change in unfolded(plan.changes))
    changes = [change for change in told if change.after != STAYS]
    counts = ((kind, sum(c.effect == kind for c in changes)) for kind in _CLASSES)
    classes = ", ".join(f"{count} {kind}" for kind, count in counts if count)
    many = "change" if len(changes) == 1 else "changes"
    parts = [f"{len(changes)} {many} ({classes})" if changes else "no changes"]
    for what, things in (
        ("restarts", _restarted(changes)),
        ("waits for a restart", [plan.resource for plan in plans if plan.pending]),
        ("removes", _removed(plans)),
    ):
        if things:
            parts.append(f"{what}: {', '.join(dict.fromkeys(things))}")
    return f"plan: {'; '.join(parts)}"


_CLASSES = (STORED, LIVE, HOTPLUG, RESTART)


def _restarted(changes: Iterable[Change]) -> list[str]:
    return [change.resource for change in changes if change.after == RESTARTED]


def _removed(plans: Iterable[Plan]) -> list[str]:
    """Resources that go with what goes along, and things in lists that go from what stays."""
    gone = []
    for plan in plans:
        if plan.action == DELETE:
            gone.append(plan.resource)
        if plan.action in (UPDATE, DELETE):
            things = (c.field for c in plan.changes if c.after is ABSENT and c.field != ("state",))
            gone += [f"{plan.resource} {named(field)}" for field in things]
    return gone
