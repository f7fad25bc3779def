# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans for exports ask of a host beside what backups do, and what the answers say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from ...engine import xmltree
from ...engine.facts import Facts

MARK = "export.json"  # what the export is, while its folder is there


class Mark(NamedTuple):
    """What a run noted of the export that it was about to begin."""

    uuid: str = ""  # of the VM
    begun: bool = False  # whether it was told to the one who asked for it
    quiesces: bool = False
    checkpoint: str = ""
    since: str = ""
    socket: str = ""
    files: tuple[str, ...] = ()

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Mark:
        """As it is in a file."""
        known = {name: said[name] for name in cls._fields if name in said}
        return cls(**{**known, "files": tuple(known.get("files", ()))})


class Place(NamedTuple):
    """What is there of an export."""

    exists: bool  # the folder above
    file: str = ""  # what is no folder and stands where one has to be
    read_only: bool = False
    mark: Mark | None = None  # None where there is no folder of an export
    broken: str = ""  # why what is noted cannot be read
    others: tuple[str, ...] = ()  # files that are of no export


class ExportedDisk(NamedTuple):
    """One disk as libvirt exports it."""

    target: str
    name: str
    bitmap: str
    since: str
    scratch: str


class Export(NamedTuple):
    """What libvirt exports of a VM: one moment of its disks."""

    socket: str
    address: str
    port: int
    tls: bool
    disks: tuple[ExportedDisk, ...]

    def is_in(self, folder: str) -> bool:
        """Whether all that the guest overwrites is kept in a folder."""
        return bool(self.disks) and all(one.scratch.startswith(f"{folder}/") for one in self.disks)


def export_in(text: str) -> Export | None:
    """What libvirt says of the backup of a VM; None where it exports nothing."""
    if not text:
        return None
    tree = xmltree.parse(text)
    server = tree.find("server")
    if tree.get("mode") != "pull" or server is None:
        return None
    disks = [_disk(one) for one in tree.findall("disks/disk[@backup='yes']")]
    return Export(
        server.get("socket", ""),
        server.get("name", ""),
        int(server.get("port") or 0),
        server.get("tls") == "yes",
        tuple(disks),
    )


def _disk(disk: xmltree.Element) -> ExportedDisk:
    target = disk.get("name", "")
    return ExportedDisk(
        target,
        disk.get("exportname") or target,
        disk.get("exportbitmap", ""),
        disk.get("incremental", ""),
        xmltree.get(disk, "scratch/@file") or "",
    )


def uri_of(export: Export, name: str = "") -> str:
    """Where a program reads one disk, or where all of them are."""
    if export.socket:
        return f"nbd+unix:///{quote(name)}?socket={quote(export.socket)}"
    address = f"[{export.address}]" if ":" in export.address else export.address
    path = f"/{quote(name)}" if name else ""
    return f"{'nbds' if export.tls else 'nbd'}://{address}:{export.port}{path}"


class ExportFacts:
    """What a host tells of exports."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def place(self, directory: str, vm: str) -> Place:
        """What is there of the export of a VM."""
        told = dict(self.facts.ask("exported", directory, vm, unknown={"exists": True}))
        mark = told.pop("mark", None)
        told["others"] = tuple(told.get("others", ()))
        return Place(**told, mark=None if mark is None else Mark.of(mark))

    def own_folder(self, vm: str) -> str:
        """The folder that libvirt has for a VM as long as it runs; empty where it is not found."""
        return str(self.facts.ask("own_folder", vm, unknown=""))

    def why_not_bound(self, address: str, port: int) -> str:
        """Why nobody can begin to listen there; empty where one can."""
        return str(self.facts.ask("why_not_bound", address, str(port), unknown=""))

    def lacks_certificates(self) -> str:
        """The file that TLS for backups needs and that is not there; empty where all are."""
        return str(self.facts.ask("lacks_certificates", unknown=""))
