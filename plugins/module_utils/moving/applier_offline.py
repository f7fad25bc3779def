# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves a VM that does not run: what is kept of it beside its disks, these, then its definition.

libvirt's own offline migration carries the definition alone, deletes the TPM's state, and takes a
VM that runs: then it is defined on both hosts. So it is not used.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..engine import xmltree
from ..engine.errors import FleetError
from ..host.connection import libvirt, patiently
from ..kinds.vm.reader import power_state
from ..kinds.vm.states import CRASHED, SAVED, STOPPED
from . import applier_notes
from .applier_disks import volumes_for
from .applier_job import Job
from .applier_memory import carried_memory
from .applier_state import carried_state
from .applier_streams import copy_disk
from .mapped import definition_there
from .notes import ARRIVED, noted


def move_offline(job: Job) -> dict[str, Any]:
    """Bring a VM that does not run to the target. What it took."""
    dom = job.source.conn.lookupByName(job.name)
    began = time.monotonic()
    with job.source.errors(job.resource, "prepare the move"):
        _check_off(job, dom)
        applier_notes.write(dom, job.note)
    # The state first: it is small, and what is in its way is told before disks are copied.
    with (
        _settled(dom),
        volumes_for(job, {}, empty=True) as check_own,
        carried_state(job) as state,
        carried_memory(job) as memory,
    ):
        disks = {fate.name: copy_disk(job, fate) for fate in job.copied}
        check_own()
        _check_off(job, dom)
        _define(job, dom)
    return {
        "mode": "offline",
        "total_ms": round((time.monotonic() - began) * 1000),
        "disks": {"transferred_bytes": sum(disks.values()), "by_disk": disks},
        "state_bytes": state,
        **({"memory": {"transferred_bytes": memory}} if job.move.saved else {}),
        "notes": [],
    }


def _check_off(job: Job, dom: Any) -> None:
    """Somebody may have started it since the plan was made: what was copied is old then."""
    state = power_state(dom)
    as_planned = (SAVED,) if job.move.saved else (STOPPED, CRASHED)
    if state not in as_planned or dom.isActive():
        how = "saved" if job.move.saved else "off"
        raise FleetError(
            f"is {state} by now, and was to be moved while it is {how}; it was not moved, run "
            "again",
            job.resource,
        )


def _define(job: Job, dom: Any) -> None:
    flags = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_MIGRATABLE
    stored = xmltree.parse(dom.XMLDesc(flags | libvirt.VIR_DOMAIN_XML_INACTIVE))
    tree = definition_there(job.move, job.fates, stored)
    text = xmltree.serialise(noted(tree, job.note._replace(progress=ARRIVED)))
    with job.target.errors(job.resource, f"define it at {job.move.target.name}"):
        patiently(lambda: job.target.conn.defineXMLFlags(text, 0))


@contextmanager
def _settled(dom: Any) -> Iterator[None]:
    """After a failure nothing says any more that the VM moves."""
    try:
        yield
    except BaseException:
        with suppress(libvirt.libvirtError):
            applier_notes.take_away(dom)
        raise
