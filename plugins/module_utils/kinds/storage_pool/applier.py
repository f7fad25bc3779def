# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes storage pools in libvirt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import CREATE, Plan
from ...host.connection import Host, found, libvirt, patiently, said, wait_until
from .meanings import can_be_built, has_no_copy_on_write, is_there, meaning_of
from .zfs import is_in_zfs

# How long to wait for another run that is starting the same pool.
OTHER_RUN_TIMEOUT_S = 5.0


def apply_pool(host: Host, plan: Plan, steps: Sequence[str]) -> None:
    """Take the steps in their order. A pool that cannot be made to the end leaves no definition."""
    try:
        for step in steps:
            STEPS[step](host, plan)
    except (FleetError, libvirt.libvirtError):
        if plan.action == CREATE:
            _forget(host, plan.wanted.name)
        raise


def _forget(host: Host, name: str) -> None:
    try:
        pool = found(host.conn.storagePoolLookupByName, name, libvirt.VIR_ERR_NO_STORAGE_POOL)
        if pool is not None and not pool.isActive():  # else another run has brought it up
            pool.undefine()
    except libvirt.libvirtError:
        pass  # the error that led here says more


def _define(host: Host, plan: Plan) -> None:
    text = xmltree.serialise(plan.after.definition)
    with host.errors(plan.resource, "define it"):
        host.conn.storagePoolDefineXML(text, 0)


def _autostart(host: Host, plan: Plan) -> None:
    with host.errors(plan.resource, "set its autostart"):
        _pool(host, plan).setAutostart(int(plan.after.facts["autostart"]))


def _build(host: Host, plan: Plan) -> None:
    """Make what the pool stands on, and never overwrite what is there."""
    tree = plan.after.definition
    if not can_be_built(tree) or is_in_zfs(host, tree):
        return  # where it is missing, the start tells
    pool = _pool(host, plan)
    with host.errors(plan.resource, "build it"):
        try:
            pool.build(_build_flags(plan))
        except libvirt.libvirtError as error:
            # "Already formatted": it was built before, or else starting it tells what is wrong.
            built = error.get_error_code() == libvirt.VIR_ERR_STORAGE_POOL_BUILT
            built = built or is_there(said(error), tree) or has_no_copy_on_write(said(error))
            if not built and not _is_brought_up(pool, error):
                raise _meant(error, plan, "build it") from error


def _build_flags(plan: Plan) -> int:
    """libvirt makes a file system only with a flag, and takes the flag only of some types."""
    tree = plan.after.definition
    is_fs = tree.get("type") == "fs" and xmltree.get(tree, "source/format/@type") != "auto"
    if is_fs or tree.get("type") in ("disk", "logical"):
        return int(libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE)
    return 0


def _start(host: Host, plan: Plan) -> None:
    pool = _pool(host, plan)
    with host.errors(plan.resource, "start it"):
        try:
            pool.create(0)
        except libvirt.libvirtError as error:
            if not _is_brought_up(pool, error):
                raise _meant(error, plan, "start it") from error


def _meant(error: Any, plan: Plan, doing: str) -> Exception:
    """The error, in words of ours where it is known what it means."""
    meant = meaning_of(said(error), plan.after.definition)
    if meant is None:
        told: Exception = error
        return told
    return FleetError(f"libvirt did not {doing}: {meant.message}", plan.resource, meant.field)


def _is_brought_up(pool: Any, error: Any) -> bool:
    """Whether a call failed because another run is starting the pool, or has started it."""
    invalid = error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID
    return invalid and wait_until(lambda: bool(pool.isActive()), OTHER_RUN_TIMEOUT_S)


def _stop(host: Host, plan: Plan) -> None:
    with host.errors(plan.resource, "stop it"):
        patiently(_pool(host, plan).destroy)


def _undefine(host: Host, plan: Plan) -> None:
    with host.errors(plan.resource, "undefine it"):
        patiently(_pool(host, plan).undefine)


def _pool(host: Host, plan: Plan) -> Any:
    return host.conn.storagePoolLookupByName(plan.wanted.name)


STEPS: dict[str, Callable[[Host, Plan], None]] = {
    "define": _define,
    "autostart": _autostart,
    "build": _build,
    "start": _start,
    "stop": _stop,
    "undefine": _undefine,
}
