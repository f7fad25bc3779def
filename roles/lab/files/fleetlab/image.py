# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds images, once for each recipe, and hands out the ones that exist.

An image's directory is named by the key of its recipe and appears by one rename when it is
complete. It never changes afterwards, so a running overlay's image is safe whatever is built.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

from . import distribution, parallel, programs, recipe
from .declaration import ImageSpec
from .errors import LabError
from .home import Home, locked

Report = Callable[[str], None]

BUILD_TIMEOUT_S = 1800
REMOVE_TIMEOUT_S = 120
SCRATCH_PREFIX = ".building-"
SOURCES = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Image:
    key: str
    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "disk.raw"

    @property
    def kernel(self) -> Path:
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd"


def by_key(home: Home, key: str) -> Image:
    return Image(key, home.images / key)


def ensure_all(home: Home, specs: Sequence[ImageSpec], report: Report) -> dict[ImageSpec, Image]:
    """The images of ``specs``; those that are missing are built side by side."""
    distinct = list(dict.fromkeys(specs))
    images = parallel.run([partial(ensure, home, spec, report) for spec in distinct])
    return dict(zip(distinct, images))


def ensure(home: Home, spec: ImageSpec, report: Report) -> Image:
    """The image of ``spec``, built now if it is not there yet."""
    key = recipe.image_key(spec)
    image = by_key(home, key)
    if image.directory.is_dir():
        return image
    lock = home.lock(f"image-{key}")
    with locked(lock, BUILD_TIMEOUT_S, lambda: report("image: waiting for another build")):
        if not image.directory.is_dir():
            _build(home, spec, image, report)
    return image


def _build(home: Home, spec: ImageSpec, image: Image, report: Report) -> None:
    started = time.monotonic()
    programs.require(programs.TO_BUILD)
    if os.geteuid() != 0:
        programs.require(programs.TO_BUILD_AS_USER)
    report(f"image: building {spec.release}, profile {spec.profile} (once, some minutes)")
    unpacked = _ensure_distribution(home, spec, report)
    home.images.mkdir(parents=True, exist_ok=True)
    with _scratch(home.images) as scratch:
        out = scratch / "image"
        out.mkdir()
        command = [sys.executable, "-m", "fleetlab.tree", str(unpacked), str(out)]
        if recipe.preloads_guest(spec):
            command += ["--guest", str(_ensure_guest(home, report))]
        _run(_as_root(command), home.images / f"{image.key}.log")
        out.rename(image.directory)
    report(f"image: {spec.release} built in {time.monotonic() - started:.0f} s")


def _ensure_distribution(home: Home, spec: ImageSpec, report: Report) -> Path:
    """The unpacked distribution as a tar file: what downloads is kept apart from the rest."""
    key = recipe.packages_key(spec)
    tar = home.distributions / f"{key}.tar"
    with locked(home.lock(f"distribution-{key}"), BUILD_TIMEOUT_S):
        if tar.exists():
            return tar
        report(f"image: installing {len(recipe.packages(spec))} packages of {spec.release}")
        home.distributions.mkdir(parents=True, exist_ok=True)
        with _scratch(home.distributions) as scratch:
            unfinished = scratch / "distribution.tar"
            _run(distribution.command(spec, unfinished), home.distributions / f"{key}.log")
            unfinished.rename(tar)
    return tar


def _ensure_guest(home: Home, report: Report) -> Path:
    """The tiny guest, built by its own role's program."""
    directory = home.guests / recipe.guest_key()
    with locked(home.lock("guest"), BUILD_TIMEOUT_S):
        if directory.is_dir():
            return directory
        report("image: building the tiny guest")
        home.guests.mkdir(parents=True, exist_ok=True)
        with _scratch(home.guests) as scratch:
            command = [str(recipe.TINY_GUEST / "build-tiny-guest"), str(scratch / "guest")]
            _run(command, home.guests / f"{directory.name}.log")
            (scratch / "guest").rename(directory)
    return directory


def _as_root(command: Sequence[str]) -> list[str]:
    """``command`` with the right to give files to any user, inside a namespace if need be."""
    if os.geteuid() == 0:
        return list(command)
    return ["unshare", "--user", "--map-root-user", "--map-auto", "--", *command]


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A temporary directory in ``parent``."""
    path = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=parent))
    try:
        yield path
    finally:
        remove(path)


def remove(path: Path) -> None:
    """Remove what was built, although files of it may belong to the ids of a namespace."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        return
    command = _as_root(["rm", "-rf", "--", str(path)])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=REMOVE_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise LabError(f"cannot remove {path}: {done.stderr.strip()}")


def _run(command: Sequence[str], log: Path) -> None:
    # INITRD=No: the lab has an initrd of its own, so initramfs-tools need not make one.
    environment = {
        **os.environ,
        "INITRD": "No",
        "PATH": programs.SEARCH_PATH,
        "PYTHONPATH": str(SOURCES),
        "LC_ALL": "C.UTF-8",
    }
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                timeout=BUILD_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            late = f"{command[0]} did not end within {BUILD_TIMEOUT_S} s, see {log}"
            raise LabError(late) from None
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise LabError(f"{command[0]} failed, the end of {log}:\n{tail}")
