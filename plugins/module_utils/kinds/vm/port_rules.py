# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports and screens beside the first: what must hold of them."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine.codecs import Value
from ...engine.errors import Mistakes
from ...engine.keys import PRESENT, Key, Values, named
from .port_rows import CONSOLES, FILE, SERIALS, UNIX
from .screen_rows import DISPLAYS, VIDEOS

PORTS = (SERIALS.name, CONSOLES.name)


def check_declared(key: Key, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """What shows without a host, of one that is wanted."""
    kind, path = want.get((*key, "type")), want.get((*key, "path"))
    if key[0] in PORTS and kind in (FILE, UNIX) and not path:
        mistakes.add(f"is needed for a port of type {kind}", named((*key, "path")))
    if key[0] == DISPLAYS.name and want.get((*key, "port")) == 0:
        mistakes.add("0 is no port; write -1 to have libvirt choose one", named((*key, "port")))


def check(after: Values, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """Screens and cards of lists are beside a first one."""
    beside = {DISPLAYS.name: ("graphics", "type"), VIDEOS.name: ("video",)}
    for key in [key for key in want if len(key) == 2 and key[0] in beside]:
        first = beside[key[0]]
        has_none = after.get(first) in (None, "none") or key not in after  # it would be the first
        if want[key] is PRESENT and has_none:
            message = f"is beside a first one, and {named(first)} is none; set that first"
            mistakes.add(message, named(key))
