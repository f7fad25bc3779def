# SPDX-License-Identifier: GPL-3.0-or-later
"""The resource pool that a VM is declared to be in.

systemd makes a slice for any name, and one without a unit file has no limits and promises nothing:
so a pool that is not there is a mistake, which nobody else would tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...engine.codecs import Value
from ...engine.errors import Mistakes
from ...engine.keys import Key, Values
from ...engine.world import World
from ..resource_pool.paths import name_of

KIND, OPTION = "resource_pool", "resource_pool"
POOL: Key = (OPTION,)
UNSEEN = (
    "whether there is a resource pool {} cannot be seen from here; without it the VM starts in a "
    "slice that limits and promises nothing"
)


def placed(
    values: Mapping[Key, Value], stored: Values, world: World, mistakes: Mistakes
) -> tuple[Values, list[str]]:
    """The values with the pool by its path, and warnings. Mistakes are collected."""
    said, warnings = values.get(POOL), list[str]()
    if not said:
        return dict(values), warnings
    if said == stored.get(POOL):
        return dict(values), _as_it_is(said, world)
    from ..resource_pool.rules import why_not_here

    found: list[str] = []
    if said.startswith("/"):
        mistakes.add(f"{said} is no resource pool; name one, such as gold or gold/inner", OPTION)
    elif why_not_here(world.host):
        warnings.append(UNSEEN.format(said))
    else:
        found = _found(said, world)
        if not found and world.assume_missing:
            warnings.append(f"{KIND}/{said} does not exist yet; the plan assumes that it will")
        elif len(found) != 1:
            mistakes.add(_none_or_several(said, found), OPTION)
    return {**values, **({POOL: found[0]} if len(found) == 1 else {})}, warnings


def _as_it_is(path: str, world: World) -> list[str]:
    """What is to be known of a partition that stays as it is: others write one without a pool."""
    from ..resource_pool.rules import why_not_here

    if path.startswith("/") or why_not_here(world.host) or world.will_be(KIND, path).exists:
        return []
    return [f"{KIND}/{path} does not exist; the VM's slice limits and promises nothing"]


def _none_or_several(said: str, found: Sequence[str]) -> str:
    if found:
        return f"{said} may be {' or '.join(found)}; write the whole path"
    return f"the resource pool {said} does not exist; declare it, or name one that does"


def _found(said: str, world: World) -> list[str]:
    """The pool of this path, or those of this name wherever they are."""
    if world.will_be(KIND, said).exists:
        return [said]
    if "/" in said:
        return []
    return sorted(path for path in world.everything(KIND) if name_of(path) == said)
