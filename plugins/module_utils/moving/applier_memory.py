# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries the memory of a VM that is saved: libvirt's image of it, with the definition inside.

libvirt has no call for that. It restores whatever is in the file by the VM's name, but only counts
a VM as saved that it saved itself, or of which it found the file when it began
(qemuDomainManagedSaveLoad). So something stands in for the VM there, without any devices: it is
started, paused, and saved, and its image gives way to that of the VM. Neither opens a disk.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..engine import xmltree
from ..engine.errors import FleetError
from ..engine.xmltree import Element
from ..host.connection import libvirt, patiently
from ..kinds.storage_volume.reader import look_up_volume
from ..kinds.vm.state_files import saved_memory_of
from .applier_clear import clear_target
from .applier_folders import empty_file, folder
from .applier_job import Job
from .applier_state import in_the_way
from .applier_streams import pipe
from .mapped import definition_there
from .notes import noted

# What QEMU's largest firmware needs; the rest is never touched, and takes no room.
STAND_IN_MIB = 256
SECURE = libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE if libvirt else 0


@contextmanager
def carried_memory(job: Job) -> Iterator[int]:
    """The saved memory of a VM at the target too, and a stand-in of the VM that has it there.

    The bytes that went over. What fails in the block, or in carrying, leaves neither behind.
    """
    if not job.move.saved:
        yield 0
        return
    _check_free(job)
    try:
        dom = _stood_in(job)
        moved = _carried(job)
        _put_definition(job, dom)
        yield moved
    except BaseException:
        with suppress(FleetError, libvirt.libvirtError):
            clear_target(job)
        raise


def _place(job: Job) -> tuple[str, str]:
    """Folder and name of the image at the target."""
    file = saved_memory_of(job.move.target.host, job.move.have.definition)
    return posixpath.split(file.path)


def _check_free(job: Job) -> None:
    """Whatever is there is of another VM, or that of this one, in a folder of both hosts."""
    path, name = _place(job)
    with folder(job, job.target, path, make=True) as there:
        if look_up_volume(there, name) is not None:
            raise in_the_way(job, f"{path}/{name}")


def _stood_in(job: Job) -> Any:
    """What counts as saved at the target under the name of the VM."""
    text = xmltree.serialise(noted(stand_in(job.move.have.definition), job.note))
    flags = libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_AUTODESTROY
    doing = f"have something saved at {job.move.target.name} that stands in for it"
    with job.target.errors(job.resource, doing):
        dom = patiently(lambda: job.target.conn.defineXMLFlags(text, 0))
        dom.createWithFlags(flags)
        dom.managedSave(libvirt.VIR_DOMAIN_SAVE_PAUSED)
    return dom


def stand_in(definition: Element) -> Element:
    """A VM of the same name, UUID and machine, and with nothing else."""
    made = xmltree.Element("domain", {"type": definition.get("type", "kvm")})
    for path in ("name", "uuid"):
        xmltree.put(made, path, xmltree.get(definition, path))
    xmltree.put(made, "memory", str(STAND_IN_MIB))
    xmltree.put(made, "memory/@unit", "MiB")
    for path in ("os/type", "os/type/@arch", "os/type/@machine", "devices/emulator"):
        xmltree.put(made, path, xmltree.get(definition, path))
    xmltree.put(made, "devices/memballoon/@model", "none")
    return made


def _carried(job: Job) -> int:
    """Put the image of the VM in the place of the other one."""
    path, name = _place(job)
    file = saved_memory_of(job.move.source.host, job.move.have.definition)
    path_here, name_here = posixpath.split(file.path)
    with folder(job, job.source, path_here) as here, folder(job, job.target, path) as there:
        image = None if here is None else look_up_volume(here, name_here)
        if image is None:
            raise FleetError(
                f"is saved, and {file.path} is not at {job.move.source.name}; see where its "
                "memory is, or give it up (virsh managedsave-remove)",
                job.resource,
            )
        with job.target.errors(job.resource, f"carry its saved memory to {path}/{name}"):
            look_up_volume(there, name).delete(0)
            return pipe(job.source, image, job.target, empty_file(there, name, image))


def _put_definition(job: Job, dom: Any) -> None:
    """Have the image name what the VM has at the target. It also shows that libvirt can read it."""
    with job.target.errors(job.resource, "read its saved memory, and name in it what it has there"):
        inside = xmltree.parse(dom.managedSaveGetXMLDesc(SECURE))
        there = definition_there(job.move, job.fates, inside)
        if xmltree.serialise(there) != xmltree.serialise(inside):
            dom.managedSaveDefineXML(xmltree.serialise(there), 0)
