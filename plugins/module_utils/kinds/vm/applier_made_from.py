# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done for a VM that is made from a template, before it is defined. Decides nothing.

Clones that virt-sysprep has yet to work on stand under their mark as half-made until it has. So
whoever is interrupted leaves what the next run makes anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.keys import key_of
from ...engine.plan import Plan
from ...host.connection import Host
from ..storage_volume import applier as volumes
from ..storage_volume.reader import look_up_volume, tree_of
from ..storage_volume.volumes import RAW_BY_ANOTHER_NAME, mark_of, name_in_pool, pool_of
from .changes import Brought
from .made_from import MADE
from .sysprep import OPTION, PROGRAMS, VIRT_SYSPREP

# What of a system is its identity. All else of the guest, its users and logs, is left to it.
OPERATIONS = (
    "machine-id,ssh-hostkeys,net-hwaddr,udev-persistent-net,dhcp-client-state,random-seed,customize"
)
# Not every system makes keys again that are gone.
KEYS = "if command -v ssh-keygen >/dev/null; then ssh-keygen -A; fi"
TIMEOUT_S = 1800  # for what hangs: it boots a kernel of its own, under emulation in a minute


def prepare(host: Host, plan: Plan) -> None:
    """Copy what is copied, and have clones be somebody of their own."""
    for change in plan.changes:
        if isinstance(change, Brought) and change.field == key_of("nvram"):
            _copy_nvram(plan, change.note.rpartition("a copy of ")[2], change.after)
        elif isinstance(change, Brought) and change.after == VIRT_SYSPREP:
            _sysprep(host, plan)


def _copy_nvram(plan: Plan, source: str, target: str) -> None:
    """libvirt makes one of its own only where there is none."""
    beside = Path(f"{target}.partial")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, beside)
        owner = Path(source).stat()
        beside.chmod(owner.st_mode & 0o777)
        with suppress(PermissionError):
            os.chown(beside, owner.st_uid, owner.st_gid)
        beside.replace(target)
    except OSError as error:
        message = f"cannot copy {source} to {target}: {error.strerror}"
        raise FleetError(message, plan.resource, "nvram") from error


def _sysprep(host: Host, plan: Plan) -> None:
    clones = [_Clone(host, plan, name) for name in plan.wanted.options[MADE].clones]
    fresh = [clone for clone in clones if clone.is_held]
    if not fresh:
        raise FleetError(
            "another run made its disks meanwhile; run again when that is done", plan.resource
        )
    _run(plan, [word for clone in fresh for word in clone.arguments()])
    for clone in reversed(fresh):  # that with the system, the first, is the last that counts
        clone.let_go()


def _run(plan: Plan, disks: list[str]) -> None:
    program = next((path for path in PROGRAMS if os.access(path, os.X_OK)), PROGRAMS[0])
    command = [program, "--quiet", "--operations", OPERATIONS, "--run-command", KEYS, *disks]
    backend = {"LIBGUESTFS_BACKEND": "direct", **os.environ}
    try:
        done = subprocess.run(
            command,
            env=backend,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FleetError(f"{program}: {error}", plan.resource, OPTION) from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise FleetError(
            f"virt-sysprep could not work on its disks: {said}; where its system is none that it "
            "knows, say sysprep: cloud_init or none",
            plan.resource,
            OPTION,
        )


class _Clone:
    """A volume that is made, and has its mark until it may count as whole."""

    def __init__(self, host: Host, plan: Plan, name: str) -> None:
        self.resource = plan.resource
        self.name = name_in_pool(name)
        self.host = host
        with host.errors(plan.resource, f"find the pool {pool_of(name)}"):
            self.pool: Any = host.conn.storagePoolLookupByName(pool_of(name))

    @property
    def is_held(self) -> bool:
        """Whether it was made in this run."""
        return look_up_volume(self.pool, mark_of(self.name)) is not None

    def arguments(self) -> Iterator[str]:
        """By what virt-sysprep finds it."""
        volume = look_up_volume(self.pool, self.name)
        tree = tree_of(volume) if volume is not None else None
        if volume is None or tree is None:
            raise FleetError(f"the volume {self.name} is gone; run again", self.resource)
        form = xmltree.get(tree, "target/format/@type") or "raw"
        yield from ("--format", "raw" if form in RAW_BY_ANOTHER_NAME else form)
        yield from ("-a", volume.path())

    def let_go(self) -> None:
        """Have it count as whole."""
        if not self.is_held:
            raise FleetError(
                f"another run took the volume {self.name} for left by an interrupted one; run "
                "again when that is done",
                self.resource,
            )
        with self.host.errors(self.resource, f"let the volume {self.name} count as whole"):
            volumes.take_mark(self.pool, self.name)
