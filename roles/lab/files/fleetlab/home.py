# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of the lab lies. Nothing is written outside this one directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .declaration import check_name
from .errors import LabError

HOME_VARIABLE = "KVM_FLEET_LAB_HOME"


@dataclass(frozen=True)
class Home:
    """Images and snapshots, shared by all labs of this user, and one directory for each lab."""

    path: Path

    @property
    def images(self) -> Path:
        return self.path / "images"

    @property
    def distributions(self) -> Path:
        return self.path / "distributions"

    @property
    def guests(self) -> Path:
        return self.path / "guests"

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def labs(self) -> Path:
        return self.path / "labs"

    def lab(self, name: str) -> Path:
        return self.labs / check_name(name)

    def make_private(self) -> None:
        """Disks and snapshots hold the keys to log in with: they are for this user alone."""
        for directory in (self.labs, self.snapshots):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o700)

    def lock(self, name: str) -> Path:
        return self.path / "locks" / f"{name}.lock"


def default_home() -> Home:
    explicit = os.environ.get(HOME_VARIABLE)
    if explicit:
        return Home(Path(explicit).expanduser().absolute())
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Home(Path(cache).expanduser().absolute() / "kvm-fleet-lab")


@contextlib.contextmanager
def locked(
    lock: Path, timeout_s: float, waiting: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold ``lock``; the kernel releases it when this process ends, however it ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        _acquire(file.fileno(), lock, time.monotonic() + timeout_s, waiting)
        yield


def _acquire(
    descriptor: int, lock: Path, deadline: float, waiting: Callable[[], None] | None
) -> None:
    announced = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LabError(
                    f"gave up waiting for another lab command that holds {lock}"
                ) from None
        if waiting and not announced:
            waiting()
            announced = True
        time.sleep(0.2)
