# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that are bound to what they saw: digests of the facts from which each was made.

What of them counts, and what moves by itself, says `lasting`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .errors import FleetError, FleetErrors
from .facts import Fact, Facts
from .hidden import Sensitive, new_salt, secrets_of, token_of
from .host import QUESTIONS
from .lasting import counts, lasting
from .plain import KINDS
from .plan import Plan, Wanted
from .showing import results

# Options that are about how changes are made, and so in none of them.
MANNER = ("apply", "build", "checksum", "download", "existing", "shutdown")
WITH_SECRETS = ("download", "image")  # of which those that are declared are in no row either
DIGITS = 16  # of the digest of one fact


def bound(plan: Plan, facts: Facts) -> dict[str, Any]:
    """What a plan was made from: one digest of all, and one of each fact."""
    digests = {
        name_of(fact): _digest_of(fact, facts) for fact in sorted(filter(counts, plan.facts))
    }
    known = {name: digest for name, digest in digests.items() if digest}
    said = (results(plan.changes), _manner(plan.wanted), _secrets(plan.wanted))
    made = {"facts": known, "plan": _digest(said)}
    return {**made, "digest": _digest(made, 2 * DIGITS)}


def _manner(wanted: Wanted) -> dict[str, Any]:
    """How the changes are to be made, as far as that is declared."""
    return {option: wanted.options[option] for option in MANNER if wanted.options.get(option)}


def _secrets(wanted: Wanted) -> list[str]:
    """What tells the secrets that are declared from others: no change shows them."""
    salt = new_salt(wanted.resource)
    hidden = [value for value in wanted.values.values() if isinstance(value, Sensitive)]
    given = {name: wanted.options.get(name) for name in WITH_SECRETS}
    secrets = (*secrets_of(given), *(one for value in hidden for one in value.secrets))
    return sorted(token_of(secret, salt) for secret in secrets)


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


def fact_of(name: str) -> Fact | None:
    """The fact that is called so; None where no question is.

    Of several things the first may have spaces in its name, and the others have none.
    """
    asked, _space, of = name.partition(" ")
    number = 1 if asked in KINDS else QUESTIONS.get(asked, -1)
    parts = of.rsplit(" ", number - 1) if number > 0 and of else []
    return (asked, *parts) if len(parts) == number else None


def _digest_of(fact: Fact | None, facts: Facts) -> str:
    """The digest of what lasts of an answer; empty where there is none that counts."""
    if fact is None or not counts(fact):
        return ""
    asked, *of = fact

    def make() -> str:
        answer = facts.resource(asked, of[0]) if asked in KINDS else facts.ask(*fact)
        return "" if fact in facts.missing else _digest(lasting(fact, answer))

    return facts.made(("digest", fact), make)  # many plans are made from the same pool


def _digest(said: Any, digits: int = DIGITS) -> str:
    text = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
