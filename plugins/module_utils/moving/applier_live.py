# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves a VM that runs. The client drives it, so that a run that is killed ends the migration."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ..engine import xmltree
from ..engine.errors import ConnectionLost, FleetError
from ..host.connection import found, libvirt, said
from ..host.lively import Pulse, beside, pulse_of
from ..host.moves import is_in_post_copy
from ..kinds.vm.reader import power_state
from ..kinds.vm.states import PAUSED, RUNNING
from . import applier_notes, watching
from .applier_clear import clear_target
from .applier_disks import volumes_for
from .applier_job import Job
from .applier_yank import let_go
from .fate import LAYER
from .mapped import definition_there
from .notes import noted
from .options import TLS
from .statistics import statistics
from .unfinished import in_halves
from .wire import data_uri, tls_name

LOOK_EVERY_S = 0.3
TOLD_EACH = 5  # percent
# How long libvirt may take to end a migration that it was told to abort.
ABORT_TIMEOUT_S = 300.0
MIB = 2**20


def move_live(job: Job) -> dict[str, Any]:
    """Bring a running VM to the target, with the disks that have to be copied. What it took."""
    dom = job.source.conn.lookupByName(job.name)
    with beside(job.source.uri) as conn:
        with job.source.errors(job.resource, "prepare the move"):
            seen = conn.lookupByUUIDString(job.uuid)
            applier_notes.write(dom, job.note)
            capacities = {fate.target: dom.blockInfo(fate.target)[0] for fate in job.copied}
            with suppress(libvirt.libvirtError):  # forget those of an earlier move
                dom.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        with _settled(job, dom), volumes_for(job, capacities):
            began = time.monotonic()
            _migrate(job, dom, seen)
            waited_ms = (time.monotonic() - began) * 1000
    return statistics(_kept(job, dom), waited_ms, job.move.options.downtime_ms)


def _kept(job: Job, dom: Any) -> dict[str, Any]:
    """What libvirt kept of the job that is over: at the source, or else at the target."""
    flags = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
    for conn in (job.source.conn, job.target.conn):
        with suppress(libvirt.libvirtError):
            stats: dict[str, Any] = conn.lookupByUUIDString(job.uuid).jobStats(flags)
            if stats.get("operation"):
                return stats
    return {}


# ---- the migration itself


def _migrate(job: Job, dom: Any, seen: Any) -> None:
    """Have it migrated, and look on by `seen`, the same domain over a connection beside."""
    flags, params = flags_of(job), _params(job, dom)
    size = dom.maxMemory() * 1024 + sum(fate.allocation for fate in job.copied)
    limits = watching.limits_of(job.move.options, size)
    watch = watching.Watch(limits, time.monotonic())
    call = _Call(lambda: dom.migrate3(job.target.conn, params, flags))
    call.start()
    try:
        with pulse_of(job.target.uri) as pulse:
            _look_on(job, seen, call, watch, pulse)
    except NotEnded:
        raise
    except BaseException:
        if not _in_halves(seen):
            _abort(seen, call)
        raise
    if call.error is None:
        return
    if _in_halves(dom):
        raise _halved(job, str(call.error))
    if _has_arrived(job, dom):
        return
    raise _failure(job, call.error, watch.why)


class NotEnded(FleetError):
    """A migration that libvirt goes on with, though it was told to abort."""


def _in_halves(dom: Any) -> bool:
    """Whether post-copy has begun, after which nothing leads back."""
    with suppress(libvirt.libvirtError):
        return is_in_post_copy(dom)
    return False


def _halved(job: Job, why: str) -> FleetError:
    error = in_halves(job.name, job.move.source, job.move.target)
    return FleetError(f"{why}; it {error.message}", job.resource)


class _Call(threading.Thread):
    """libvirt's call, which lasts for as long as the migration does."""

    def __init__(self, call: Any) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.error: Exception | None = None

    def run(self) -> None:
        """Call, and keep what went wrong."""
        try:
            self._call()
        except Exception as error:
            self.error = error


