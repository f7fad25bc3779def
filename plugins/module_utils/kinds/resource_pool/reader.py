# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads resource pools: unit files of slices, and what the kernel has of those that are active."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ...engine import xmltree
from ...engine.fields import Field
from ...engine.plan import Have
from ...engine.units import parse_size
from ...engine.xmltree import Element
from ...host import capacity
from ...host.connection import Host
from .naming import (
    PREFIX,
    SUFFIX,
    cgroup_of,
    path_of,
    unit_of,
)
from .paths import name_of
from .table import MANAGED, NAME_OF, PAGE, PLACES, PRESENT, ROWS, quota
from .unit import tree_of

KIND = "resource_pool"
SETTINGS = "etc/systemd/system"  # where ours are
# Where systemd looks for unit files, what counts first.
FILES = (SETTINGS, "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
# Where systemd has its tree of cgroups: version 2; both versions; version 1.
CGROUPS = ("sys/fs/cgroup", "sys/fs/cgroup/unified", "sys/fs/cgroup/systemd")
# What a page may take away from a size.
ROUNDING = 16 * PAGE
UNLIMITED = "max"


class Places(NamedTuple):
    """Where a machine has its files, and how systemd is called there."""

    root: str = "/"
    systemctl: tuple[str, ...] = ("systemctl",)
    held: capacity.Places = capacity.SYSTEM  # where it is seen to that promises hold

    def at(self, *path: str) -> Path:
        """A path below the root."""
        return Path(self.root, *path)

    def cgroup(self, pool: str) -> Path:
        """The directory of a pool's cgroup; there only while its slice is active."""
        there = (self.at(tree, cgroup_of(pool)) for tree in CGROUPS)
        return next((one for one in there if one.is_dir()), self.at(CGROUPS[0], cgroup_of(pool)))

    def unread(self, pool: str) -> Path:
        """What is there from before a unit file is written until systemd has read it."""
        return self.at("run/kvm-fleet/unread", unit_of(pool))


SYSTEM = Places()


def is_here(host: Host) -> bool:
    """Whether the VMs of this libvirt are in slices of the machine on which this runs."""
    return host.is_local and "socket=" not in host.uri and not host.state_folder


def read_pools(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    """The named pools (None: all), also those that are not there."""
    files = _unit_files(SYSTEM) if is_here(host) else {}
    there = {path_of(unit): file for unit, file in files.items() if unit_of(path_of(unit)) == unit}
    twins = {path_of(unit): str(file) for unit, file in files.items() if file not in there.values()}
    return {
        name: _have(SYSTEM, name, there[name], twins)
        if name in there
        else Have(KIND, name, facts=_of_none(SYSTEM, name, twins))
        for name in (there if names is None else names)
    }


def _unit_files(places: Places) -> dict[str, Path]:
    """The unit files of all slices below machine.slice, by their names."""
    found: dict[str, Path] = {}
    for folder in FILES:
        with suppress(OSError):
            for file in sorted(places.at(folder).glob(f"{PREFIX}*{SUFFIX}")):
                if path_of(file.name):
                    found.setdefault(file.name, file)
    return found


def _have(places: Places, name: str, file: Path, twins: dict[str, str]) -> Have:
    stored = tree_of(_text(file) or "", MANAGED)
    shadows = _shadows(places, name)
    facts: dict[str, Any] = {
        "state": PRESENT,
        "managed": xmltree.get(stored, "/".join(NAME_OF)) == name_of(name),
    }
    said = {
        "twin": twins.get(name),
        "shadowed": shadows,
        "unread": places.unread(name).exists(),
        "elsewhere": "" if file.parent == places.at(SETTINGS) else str(file),
        "masked": str(file.resolve()) == os.devnull,
    }
    facts.update({fact: value for fact, value in said.items() if value})
    return Have(KIND, name, stored, _live(places, name, stored, set(shadows)), facts)


def _of_none(places: Places, name: str, twins: dict[str, str]) -> dict[str, Any]:
    """What is there of a pool that is not: it counts once it comes."""
    said = {"twin": twins.get(name), "shadowed": _shadows(places, name)}
    return {fact: value for fact, value in said.items() if value}


def _text(file: Path) -> str | None:
    try:
        return file.read_bytes().decode(errors="surrogateescape")
    except OSError:
        return None


# ---- what others have said of a slice beside its file


def _shadows(places: Places, name: str) -> dict[str, list[str]]:
    """The options that a drop-in says, which counts more than the file; each with what it says, and
    the drop-in."""
    folders = capacity.drop_in_folders(places.root.rstrip("/"))
    said = capacity.said_beside(folders, unit_of(name))
    return {
        option: list(said[key])
        for option, (section, key) in PLACES.items()
        if section == "Slice" and key in said
    }


# ---- what the kernel has


def _live(places: Places, name: str, stored: Element, shadowed: set[str]) -> Element | None:
    """What an active slice has; where the kernel does not tell, or should not, as it is stored."""
    group = places.cgroup(name)
    if not group.is_dir():
        return None
    live = Element("unit", {"populated": "yes" if is_populated(group) else "no"})
    live.set("memory", (_text(group / "memory.current") or "0").strip())
    for row in ROWS:
        place = PLACES[row.name]
        if place[0] != "Slice":
            continue
        said = xmltree.get(stored, "/".join(place))
        has = said if row.name in shadowed else _has(group, place[1], said)
        if has is not None:
            xmltree.put(live, "/".join(place), has)
    return live


def is_behind(places: Places, name: str) -> bool:
    """Whether an active slice has something else than its unit file says."""
    stored = tree_of(_text(places.at(SETTINGS, unit_of(name))) or "", MANAGED)
    live = _live(places, name, stored, set(_shadows(places, name)))
    places_of = ["/".join(PLACES[row.name]) for row in ROWS if PLACES[row.name][0] == "Slice"]
    return live is not None and any(
        xmltree.get(live, one) != xmltree.get(stored, one) for one in places_of
    )


def is_populated(group: Path) -> bool:
    """Whether there is a process in a cgroup, or in one below it."""
    events = _text(group / "cgroup.events")
    if events is not None:
        return "populated 1" in events
    return any(_text(file) for file in group.glob("**/cgroup.procs"))


def _has(group: Path, key: str, said: str | None) -> str | None:
    """What the kernel has of a setting, in the words of the file where it says so there."""
    if key == "CPUWeight":
        return said  # the hook makes it what the reservations need
    if key == "CPUQuota":
        return _quota(_text(group / "cpu.max"), said)
    found = _text(group / f"memory.{key[len('Memory') :].lower()}")
    if found is None or not re.fullmatch(r"max|\d+", found.strip()):
        return said
    return _size(found.strip(), key, said)


def _quota(found: str | None, said: str | None) -> str | None:
    match = re.match(r"(max|\d+) (\d+)", found or "")
    if not match:
        return said
    codec = quota()
    has = 0 if match[1] == UNLIMITED else codec.parse(round(int(match[1]) / int(match[2]), 3))
    return said if has == codec.decode(said) else codec.encode(has)


def _size(has: str, key: str, said: str | None) -> str | None:
    fields = (row for row in ROWS if isinstance(row, Field))
    row = next(row for row in fields if PLACES[row.name][1] == key)
    stored = row.codec.decode(said)
    nothing = UNLIMITED if key == "MemoryMax" else "0"
    try:
        wanted = parse_size(stored) if stored != "0B" else None
    except ValueError:
        return said  # a percentage, say
    if wanted is None or has == UNLIMITED:
        is_so = has == nothing and wanted is None
    else:
        is_so = 0 <= wanted - int(has) < ROUNDING
    # Of what is guaranteed more may be: the hook adds up what is promised within.
    is_so = is_so or (key == "MemoryMin" and (has == UNLIMITED or int(has) >= (wanted or 0)))
    return said if is_so else None if has == nothing else "infinity" if has == UNLIMITED else has
