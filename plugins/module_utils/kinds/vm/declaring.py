# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM as one would declare it: what its options say, without what would be so anyway."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...engine.codecs import Value
from ...engine.fields import Field, rows_by_key
from ...engine.host import HostFacts
from ...engine.keys import PRESENT, UNION, Key, Values, is_within, named
from ...engine.plan import Have
from . import told
from .definition import domain_values
from .derived import derived_mac
from .numa_placement import NONE as NO_PLACEMENT
from .resolve import DEFAULTS, resolve_devices
from .seeded import CLOUD_INIT, CONTENT, HIDDEN_PARTS
from .states import RUNNING
from .table import AGENT_CHANNEL, LISTS, ROWS

# Options of what a VM is promised, and where it is.
PROMISED = ("cpu", "memory", "numa", "resource_pool")
PLACEMENT = ("numa", "placement")
# What a new VM has though no plan says so.
OF_NEW = {("features", "acpi"): True, ("features", "apic"): True}
# What a new device has where nothing is said.
OF_DEVICES = {
    ("disks", "bus"): "virtio",
    ("cdroms", "bus"): "sata",
    ("cdroms", UNION): {"file": ""},
    ("nics", "model"): "virtio",
}


def declaration(have: Have, host: HostFacts) -> dict[str, Any]:
    """What one would declare to have this VM.

    Things in lists are in the order in which it has them: by that a new VM boots from the first
    disk, and calls its NICs, as this one does.
    """
    values = domain_values(have.definition)
    kept = {k: v for k, v in values.items() if not _goes_without_saying(k, v, values)}
    kept.update(_unlike_new_ones(kept, values))
    if _placed_in_words_of_others(values):
        kept = {k: v for k, v in kept.items() if not is_within(k, PLACEMENT)}
    if kept.get(("virt_type",)) == host.best_virt_type:
        del kept[("virt_type",)]
    options = {"name": have.name, **told.options(kept)}
    if have.facts.get("state") == RUNNING:
        options["state"] = RUNNING
    if have.facts.get("autostart"):
        options["autostart"] = True
    _say_agent(options)
    if CLOUD_INIT in options:
        _say_seed(options)
    _name_nics(have.name, options.get("nics", []))
    for name in LISTS:
        things = options.pop(name, [])
        if things:
            options[name] = things
    return options


def unsaid(have: Have) -> list[str]:
    """What of the CPU time, memory and nodes of a VM no option can say: left out, it is less than
    what was promised. And of its seed, which nobody has."""
    values = domain_values(have.definition)
    found = told.unsaid({k: v for k, v in values.items() if k[0] in PROMISED})
    is_placed = any(one.startswith(named(PLACEMENT)) for one in found)
    if _placed_in_words_of_others(values) and not is_placed:
        found.append(f"{named(PLACEMENT)} (by the host's advice)")
    if any((CLOUD_INIT, part) in values for part in HIDDEN_PARTS):
        found.append(f"{CLOUD_INIT} (of which nobody keeps what is not shown)")
    return found


def _placed_in_words_of_others(values: Values) -> bool:
    """Whether nodes or a mode alone would say another placement: a mode that is no option's, or
    nodes that are chosen at the start."""
    mode, nodes = (values.get((*PLACEMENT, part)) for part in ("mode", "nodes"))
    return not told.says((*PLACEMENT, "mode"), mode) or (mode != NO_PLACEMENT and not nodes)


def _goes_without_saying(key: Key, value: Value, values: Values) -> bool:
    if value is PRESENT:
        return False
    if key in DEFAULTS:
        return bool(value == DEFAULTS[key])
    if key in OF_NEW:
        return bool(value == OF_NEW[key])
    of_device = (key[0], key[-1])
    if len(key) == 3 and of_device in OF_DEVICES:
        return bool(value == OF_DEVICES[of_device])
    if key in (("cpu", "maximum"), ("memory", "maximum")):
        return bool(value == values[(key[0], "count" if key[0] == "cpu" else "size")])
    row = rows_by_key(ROWS, key)
    return isinstance(row, Field) and bool(value == row.codec.decode(None))


def _unlike_new_ones(kept: Values, values: Values) -> Values:
    """What libvirt's words leave unsaid of devices, and new ones would have otherwise."""
    new = dict(kept)
    resolve_devices(new, {})
    return {
        key: values[key]
        for key in new
        if key not in kept and values.get(key) is not None and values[key] != new[key]
    }


def _say_agent(options: dict[str, Any]) -> None:
    """The agent's channel is an option of its own."""
    channels = options.get("channels", [])
    others = [channel for channel in channels if channel["name"] != AGENT_CHANNEL]
    if len(others) < len(channels):
        options.update(channels=others, agent=True)


def _say_seed(options: dict[str, Any]) -> None:
    """A seed is declared as a whole or not at all; what it became is no part of it."""
    seed = options.pop(CLOUD_INIT)
    if not any(part in seed for part in HIDDEN_PARTS):
        said = {part: seed[part] for part in (*CONTENT, "detach") if part in seed}
        for nic in said.get("nics", ()):
            nic.pop("mac", None)
        options[CLOUD_INIT] = said


def _name_nics(vm: str, nics: list[dict[str, Any]]) -> None:
    """Name NICs that others made after what they are on; they are found by their MAC address."""
    taken = {nic["name"] for nic in nics}
    for nic in nics:
        if ":" in nic["name"] and "#" not in nic["name"]:
            device = nic.get("direct", {}).get("dev")
            stands_on = nic.get("vswitch") or nic.get("bridge") or device or "nic"
            nic["name"] = _free(re.sub("[^A-Za-z0-9_-]+", "-", stands_on), taken)
            taken.add(nic["name"])
        elif nic.get("mac") == derived_mac(vm, nic["name"]):
            del nic["mac"]


def _free(name: str, taken: Iterable[str]) -> str:
    names = [name, *(f"{name}-{number}" for number in range(2, len(list(taken)) + 2))]
    return next(one for one in names if one not in taken)
