# SPDX-License-Identifier: GPL-3.0-or-later
"""What hangs together in a domain: edited only where something changes that it hangs on.

Each file is about one concern. Beside its edits it has them as `CONSEQUENCES`, by which the plan
shows them and the engine accounts for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ....engine import xmltree
from ....engine.codecs import Value
from ....engine.hidden import revealed
from ....engine.keys import Key
from ....engine.xmltree import Element
from .. import cpu_time
from ..table import EXTRA_RECORD
from . import (
    channels,
    cpu,
    devices,
    disks,
    display,
    firmware,
    hotplug,
    machine,
    memory_backing,
    nics,
    numa,
    platform,
    ports,
    single,
)

CONSEQUENCES = (
    *machine.CONSEQUENCES,
    *cpu.CONSEQUENCES,
    *firmware.CONSEQUENCES,
    *display.CONSEQUENCES,
    *ports.CONSEQUENCES,
    *single.CONSEQUENCES,
    *disks.CONSEQUENCES,
    *nics.CONSEQUENCES,
    *channels.CONSEQUENCES,
    *numa.CONSEQUENCES,
    *devices.CONSEQUENCES,
    *hotplug.CONSEQUENCES,
    *memory_backing.CONSEQUENCES,
)


def agree(
    domain: Element,
    before: dict[Key, Value],
    changed: Mapping[Key, Value],
    want: Mapping[Key, Value],
) -> None:
    """Make what hangs on the changed values go with them, of all that are wanted."""
    machine.agree(domain, changed, str(before.get(("machine",)) or ""))
    before_disks = (cpu, numa, firmware, platform, display, single, devices)
    for concern in before_disks:
        concern.agree(domain, changed)
    ports.agree(domain, before, changed)
    disks.agree(domain, before, changed)
    channels.agree(domain, changed)
    is_locked = bool(want.get(memory_backing.LOCKED_KEY))
    memory_backing.agree(domain, changed, is_locked, _extra_of(domain, want))
    hotplug.agree(domain, before, changed)
    cpu_time.agree(domain, changed)
    nics.agree(domain, before, changed)


def agree_with_extra(domain: Element, want: Mapping[Key, Value]) -> None:
    """Make what hangs on extra_xml go with it, which has just been put in or taken out."""
    cpu_time.follow_period(domain, want)
    platform.agree_mode(domain)
    is_said = memory_backing.LOCKED_KEY in want
    memory_backing.agree_locked(domain, is_said, memory_backing.is_in(_recorded(domain)))


def _extra_of(domain: Element, want: Mapping[Key, Value]) -> str:
    said = want.get(("extra_xml",))
    return _recorded(domain) if said is None else str(revealed(said))


def _recorded(domain: Element) -> str:
    return xmltree.get(domain, EXTRA_RECORD) or ""
