# SPDX-License-Identifier: GPL-3.0-or-later
"""Begins and ends exports as planned. Decides nothing.

What is about to be begun is noted first, and the note goes last, so that the next run knows of all
that a killed one has left.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...host.connection import Host, found, libvirt, patiently, said, wait_until
from ...host.writing import write_whole
from ..vm_backup.applier_files import FILE_MODE, make_folder
from ..vm_backup.checkpoints import remove_checkpoint
from .case import Case
from .facts import MARK, Mark, export_in
from .planned import Planned
from .told import bitmap_of

ABORT_TIMEOUT_S = 120.0


def export(host: Host, planned: Planned) -> None:
    """Do what is planned."""
    case = planned.case
    with host.errors(case.resource, "export it"), _files(case), _alone(case):
        dom = found(host.conn.lookupByName, case.wanted.vm, libvirt.VIR_ERR_NO_DOMAIN)
        if planned.ends and case.mark is not None:
            _end(case, dom, case.mark, planned.drops)
        if planned.disks:
            _begin(planned, dom)


@contextmanager
def _alone(case: Case) -> Iterator[None]:
    """No other run is at work there, nor was since the plan was made."""
    above = os.open(case.wanted.directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(above, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            message = f"another run is at work in {case.wanted.directory}; run again"
            raise FleetError(message, case.resource, "directory") from error
        if case.has_changed():
            message = "another run was at work here since the plan was made, and nothing was done"
            raise FleetError(f"{message}; run again", case.resource)
        yield
    finally:
        os.close(above)


@contextmanager
def _files(case: Case) -> Iterator[None]:
    """What the machine does not let be written, told as what could not be done."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FleetError):
            raise
        where = error.filename or case.wanted.folder
        message = f"cannot write {where}: {error.strerror or error}"
        raise FleetError(message, case.resource, "directory") from error


# ---- the end of one


def _end(case: Case, dom: Any, mark: Mark, drops: tuple[str, ...]) -> None:
    if dom is not None and dom.isActive():
        _end_job(case, dom)
        # A run may have been killed before it let the guest go on.
        if mark.quiesces and not mark.begun:
            with suppress(libvirt.libvirtError):
                dom.fsThaw()
    for name in drops:
        remove_checkpoint(dom, name, case.disks)
    folder = Path(case.wanted.folder)
    if mark.socket:
        _remove_socket(Path(mark.socket))
    for name in (*mark.files, f"{MARK}.new", MARK):
        (folder / Path(name).name).unlink(missing_ok=True)
    folder.rmdir()


def _end_job(case: Case, dom: Any) -> None:
    """libvirt removes what was kept of the guest itself."""
    if not _is_ours(case, dom):
        return
    with suppress(libvirt.libvirtError):  # it may have ended just now
        dom.abortJob()
    if not wait_until(lambda: not _is_ours(case, dom), ABORT_TIMEOUT_S):
        raise FleetError(
            f"libvirt does not end it within {ABORT_TIMEOUT_S:g} s; see virsh domjobinfo "
            f"{case.wanted.vm}, and run again",
            case.resource,
        )


def _is_ours(case: Case, dom: Any) -> bool:
    try:
        text = found(lambda _vm: dom.backupGetXMLDesc(0), "", libvirt.VIR_ERR_NO_DOMAIN_BACKUP)
    except libvirt.libvirtError:
        if dom.isActive():
            raise
        return False
    there = export_in(text or "")
    return there is not None and there.is_in(case.wanted.folder)


def _remove_socket(path: Path) -> None:
    """QEMU removes it by itself, unless it was killed."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


# ---- a new one


def _begin(planned: Planned, dom: Any) -> None:
    case = planned.case
    folder = Path(case.wanted.folder)
    mark = Mark(
        case.uuid,
        False,
        planned.quiesces,
        case.wanted.checkpoint,
        case.wanted.since,
        case.socket,
        tuple(_scratch(one.target) for one in planned.disks),
    )
    if mark.checkpoint in [one.getName() for one in dom.listAllCheckpoints(0)]:
        message = f"somebody made a checkpoint {mark.checkpoint} since the plan was made"
        raise FleetError(f"{message}; say another name", case.resource, "checkpoint")
    make_folder(folder)
    _note(folder, mark)
    try:
        _ask(planned, dom)
    except BaseException:
        # What is left is cleared by the next run.
        with suppress(FleetError, OSError, libvirt.libvirtError):
            _end(case, dom, mark, (mark.checkpoint,) if mark.checkpoint else ())
        raise
    _note(folder, mark._replace(begun=True))


def _note(folder: Path, mark: Mark) -> None:
    text = json.dumps(mark._asdict(), indent=1) + "\n"
    write_whole(folder / MARK, text.encode(), FILE_MODE)


def _scratch(target: str) -> str:
    return f"{target}.scratch"


def _ask(planned: Planned, dom: Any) -> None:
    """Where the guest's file systems are at rest, they are for this moment alone."""
    case = planned.case
    checkpoint = _checkpoint(planned) if case.wanted.checkpoint else None
    if planned.quiesces:
        dom.fsFreeze()
    try:
        patiently(lambda: dom.backupBegin(_definition(planned), checkpoint, 0))
    except libvirt.libvirtError as error:
        if case.socket and "socket" in said(error).lower():
            raise FleetError(
                f"QEMU cannot make the socket {case.socket}: {said(error)}; say one in a folder to "
                "which its user may write, and AppArmor or SELinux let it",
                case.resource,
                "socket",
            ) from error
        raise
    finally:
        if planned.quiesces:
            dom.fsThaw()


def _definition(planned: Planned) -> str:
    """What libvirt is asked for. Disks that are not named are left out."""
    case, wanted = planned.case, planned.case.wanted
    tree = xmltree.Element("domainbackup", {"mode": "pull"})
    server = {"transport": "unix", "socket": case.socket}
    if wanted.address:
        server = {"transport": "tcp", "name": wanted.address, "port": str(wanted.port)}
        server.update({"tls": "yes"} if wanted.tls else {})
    tree.append(xmltree.Element("server", server))
    above = xmltree.ensure(tree, "disks")
    exported = {one.target for one in planned.disks}
    for target in _targets(case):
        element = xmltree.Element("disk", {"name": target, "backup": "no"})
        if target in exported:
            _put(case, element, target)
        above.append(element)
    return xmltree.serialise(tree)


def _put(case: Case, element: xmltree.Element, target: str) -> None:
    since = case.wanted.since
    said_of = {"backup": "yes", "type": "file", "exportname": target}
    if since:
        bitmap = bitmap_of(target, since)
        said_of.update(backupmode="incremental", incremental=since, exportbitmap=bitmap)
    for name, value in said_of.items():
        element.set(name, value)
    xmltree.put(element, "driver/@type", "qcow2")
    xmltree.put(element, "scratch/@file", f"{case.wanted.folder}/{_scratch(target)}")


def _checkpoint(planned: Planned) -> str:
    tree = xmltree.Element("domaincheckpoint")
    xmltree.put(tree, "name", planned.case.wanted.checkpoint)
    above = xmltree.ensure(tree, "disks")
    for target in _targets(planned.case):
        how = "bitmap" if target in planned.tracked else "no"
        above.append(xmltree.Element("disk", {"name": target, "checkpoint": how}))
    return xmltree.serialise(tree)


def _targets(case: Case) -> list[str]:
    disks = xmltree.find_all(case.domain, "devices/disk")
    return [xmltree.get(disk, "target/@dev") or "" for disk in disks]
