# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes VMs from libvirt. What of their state goes along is what the plan says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...engine.changes import Lost
from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...host.connection import Host, found, libvirt, patiently, said
from .reader import power_state
from .seeded import seeds
from .states import CRASHED, PAUSED, RUNNING, SAVED


def end(host: Host, plan: Plan, shut_down: Callable[[Any, Plan], None]) -> None:
    """End what runs as the plan says, and leave the definition: it tells what is to go with it."""
    _end(host.conn.lookupByName(plan.wanted.name), plan, shut_down)


def remove(host: Host, plan: Plan, shut_down: Callable[[Any, Plan], None]) -> None:
    """End what runs as the plan says, then remove the definition."""
    dom = found(host.conn.lookupByName, plan.wanted.name, libvirt.VIR_ERR_NO_DOMAIN)
    if dom is None:
        return  # of one that is not persistent nothing is left when it has ended
    _end(dom, plan, shut_down)
    if seeds(plan):
        from .cloud_init import applier

        applier.remove(host, plan)
    if plan.have.facts["persistent"]:  # libvirt itself removes one that is not, when it ends
        patiently(lambda: dom.undefineFlags(_flags(host, plan)))


def _end(dom: Any, plan: Plan, shut_down: Callable[[Any, Plan], None]) -> None:
    state = power_state(dom)
    if state == PAUSED:
        dom.resume()
    elif state == SAVED and not _goes(plan, "saved_memory"):
        _wake(dom, plan)
        state = RUNNING
    if state in (RUNNING, PAUSED):
        shut_down(dom, plan)
    elif state == CRASHED and dom.isActive():
        dom.destroy()  # its guest is dead, and undefined it would stay as a transient VM


def _wake(dom: Any, plan: Plan) -> None:
    try:
        dom.createWithFlags(0)
        if power_state(dom) == PAUSED:  # so it was when it was saved
            dom.resume()
    except libvirt.libvirtError as error:
        raise FleetError(
            f"cannot be woken to be shut down in order: {said(error)}; with remove_storage its "
            f"saved memory goes too, and so it does by virsh managedsave-remove {dom.name()}",
            plan.resource,
            "state",
        ) from error


def _goes(plan: Plan, field: str) -> bool:
    return any(isinstance(change, Lost) and change.is_of(field) for change in plan.changes)


def _flags(host: Host, plan: Plan) -> int:
    """What libvirt is to take along: what the plan says, and what it only knows of images."""
    flags = libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    if _goes(plan, "saved_memory"):
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    if host.driver != "QEMU":
        return int(flags)
    flags |= libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    nvram_goes, tpm_goes = _goes(plan, "nvram"), _goes(plan, "tpm_state")
    keep, take = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM, libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    flags |= take if nvram_goes else keep
    if host.can_keep_tpm:
        keep, take = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_TPM, libvirt.VIR_DOMAIN_UNDEFINE_TPM
        flags |= take if tpm_goes else keep
    return int(flags)
