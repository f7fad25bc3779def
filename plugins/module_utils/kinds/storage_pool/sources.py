# SPDX-License-Identifier: GPL-3.0-or-later
"""What only one pool of a host can stand on: libvirt refuses a second one, but only at its define.

By virStoragePoolObjSourceFindDuplicate of libvirt 9.0 and 11.3, but for the folder of a mount, in
which it sees no harm, and a virtual adapter of which only the kernel knows the one below it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ...engine.keys import Key, named, parent
from ...engine.xmltree import Element
from .table import values_in

PATH, DEVICES = ("path",), ("source", "devices")
DEVICE, EXPORT = ("source", "device"), ("source", "path")
# "host5" is how libvirt before 1.2 called what it calls "scsi_host5", and it takes either.
_ADAPTER = re.compile(r"(?:scsi_|fc_)?host0*(\d+)")


# A device, folder, target or adapter, and what else tells it from others of this name.
What = tuple[str, str, str]


class Stand(NamedTuple):
    """What a pool stands on, each with the option that says it."""

    alone: Mapping[What, str]
    # An adapter that it shares with others that go through it, but with none that has it alone.
    through: Mapping[What, str]


NOWHERE = Stand({}, {})


def stand_of(pool: Element | None) -> Stand:
    """What a pool stands on by its definition; nothing where there is none."""
    if pool is None:
        return NOWHERE
    kind, values = pool.get("type", ""), values_in(pool)
    if kind == "scsi":
        return _on_adapter(pool)
    found: dict[What, Key] = {
        ("device", key[-1], ""): DEVICES for key in values if parent(key) == DEVICES
    }
    if kind in ("fs", "disk"):
        found[("device", str(values[DEVICE]), "")] = DEVICE
    if kind in ("dir", "fs", "netfs"):
        found[("folder", str(values[PATH]), "")] = PATH
    hosts = pool.findall("source/host")
    if kind == "netfs" and len(hosts) == 1:  # libvirt compares no pool that has several
        server = f"{hosts[0].get('name')}:{hosts[0].get('port', '')}"
        found[("export", str(values[EXPORT]), server)] = EXPORT
    if kind == "iscsi":
        # Whatever the server: libvirt knows a target by its name, and by who logs in.
        initiator = pool.find("source/initiator/iqn")
        as_whom = "" if initiator is None else initiator.get("name", "")
        found[("target", str(values[DEVICE]), as_whom)] = DEVICE
    if kind == "mpath":
        found[("devices", "mpath", "")] = ("type",)
    return Stand({what: named(key) for what, key in found.items() if what[1]}, {})


def shared(mine: Stand, other: Stand) -> tuple[str, str] | None:
    """The option of the first pool that names what the other one has, and what it is."""
    both = {
        **{what: option for what, option in mine.alone.items() if what in other.through},
        **{what: option for what, option in mine.through.items() if what in other.alone},
        **{what: option for what, option in mine.alone.items() if what in other.alone},
    }
    return min(((option, what[1]) for what, option in both.items()), default=None)


def _on_adapter(pool: Element) -> Stand:
    adapter = pool.find("source/adapter")
    if adapter is None:
        return NOWHERE
    if adapter.get("type") == "fc_host":
        port = ("port", adapter.get("wwpn", ""), adapter.get("wwnn", ""))
        below = _numbered(adapter.get("parent", ""), "source.adapter.parent")
        return Stand({port: "source.adapter.wwpn"}, below)
    return Stand(_numbered(adapter.get("name", ""), "source.adapter.name"), {})


def _numbered(name: str, option: str) -> Mapping[What, str]:
    found = _ADAPTER.fullmatch(name)
    return {("adapter", f"host{found[1]}", ""): option} if found else {}
