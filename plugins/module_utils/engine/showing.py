# SPDX-License-Identifier: GPL-3.0-or-later
"""How plans are shown: by the options that a user writes, and with a line of counts at their end.

Inside, what a disk or a NIC stands on is one value, a dictionary of the options of one case. A user
writes those options beside the others, and so they are shown: `disks.root.file`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from .changes import HOTPLUG, LIVE, RESTART, STORED, Change
from .hidden import shown
from .keys import named, nested
from .plan import CREATE, DELETE, UPDATE, Plan


def unfolded(changes: Iterable[Change]) -> Iterator[Change]:
    """The changes by the options that a user writes, with nothing that is to be hidden."""
    for change in _by_option(changes):
        before = change.before
        after, live = (shown(value, before) for value in (change.after, change.live))
        yield replace(change, before=shown(before), after=after, live=live)


def _by_option(changes: Iterable[Change]) -> Iterator[Change]:
    for change in changes:
        yield from change.unfolded()


def results(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Changes as a module returns them."""
    return [change.result() for change in unfolded(changes)]


def names(changes: Iterable[Change]) -> list[str]:
    """The options that changes are of, as a user writes them."""
    return [named(change.field) for change in unfolded(changes)]


# ---- as a diff


def diff_of(plan: Plan, called: str = "") -> dict[str, str]:
    """The plan as a before and after that Ansible shows as a unified diff of YAML.

    `called` is how that is called which it is of, where that is more than its resource.
    """
    from .yaml_text import to_yaml

    changes = list(unfolded(plan.changes))
    before = {c.field: c.found for c in changes if plan.action != CREATE and c.was_there}
    stays = [c for c in changes if plan.action != DELETE or not c.counts]
    after = {c.field: c.after for c in stays if c.will_be_there}
    comments = {c.field: _comment(c, plan.action == UPDATE) for c in changes}
    return {
        "before_header": f"{called or plan.resource} (before)",
        "after_header": f"{called or plan.resource} (after)",
        "before": to_yaml(nested(before)),
        "after": to_yaml(nested(after), comments),
    }


def _comment(change: Change, has_class: bool) -> str:
    """What stands behind a line of a diff: of which class a change is, and what is said of it."""
    parts = [_of_what_runs(change) if has_class else "", " ".join(change.note.split())]
    note = "; ".join(filter(None, parts))
    said = ": ".join(filter(None, [change.effect if has_class else "", note]))
    return f"  # {said}" if said else ""


def _of_what_runs(change: Change) -> str:
    """What is to be said where what is stored and what runs differ."""
    if change.found != change.before:
        return "stored so already"
    live = change.live
    if live in (None, change.before, change.after) or not isinstance(live, (str, int)):
        return ""
    from .yaml_text import scalar

    return f"runs with {scalar(live)}"


def diffs(plans: Sequence[Plan], then: Sequence[str] = ()) -> list[dict[str, str]]:
    """What `--diff` shows of all plans that change anything: each one's diff, then the counts."""
    changed = [plan for plan in plans if plan.changed]
    if not changed:
        return []
    shown = [diff_of(same[0], called) for same, called in _folded(changed)]
    return [*shown, {"prepared": f"{summary(plans, then)}\n"}]


def _folded(plans: Sequence[Plan]) -> Iterable[tuple[Sequence[Plan], str]]:
    """The plans, those of one group together for which the same is said, and how they are called.

    Few declare groups, and the others import nothing for them.
    """
    if not any(plan.wanted.member for plan in plans):
        return [((plan,), "") for plan in plans]
    from .folding import called, folded

    return [(same, called(same)) for same in folded(plans)]


def listed(resources: Iterable[str], plans: Sequence[Plan]) -> str:
    """Names of resources in a row, each once, and of a group by its name."""
    if any(plan.wanted.member for plan in plans):
        from .folding import listed as folded

        resources = folded(resources, plans)
    return ", ".join(dict.fromkeys(resources))


# ---- the line at the end


def summary(plans: Sequence[Plan], then: Sequence[str] = ()) -> str:
    """One line: how many changes of which class, what is restarted, what waits, what goes.

    And what comes after all of it.
    """
    told = (change for plan in plans if plan.changed for change in unfolded(plan.changes))
    changes = [change for change in told if change.counts]
    counts = ((kind, sum(c.effect == kind for c in changes)) for kind in _CLASSES)
    classes = ", ".join(f"{count} {kind}" for kind, count in counts if count)
    many = "change" if len(changes) == 1 else "changes"
    parts = [f"{len(changes)} {many} ({classes})" if changes else "no changes"]
    for what, things in (
        ("restarts", [change.resource for change in changes if change.restarts]),
        ("waits for a restart", [plan.resource for plan in plans if plan.pending]),
        ("removes", _removed(plans)),
    ):
        if things:
            parts.append(f"{what}: {listed(things, plans)}")
    return f"plan: {'; '.join((*parts, *then))}"


_CLASSES = (STORED, LIVE, HOTPLUG, RESTART)


def _removed(plans: Iterable[Plan]) -> list[str]:
    """Resources that go with what goes along, and things in lists that go from what stays."""
    gone = []
    for plan in plans:
        if plan.action == DELETE:
            gone.append(plan.resource)
        if plan.action in (UPDATE, DELETE):
            gone += [f"{plan.resource} {named(c.field)}" for c in plan.changes if c.removes]
    return gone
