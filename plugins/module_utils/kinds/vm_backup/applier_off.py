# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies the disks of a VM that is off, by qemu-img. The VM may be started meanwhile; then what was
copied is nothing."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from ...engine.errors import FleetError
from .applier_job import Job
from .checks import QEMU_IMG
from .fate import DiskFate
from .watching import Seen, Watch, told

LOOK_EVERY_S = 0.2
END_S = 10.0


def copy_off(job: Job, dom: Any) -> None:
    """Copy all disks."""
    before = _written(job)
    began = time.monotonic()
    watch = Watch.of(job.planned.case, job.planned.fates, began)
    for fate in job.planned.fates:
        _copy(job, fate, watch, began)
    if dom.isActive() or _written(job) != before:
        raise FleetError(
            "was started while it was copied, so nothing of it is kept; run again, and it is "
            "copied while the VM runs",
            job.resource,
        )


def _written(job: Job) -> list[tuple[int, int]]:
    paths = [Path(image) for one in job.planned.fates for image in one.disk.images]
    found = [path.stat() for path in paths if path.is_file()]
    return [(one.st_mtime_ns, one.st_size) for one in found]


def _copy(job: Job, fate: DiskFate, watch: Watch, began: float) -> None:
    """A lock on the image would keep the VM from being started, so none is taken."""
    target = job.path(fate)
    rate = ["-r", str(job.wanted.bandwidth)] if job.wanted.bandwidth else []
    command = [QEMU_IMG, "convert", "-q", "-U", "-f", fate.disk.format, "-O", "qcow2", *rate]
    with subprocess.Popen(
        [*command, fate.disk.path, str(target)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            why = _wait(job, process, target, watch, began)
        finally:
            if process.poll() is None:
                process.kill()
        said = process.stderr.read() if process.stderr else ""
    if why:
        raise FleetError(f"was given up, and nothing of it is kept: {why}", job.resource)
    if process.returncode:
        raise FleetError(f"{QEMU_IMG} did not copy {fate.disk.path}: {said.strip()}", job.resource)
    target.chmod(0o600)
    job.copied += target.stat().st_blocks * 512


def _wait(job: Job, process: Any, target: Path, watch: Watch, began: float) -> str:
    while process.poll() is None:
        now = time.monotonic()
        size = target.stat().st_blocks * 512 if target.exists() else 0
        seen = Seen(job.copied + size, watch.size)
        told(job.progress, now - began, seen)
        why = watch.see(now, seen)
        if why:
            return why
        time.sleep(LOOK_EVERY_S)
    return ""