def _look_on(job: Job, dom: Any, call: _Call, watch: watching.Watch, pulse: Pulse) -> None:
    """See the migration to its end, and do what the watch says."""
    tuned = False
    while not _ended(call, LOOK_EVERY_S):
        stats = _job_of(dom)
        if stats.get("type") and not tuned:
            tuned = _tune(job, dom)
        if stats.get("type"):
            _tell(job, watch, stats)
        todo = watch.see(time.monotonic(), stats, _silence(dom, pulse))
        if todo == watching.ABORT and _in_halves(dom):
            raise _halved(job, watch.why)
        if todo == watching.ABORT:
            let_go(dom)
            _abort(dom, call)
            if call.is_alive():
                raise NotEnded(
                    f"was not moved ({watch.why}), and libvirt at {job.move.source.name} does not "
                    f"end the migration within {ABORT_TIMEOUT_S:g} s of being told to; see virsh "
                    "domjobinfo there, restart its daemon, and run again",
                    job.resource,
                )
        elif todo:
            watch.acted = _acted(dom, todo)


def _silence(dom: Any, pulse: Pulse) -> float:
    """For how long the target has not answered; of no use to know once nothing leads back."""
    silent_s = pulse.silent_s
    return 0.0 if silent_s > watching.SILENCE_S and _in_halves(dom) else silent_s


def _acted(dom: Any, todo: str) -> bool:
    """Do what there is to be done where it takes too long. Whether libvirt did: QEMU switches only
    once it sends memory, and not while it still copies disks."""
    try:
        dom.suspend() if todo == watching.DO_PAUSE else dom.migrateStartPostCopy(0)
    except libvirt.libvirtError:
        return False
    return True


def _ended(call: _Call, within_s: float) -> bool:
    call.join(within_s)
    return not call.is_alive()


def _job_of(dom: Any) -> Mapping[str, Any]:
    try:
        stats: dict[str, Any] = dom.jobStats()
    except libvirt.libvirtError:  # it has just ended, or libvirt is busy: the call will tell
        return {}
    return stats


def _tune(job: Job, dom: Any) -> bool:
    """Set how long the guest may stand still, which QEMU forgets with each migration."""
    if job.move.options.downtime_ms:
        try:
            dom.migrateSetMaxDowntime(job.move.options.downtime_ms, 0)
        except libvirt.libvirtError:
            return False
    return True


def _tell(job: Job, watch: watching.Watch, stats: Mapping[str, Any]) -> None:
    """Keep how far it has come, of each twentieth once."""
    now = watching.progress_of(time.monotonic() - watch.began, stats)
    last = job.progress[-1]["percent"] if job.progress else -TOLD_EACH
    if abs(now["percent"] - last) >= TOLD_EACH:
        job.progress.append(now)


def _abort(dom: Any, call: _Call) -> None:
    with suppress(libvirt.libvirtError):
        dom.abortJob()
    call.join(ABORT_TIMEOUT_S)


# ---- what it is asked for


def flags_of(job: Job) -> int:
    """libvirt's flags for the options of a move."""
    options = job.move.options
    copies = bool(job.copied)
    layers = any(fate.how == LAYER for fate in job.fates)
    asked = {
        libvirt.VIR_MIGRATE_LIVE: True,
        libvirt.VIR_MIGRATE_ABORT_ON_ERROR: True,
        libvirt.VIR_MIGRATE_PERSIST_DEST: job.persistent,
        libvirt.VIR_MIGRATE_NON_SHARED_DISK: copies and not layers,
        libvirt.VIR_MIGRATE_NON_SHARED_INC: layers,
        libvirt.VIR_MIGRATE_AUTO_CONVERGE: options.auto_converge,
        libvirt.VIR_MIGRATE_POSTCOPY: options.post_copy,
        libvirt.VIR_MIGRATE_PARALLEL: bool(options.parallel),
        libvirt.VIR_MIGRATE_COMPRESSED: bool(options.compression),
        libvirt.VIR_MIGRATE_TLS: options.transport == TLS,
    }
    if options.zero_copy:
        asked[libvirt.VIR_MIGRATE_ZEROCOPY] = True
    return sum(flag for flag, is_asked in asked.items() if is_asked)


