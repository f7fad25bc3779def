# SPDX-License-Identifier: GPL-3.0-or-later
"""On which CPUs of the host the threads of a VM run: vCPUs, the emulator and I/O threads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...engine import xmltree
from ...engine.codecs import Codec, Value, pairs
from ...engine.cpu_lists import cpus_in, listed
from ...engine.errors import Mistakes
from ...engine.host import HostFacts
from ...engine.keys import Key, Values, named
from ...engine.xmltree import Element

VCPUS, EMULATOR, IOTHREADS = (
    ("cpu", "pinning", name) for name in ("vcpus", "emulator", "iothreads")
)
ALL = (VCPUS, EMULATOR, IOTHREADS)
MOST_CPUS = 16384  # what libvirt has place for (VIR_DOMAIN_CPUMASK_LEN)
_LIST = re.compile(r"\^?\d{1,5}(-\d{1,5})?(,\^?\d{1,5}(-\d{1,5})?)*")


def _cpu_list(given: Any) -> str:
    """The numbers, neighbours joined; of a list as of a text."""
    parts = [str(part) for part in given] if isinstance(given, list) else [str(given)]
    text = ",".join(parts).replace(" ", "")
    if not text:
        return ""
    cpus = cpus_in(text) if _LIST.fullmatch(text) else set()
    if not cpus:
        raise ValueError(f"{given!r} is no list of CPUs; write one such as 0-3,8")
    if max(cpus) >= MOST_CPUS:
        raise ValueError(f"{given!r} has a CPU above {MOST_CPUS - 1}")
    return listed(cpus)


def _read(found: str | None) -> str:
    return listed(cpus_in(found or ""))


def _number(given: Any) -> str:
    if not re.fullmatch(r"\d{1,6}", str(given)):
        raise ValueError(f"{given!r} is no number of a thread, which are counted from 0")
    return str(int(given))


def _of_threads(given: Any) -> dict[str, Value]:
    """Each thread has some CPUs: one that is to have none is left out."""
    said = _PAIRS.parse(given)
    none = [name for name, cpus in said.items() if not cpus]
    if none:
        raise ValueError(f"{', '.join(none)} has no CPUs; leave it out")
    return dict(said)


CPU_LIST = Codec(_cpu_list, _read, lambda value: value or None)
_PAIRS = pairs(_number, CPU_LIST)
OF_THREADS = Codec(_of_threads, _PAIRS.decode, _PAIRS.encode, _PAIRS.spec)


def iothreads_of(domain: Element) -> list[str]:
    """The numbers of the I/O threads that a VM has."""
    said = [str(one.get("id")) for one in domain.findall("iothreadids/iothread")]
    count = int(xmltree.get(domain, "iothreads") or 0)
    free = (str(number) for number in range(1, count + len(said) + 1) if str(number) not in said)
    return [*said, *(next(free) for _missing in range(count - len(said)))]


# ---- what must hold


def check(
    want: Mapping[Key, Value],
    stored: Values,
    host: HostFacts,
    mistakes: Mistakes,
) -> None:
    """The CPUs are there. What was so before is no mistake of a plan."""
    wanted: Values = {
        key: want[key] for key in ALL if want.get(key) and want[key] != stored.get(key)
    }
    there = host.cpus if wanted else []
    for key, value in wanted.items() if there else ():
        for name, cpus in value.items() if isinstance(value, dict) else (("", value),):
            beyond = cpus_in(cpus) - set(there)
            if beyond:
                field = named((*key, name) if name else key)
                message = f"the host has no CPU {listed(beyond)}; it has {listed(there)}"
                mistakes.add(message, field)
