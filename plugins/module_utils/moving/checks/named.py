# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of a move name at the source is there: a misspelt name would do nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..case import Case, listed
from ..findings import Finding


def named(case: Case) -> Iterator[Finding]:
    """Each pool and vswitch by whose name something was said.

    A doubt only: whoever empties a host may say one mapping for all hosts.
    """
    options = case.move.options
    pools = case.source.pools() if options.pools or options.shared_pools else ()
    vswitches = case.source.world.everything("vswitch") if options.vswitches else ()
    found = [
        *_unknown(case, "map.pools", options.pools, pools),
        *_unknown(case, "shared_pools", options.shared_pools, pools),
        *_unknown(case, "map.vswitches", options.vswitches, vswitches),
    ]
    yield from found
    if not found and (pools or vswitches):
        yield case.passed("names", "the source has all that the options name")


def _unknown(
    case: Case, about: str, names: Iterable[str], there: Iterable[str]
) -> Iterator[Finding]:
    for name in names:
        if name not in there:
            message = f"the source has no {name}: it does nothing"
            todo = "write the name as the source has it"
            yield case.warned("names", message, todo, about, source=listed(sorted(there)))