def _params(job: Job, dom: Any) -> dict[str, Any]:
    options = job.move.options
    post_copy = options.bandwidth // MIB if options.post_copy else 0  # QEMU has one of its own
    secure = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_MIGRATABLE
    params: dict[str, Any] = {
        libvirt.VIR_MIGRATE_PARAM_DEST_XML: _there(job, dom.XMLDesc(secure)),
        libvirt.VIR_MIGRATE_PARAM_URI: data_uri(job.move),
        libvirt.VIR_MIGRATE_PARAM_BANDWIDTH: options.bandwidth // MIB,
        libvirt.VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY: post_copy,
        libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS: [fate.target for fate in job.copied],
        libvirt.VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS: options.parallel,
        libvirt.VIR_MIGRATE_PARAM_COMPRESSION: options.compression,
        libvirt.VIR_MIGRATE_PARAM_TLS_DESTINATION: tls_name(job.move),
    }
    if job.persistent:
        stored = dom.XMLDesc(secure | libvirt.VIR_DOMAIN_XML_INACTIVE)
        params[libvirt.VIR_MIGRATE_PARAM_PERSIST_XML] = _there(job, stored)
    return {name: value for name, value in params.items() if value}


def _there(job: Job, definition: str) -> str:
    """A definition as it is at the target, with the note of the move."""
    tree = definition_there(job.move, job.fates, xmltree.parse(definition))
    return xmltree.serialise(noted(tree, job.note))


# ---- what is left where it failed


@contextmanager
def _settled(job: Job, dom: Any) -> Iterator[None]:
    """After a failure the VM goes on at the source, and the target has nothing of it."""
    try:
        yield
    except ConnectionLost:
        raise
    except BaseException:
        with suppress(libvirt.libvirtError):
            if not _in_halves(dom):
                go_on(job, dom)
                applier_notes.take_away(dom)
        raise


def go_on(job: Job, dom: Any) -> None:
    """Let the guest go on that stood still for the move only; never while it runs elsewhere."""
    clear_target(job)
    ran = job.move.is_halted or job.move.have.facts.get("state") == RUNNING
    if ran and power_state(dom) == PAUSED and job.target.is_alive() and not _runs_there(job):
        dom.resume()


def _runs_there(job: Job) -> bool:
    """Whether the guest goes on at the target, be it with half of its memory."""
    there = found(job.target.conn.lookupByUUIDString, job.uuid, libvirt.VIR_ERR_NO_DOMAIN)
    return there is not None and power_state(there) == RUNNING


def _has_arrived(job: Job, dom: Any) -> bool:
    """Whether the VM runs at the target though libvirt told an error at the very end."""
    with suppress(libvirt.libvirtError):
        return _runs_there(job) and not _is_up(dom)
    return False


def _is_up(dom: Any) -> bool:
    try:
        return power_state(dom) == RUNNING
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return False
        raise


def _failure(job: Job, error: Exception, why: str) -> FleetError:
    """What libvirt said, and what that means for the VM."""
    if not isinstance(error, libvirt.libvirtError):
        raise error
    for host, name in ((job.source, job.move.source.name), (job.target, job.move.target.name)):
        if not host.is_alive():
            return ConnectionLost(
                f"the connection to libvirt at {name} was lost while it moved: {said(error)}; see "
                "that its daemon runs, and run again: the next run converges",
                job.resource,
            )
    return FleetError(f"was not moved: {why or said(error)}", job.resource)
