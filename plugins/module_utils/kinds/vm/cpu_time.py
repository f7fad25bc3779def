# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU time of a VM: its shares, the limit and the reservation, and what has to hold between them.

A limit is a quota of each period, and others may have set another period than the kernel's own.
Then it is kept, and the quota is of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...engine import xmltree
from ...engine.codecs import Codec, Value, cores
from ...engine.errors import FleetError, Mistakes
from ...engine.keys import Key, Values, named
from ...engine.units import MILLICORES, cores_of, parse_cores
from ...engine.xmltree import Element

SHARES, LIMIT, RESERVATION = (("cpu", name) for name in ("shares", "limit", "reservation"))
COUNT, DEDICATED = ("cpu", "count"), ("cpu", "dedicated")
# Weights of a vCPU. The kernel's own weight of a group is 100.
WORDS = {"low": 50, "normal": 100, "high": 200}
# What both versions of cgroups, and systemd, take. libvirt stores more, and fails at the start.
LEAST_SHARES, MOST_SHARES = 2, 10_000
PERIOD_US = 100_000  # the kernel's own
LEAST_QUOTA_US = 1_000  # what libvirt takes of a period
PERIOD, QUOTA = "cputune/global_period", "cputune/global_quota"


def _shares(given: Any) -> Value:
    """A word, which becomes a number when the vCPUs are known; or a number, 0 for none."""
    word = str(given).strip()
    if word in WORDS:
        return word
    number = int(word) if word.isdecimal() else -1
    if number == 0 or LEAST_SHARES <= number <= MOST_SHARES:
        return number
    raise ValueError(
        f"{given!r} is none of {', '.join(WORDS)}, and no number from {LEAST_SHARES} to "
        f"{MOST_SHARES}; 0 takes it away"
    )


SHARES_CODEC = Codec(
    _shares,
    lambda found: int(found) if found and found.isdecimal() else 0,
    lambda value: str(value) if value else None,
)
LIMIT_CODEC, RESERVATION_CODEC = cores(PERIOD_US), cores()


def resolve(values: dict[Key, Value], stored: Values) -> None:
    """Shares in words are so many for each vCPU."""
    word = values.get(SHARES)
    if word in WORDS:
        count = values.get(COUNT, stored.get(COUNT)) or 1
        values[SHARES] = min(WORDS[str(word)] * count, MOST_SHARES)


def period_of(domain: Element) -> int:
    """The microseconds that a quota is of."""
    return int(xmltree.get(domain, PERIOD) or 0) or PERIOD_US


def quota(value: Value, period_us: int) -> int:
    """A limit in cores as microseconds of each period."""
    return round(parse_cores(value) * period_us / MILLICORES)


def read(domain: Element, values: Values) -> None:
    """The limit where it is a quota of another period."""
    period_us = period_of(domain)
    if period_us != PERIOD_US and values[LIMIT]:
        number = int(xmltree.get(domain, QUOTA) or 0)
        values[LIMIT] = cores_of(round(number * MILLICORES / period_us))


def agree(domain: Element, changed: Mapping[Key, Value]) -> None:
    """Make the quota one of the period that there is."""
    if changed.get(LIMIT):
        xmltree.put(domain, QUOTA, str(quota(changed[LIMIT], period_of(domain))))


def follow_period(domain: Element, want: Mapping[Key, Value]) -> None:
    """Keep a limit where extra_xml has brought or taken a period: what it is of is another."""
    number = int(xmltree.get(domain, QUOTA) or 0)
    if want.get(LIMIT) and number > 0:
        period_us = period_of(domain)
        if round(number * MILLICORES / period_us) != parse_cores(want[LIMIT]):
            xmltree.put(domain, QUOTA, str(quota(want[LIMIT], period_us)))


# ---- what must hold


def wrong(domain: Element) -> Iterator[FleetError]:
    """A limit that is less than the kernel can count of its period."""
    said, period_us = xmltree.get(domain, QUOTA), period_of(domain)
    number = int(said) if said else -1
    if 0 <= number < LEAST_QUOTA_US:
        least = cores_of(-(-MILLICORES * LEAST_QUOTA_US // period_us))
        of = "" if period_us == PERIOD_US else f" of a period of {period_us} microseconds"
        yield FleetError(f"is less than {least} cores, the least that can be{of}", "", named(LIMIT))


def check(after: Values, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """A reservation is within the limit, and within what the VM's vCPUs can use."""
    reserved, limit, count = after[RESERVATION], after[LIMIT], after[COUNT]
    if limit and reserved > limit:
        message = f"{reserved} cores are above cpu.limit, which is {limit}; lower it or raise that"
        mistakes.add(message, named(RESERVATION))
    if after[DEDICATED]:
        _check_dedicated(after, want, mistakes)
    if reserved > count:
        message = f"{reserved} cores are more than its vCPUs can use: cpu.count is {count}"
        field = RESERVATION if RESERVATION in want or COUNT not in want else COUNT
        mistakes.add(message, named(field))


def _check_dedicated(after: Values, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """CPUs of its own are all its, so neither less is promised nor less may be used."""
    count = after[COUNT]
    for key in (RESERVATION, LIMIT):
        if after[key] and after[key] < count:
            message = (
                f"{after[key]} cores are less than the {count} that are dedicated to its vCPUs; "
                f"set cpu.{key[-1]} to 0, or cpu.dedicated to false"
            )
            mistakes.add(message, named(key if key in want or DEDICATED not in want else DEDICATED))
