# SPDX-License-Identifier: GPL-3.0-or-later
"""What a resource pool is promised, from its unit file as a tree."""

from __future__ import annotations

from ...engine.codecs import Value
from ...engine.fields import values_of
from ...engine.plan import Have
from ...engine.promises_held import Pool
from ...engine.units import parse_cores, parse_size
from ...host import slices
from .table import ROWS
from .told import beside


def pool_of(have: Have) -> Pool:
    """What one promises and limits; what others wrote in ways of their own counts as it does for
    the hook."""
    values = {**values_of(ROWS, have.definition), **beside(have)}
    cpu = {name: _cores(values[("cpu", name)]) for name in ("reservation", "limit")}
    memory = {name: _bytes(values[("memory", name)]) for name in ("reservation", "low", "limit")}
    shares = values[("cpu", "shares")]
    return Pool(
        path=have.name,
        cpu=cpu["reservation"],
        cpu_limit=cpu["limit"],
        shares=shares if isinstance(shares, int) else 0,
        memory=memory["reservation"],
        memory_low=memory["low"],
        memory_limit=memory["limit"],
        expandable=values[("expandable",)],
    )


def _cores(value: Value) -> int:
    try:
        return parse_cores(value)
    except ValueError:
        return slices.quota(str(value))


def _bytes(value: Value) -> int:
    try:
        return parse_size(value)
    except ValueError:
        return slices.bytes_of(str(value))
