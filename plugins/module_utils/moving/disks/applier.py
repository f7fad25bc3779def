# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a disk into its pool as it is planned, or ends what an interrupted run began. Decides
nothing."""

from __future__ import annotations

import time
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...host.connection import Host, libvirt
from ...kinds.vm import noted_vlans
from ...kinds.vm.reader import power_state
from .applier_end import clear, end
from .applier_job import Job
from .planned import Planned


def move_disk(host: Host, planned: Planned) -> dict[str, Any]:
    """Do what is planned of a disk. What it took, where it was copied."""
    job = Job(host, planned)
    with host.errors(job.resource, "find the VM"):
        dom = host.conn.lookupByName(planned.move.wanted.vm)
        _check_as_planned(job, dom)
    if planned.ends is not None:
        end(job, dom, planned.ends)
    if planned.clears is not None:
        clear(job, dom, planned.clears)
    if planned.fate is None:
        return {}
    began = time.monotonic()
    if planned.move.is_live:
        from .applier_live import copy_live

        copied = copy_live(job, dom)
    else:
        from .applier_offline import copy_offline

        copied = copy_offline(job, dom)
    end(job, dom, job.note)
    took = round((time.monotonic() - began) * 1000)
    told = {"mode": planned.mode, "total_ms": took, "copied_bytes": copied}
    return {**told, "progress": job.progress} if job.progress else told


def _check_as_planned(job: Job, dom: Any) -> None:
    """A definition that changed since the plan was made is not overwritten."""
    move = job.planned.move
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    now = noted_vlans.parse(dom.XMLDesc(flags))
    if not xmltree.same(now, move.have.definition) or bool(dom.isActive()) != move.is_live:
        raise FleetError(
            f"was changed by somebody else since the plan was made (it is {power_state(dom)}); run "
            "again",
            job.resource,
        )
