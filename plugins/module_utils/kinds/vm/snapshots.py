# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshots of a VM that libvirt keeps a record of, and which images they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ...engine import xmltree
from ...engine.codecs import prose
from ...engine.fields import Written
from ...engine.host import HostFacts
from ...engine.xmltree import Element

DESCRIPTION = Written("description", "description", prose())


@dataclass(frozen=True)
class Snapshot:
    """One snapshot; disks are known by their targets."""

    name: str
    state: str
    parent: str = ""
    current: bool = False
    created: int = 0  # seconds since 1970
    internal: frozenset[str] = frozenset()  # disks whose image holds it
    overlays: Mapping[str, str] = field(default_factory=dict)  # what a disk wrote to from then on
    bases: Mapping[str, str] = field(default_factory=dict)  # what it had written to until then
    memory: str = ""  # where the memory is: internal, external; empty without it
    memory_file: str = ""
    description: str = ""  # Prose
    half_merged: frozenset[str] = frozenset()  # disks into whose image an interrupted merge goes

    @property
    def is_external(self) -> bool:
        """Whether what is written after it goes to other files."""
        return bool(self.overlays) or self.memory == "external"

    @property
    def taken(self) -> str:
        """When it was taken; empty of one that is yet to be."""
        if not self.created:
            return ""
        return datetime.fromtimestamp(self.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def result(self) -> dict[str, Any]:
        """The snapshot as a module tells it."""
        return {
            "name": self.name,
            "description": str(self.description),  # Ansible takes no type of our own
            "state": self.state,
            "disk_only": self.state == "disk-snapshot",
            "internal": bool(self.internal),
            "format": "external" if self.is_external else "internal",
            "memory": bool(self.memory),
            "memory_file": self.memory_file,
            "disks": {
                target: self.overlays.get(target, "")
                for target in sorted({*self.internal, *self.overlays})
            },
            "current": self.current,
            "parent": self.parent,
            "created": self.taken,
        }


def snapshots_of(host: HostFacts, vm: str) -> list[Snapshot]:
    """The snapshots of a VM, the oldest first; none of one that is not there."""
    return in_order(host.snapshots(vm))


def in_order(records: Iterable[tuple[str, bool]]) -> list[Snapshot]:
    """What libvirt's records tell, the oldest snapshot first."""
    listed = [snapshot_in(xmltree.parse(text), current) for text, current in records]
    return sorted(listed, key=lambda one: (one.created, one.name))


def snapshot_in(tree: Element, current: bool) -> Snapshot:
    """What libvirt writes of a snapshot (https://libvirt.org/formatsnapshot.html)."""
    disks = xmltree.find_all(tree, "disks/disk")
    told = {disk.get("name", ""): (disk.get("snapshot"), _source(disk)) for disk in disks}
    definition = tree.find("inactiveDomain")
    definition = tree.find("domain") if definition is None else definition
    before = [] if definition is None else xmltree.find_all(definition, "devices/disk")
    bases = {xmltree.get(disk, "target/@dev") or "": _source(disk) for disk in before}
    memory = xmltree.get(tree, "memory/@snapshot") or ""
    return Snapshot(
        xmltree.get(tree, "name") or "",
        xmltree.get(tree, "state") or "",
        xmltree.get(tree, "parent/name") or "",
        current,
        int(xmltree.get(tree, "creationTime") or 0),
        frozenset(target for target, (kind, _path) in told.items() if kind == "internal"),
        {target: path for target, (kind, path) in told.items() if kind == "external" and path},
        {target: path for target, path in bases.items() if path},
        "" if memory == "no" else memory,
        xmltree.get(tree, "memory/@file") or "",
        DESCRIPTION.codec.decode(DESCRIPTION.found_in(tree)),
        frozenset(
            disk.get("name", "")
            for disk in disks
            if disk.find("snapshotDeleteInProgress") is not None
        ),
    )


def snapshots_with(host: HostFacts, vm: str, path: str) -> list[str]:
    """The snapshots of a VM that have the file at a path in one of its drives: without the file it
    can neither run from there nor be started."""
    return sorted(name for name, files in files_of_snapshots(host, vm) if path in files)


def files_of_snapshots(host: HostFacts, vm: str) -> Iterator[tuple[str, set[str]]]:
    """Each snapshot of a VM, with the files that its disks and drives have there."""
    for text, _is_current in host.snapshots(vm):
        tree = xmltree.parse(text)
        definitions = (tree.find(name) for name in ("domain", "inactiveDomain"))
        files = {
            xmltree.get(disk, "source/@file")
            for one in definitions
            if one is not None
            for disk in one.findall("devices/disk")
        }
        yield xmltree.get(tree, "name") or "", {file for file in files if file}


def has_disk(domain: Element, path: str) -> bool:
    """Whether a definition has the file at a path as a disk or a medium."""
    disks = domain.findall("devices/disk")
    return any(xmltree.get(disk, "source/@file") == path for disk in disks)


def _source(disk: Element) -> str:
    source = disk.find("source")
    return "" if source is None else source.get("file") or source.get("dev") or ""
