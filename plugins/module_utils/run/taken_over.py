# SPDX-License-Identifier: GPL-3.0-or-later
"""What others made a template of and no new VM can be declared with: it is left out, or renamed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..kinds.vm.table import LISTS

# What a device stands on; one that has none of these stands on what no option says.
STANDS_ON = {
    "disks": ("file", "device", "pool", "network", "nvme"),
    "nics": ("vswitch", "bridge", "direct"),
    "shared_folders": ("path",),
    "serials": ("type",),
    "consoles": ("type",),
}
CHANNELS = "channels"
# Of several that are alike, as they are told.
ALIKE = re.compile(r"#\d+$")


def possible(template: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A template's options as a new VM can have them, and what it cannot."""
    options, left = dict(template), list[str]()
    for name in LISTS:
        if name in options:
            options[name], gone = _listed(name, options[name])
            left += gone
    serial = options.get("serial") or {}
    if serial.get("path") and not serial.get("type"):  # of a type that is no option's
        del options["serial"]
        left.append("serial")
    pinning = (options.get("cpu") or {}).get("pinning") or {}
    if "iothreads" in pinning:  # which no option makes
        kept = {name: value for name, value in pinning.items() if name != "iothreads"}
        options["cpu"] = {**options["cpu"], "pinning": kept}
        left.append("cpu.pinning.iothreads")
    return options, left


def _listed(of: str, things: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    kept: list[dict[str, Any]] = []
    left = []
    for thing in things:
        name = _free(of, str(thing["name"]), {str(one["name"]) for one in (*things, *kept)})
        needs = STANDS_ON.get(of)
        if not name or (needs and not any(thing.get(option) for option in needs)):
            left.append(f"{of}.{thing['name']}")
        else:
            kept.append({**thing, "name": name})
    return kept, left


def _free(of: str, name: str, taken: set[str]) -> str:
    """A name that a new thing can have; none for a channel, which is known to guests by it."""
    if not ALIKE.search(name):
        return name
    if of == CHANNELS:
        first, _hash, number = name.rpartition("#")
        return first if number == "1" else ""
    new = re.sub("[^A-Za-z0-9_-]+", "-", name)
    return new if new not in taken else f"{new}-of-template"
