# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that are bound to what they saw: digests of the facts from which each was made.

Only what decides what is done counts. All resources of a kind, as a whole, are asked for by rules
that refuse or warn, and are asked again by every run; what moves by itself (the memory that a
balloon holds, how much of a volume is written, taps) is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable

from . import xmltree
from .errors import FleetError, FleetErrors
from .facts import ALL, Fact, Facts
from .host import File, Interface
from .plan import Have, Plan
from .recording import BY_DEFINITION, KINDS, of_have, plain
from .showing import results
from .xmltree import Element

# What moves by itself in the definitions of a kind.
MOVES = {
    "vm": ("@id", "currentMemory!", "seclabel!"),
    "storage_volume": ("allocation!", "physical!", "target/timestamps!"),
    "storage_pool": ("allocation!", "available!"),
    "vswitch": ("@connections",),
}
OF_SEVERAL = ("block_job", "checksum", "cpu_modes", "owner", "video_models")
DIGITS = 16  # of the digest of one fact


def bound(plan: Plan, facts: Facts) -> dict[str, Any]:
    """What a plan was made from: one digest of all, and one of each fact."""
    asked = (fact for fact in sorted(plan.facts) if fact[0] not in (ALL, *BY_DEFINITION))
    digests = {name_of(fact): _digest_of(fact, facts) for fact in asked}
    known = {name: digest for name, digest in digests.items() if digest}
    made = {"facts": known, "plan": _digest(results(plan.changes))}
    return {**made, "digest": _digest(made, 2 * DIGITS)}


def check(plans: Iterable[Plan], expected: Mapping[str, Any], facts: Facts) -> None:
    """FleetErrors name what is another now than when the expected plans were made."""
    found = [error for plan in plans if plan.changed for error in _against(plan, expected, facts)]
    if found:
        raise FleetErrors(found)


def _against(plan: Plan, expected: Mapping[str, Any], facts: Facts) -> Iterator[FleetError]:
    was, now = expected.get(plan.resource), bound(plan, facts)
    again = "review the plan as it is now, and expect that"
    if was is None:
        message = "would be changed, and the plan that is expected does not say so"
        yield FleetError(f"{message}; {again}", plan.resource)
        return
    known = isinstance(was, Mapping)
    why = _why_another(was, now, facts) if known else _why_other_digest(was, now)
    if why:
        yield FleetError(f"is not planned as is expected: {why}; {again}", plan.resource)


def _why_another(was: Mapping[str, Any], now: Mapping[str, Any], facts: Facts) -> str:
    """What is another now. A plan in check mode may have asked more than that of a run."""
    others = [
        name
        for name, digest in was["facts"].items()
        if (now["facts"].get(name) or _digest_of(fact_of(name), facts)) != digest
    ]
    if others:
        return f"not as it was: {', '.join(others)}"
    same = was["plan"] == now["plan"]
    return "" if same else "all is as it was, but something else is declared, or planned of it"


def _why_other_digest(was: Any, now: Mapping[str, Any]) -> str:
    if was == now["digest"]:
        return ""
    return f"what is declared, or one of these is another: {', '.join(now['facts'])}"


def name_of(fact: Fact) -> str:
    """A fact as it is called in results and errors: `image /srv/a.qcow2`."""
    return " ".join(fact)


def fact_of(name: str) -> Fact:
    """The fact that is called so. Where it asks of several things, none of them has a space."""
    asked, *of = name.split(" ", 1)
    return (asked, *of[0].split(" ")) if asked in OF_SEVERAL and of else (asked, *of)


def _digest_of(fact: Fact, facts: Facts) -> str:
    """The digest of what lasts of an answer; empty where there is none."""
    asked, *of = fact
    answer = facts.resources(asked, of)[of[0]] if asked in KINDS else facts.ask(*fact)
    return "" if fact in facts.missing else _digest(_lasting(fact, answer))


# ---- what of an answer lasts


def _lasting(fact: Fact, answer: Any) -> Any:
    if isinstance(answer, Have):
        return of_have(_at_rest(answer))
    return plain(LASTING.get(fact[0], _all)(answer))


def _at_rest(have: Have) -> Have:
    trees = (_without(have.kind, tree) for tree in (have.stored, have.live))
    stored, live = trees
    return Have(have.kind, have.name, stored, live, have.facts)


def _without(kind: str, tree: Element | None) -> Element | None:
    if tree is None:
        return None
    copy = xmltree.clone(tree)
    for path in MOVES.get(kind, ()):
        xmltree.put(copy, path, None)
    return copy


def _all(answer: Any) -> Any:
    return answer


def _file(found: File | None) -> Any:
    return None if found is None else (found.type, found.mode, found.owner, found.group)


def _interfaces(found: Mapping[str, Interface]) -> Any:
    return sorted(
        (name, one.is_bridge, one.is_openvswitch) for name, one in found.items() if not one.is_tap
    )


def _daemons(found: Iterable[Any]) -> Any:
    return sorted((one.program, one.network) for one in found)


LASTING: dict[str, Callable[[Any], Any]] = {
    "file": _file,
    "interfaces": _interfaces,
    "network_daemons": _daemons,
    "noted_daemons": _daemons,
}


def _digest(said: Any, digits: int = DIGITS) -> str:
    text = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
