# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a volume into a file of this machine through libvirt, so from any host. Holes stay."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...host.connection import Host, libvirt
from ..vm_backup.watching import Seen, told
from .places import partial_of
from .planned import Case, Planned

MODE = 0o600  # an image can hold passwords
BLOCK = 1 << 20
NO_HOLES = ("VIR_ERR_NO_SUPPORT", "VIR_ERR_INVALID_ARG", "VIR_ERR_OPERATION_UNSUPPORTED")


@dataclass
class Sink:
    """The file as it is being made, and what is known of what was written to it."""

    file: int
    hashed: Any
    size: int  # that is expected
    began: float = field(default_factory=time.monotonic)
    at: int = 0
    copied: int = 0  # bytes that are no holes
    progress: list[dict[str, Any]] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        """Go on with this; zeros become a hole where they are many."""
        self.hashed.update(data)
        if data == bytes(len(data)):
            self._go_on(len(data))
            return
        left = memoryview(data)
        while left:
            left = left[os.pwrite(self.file, left, self.at + len(data) - len(left)) :]
        self.copied += len(data)
        self._go_on(len(data))

    def skip(self, size: int) -> None:
        """Go on with a hole."""
        zeros = bytes(min(size, BLOCK))
        for at in range(0, size, BLOCK):
            self.hashed.update(zeros[: size - at])
        self._go_on(size)

    def _go_on(self, size: int) -> None:
        self.at += size
        told(self.progress, time.monotonic() - self.began, Seen(self.at, max(self.size, self.at)))


def download(host: Host, begun: Planned) -> dict[str, Any]:
    """Make the file of a plan, and tell of it. What fails leaves the file as it was."""
    case = begun.case
    try:
        with _partial(case) as file:
            sink = Sink(file, hashlib.new(case.wanted.algorithm), case.size)
            _fill(host, case, sink)
            os.ftruncate(file, sink.at)
            _check(case, sink)
            _settle(case, file)
    except OSError as error:
        message = f"{case.wanted.dest} could not be written: {error.strerror}"
        raise FleetError(message, case.wanted.resource, "dest") from error
    return {
        "checksum": f"{case.wanted.algorithm}:{sink.hashed.hexdigest()}",
        "size_bytes": sink.at,
        "statistics": {
            "total_ms": round((time.monotonic() - sink.began) * 1000),
            "copied_bytes": sink.copied,
            "progress": sink.progress,
        },
    }


# ---- the file


@contextmanager
def _partial(case: Case) -> Iterator[int]:
    """A file beside the other one, held by this run alone. It goes where it does not become whole.

    The lock of a run that was killed went with it, so what it left is taken over.
    """
    path = Path(partial_of(case.dest.real))
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    try:
        _hold(case, file, path)
        try:
            yield file
            path.replace(case.dest.real)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise
        _sync(path.parent)
    finally:
        os.close(file)


def _hold(case: Case, file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = os.path.samestat(os.fstat(file), path.stat())
    except (BlockingIOError, FileNotFoundError):
        is_ours = False
    if not is_ours:
        message = f"another run is just writing {path}; wait for it, and run again"
        raise FleetError(message, case.wanted.resource, "dest")
    os.ftruncate(file, 0)
    os.fchmod(file, MODE)


def _settle(case: Case, file: int) -> None:
    """Give it the mode of what it replaces, and the time at which the volume was written."""
    with suppress(FileNotFoundError):
        os.fchmod(file, Path(case.dest.real).stat().st_mode & 0o777)
    if case.written_ns:
        os.utime(file, ns=(case.written_ns, case.written_ns))
    os.fsync(file)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


# ---- the volume


def _fill(host: Host, case: Case, sink: Sink) -> None:
    wanted = case.wanted
    with host.errors(wanted.resource, f"hand out the volume {wanted.name}"):
        pool = host.conn.storagePoolLookupByName(wanted.pool)
        volume = pool.storageVolLookupByName(wanted.volume)
        stream = _begun(host, volume)
        try:
            stream.sparseRecvAll(_write, _skip, sink)
            stream.finish()
        except BaseException:
            with suppress(libvirt.libvirtError):
                stream.abort()
            raise
        written = xmltree.get(xmltree.parse(volume.XMLDesc(0)), "target/timestamps/mtime")
    was = xmltree.get(case.volume.definition, "target/timestamps/mtime")
    if case.is_in_files and not wanted.allow_in_use and written != was:
        raise FleetError(
            "was written to while it was read, so the copy would be of no one moment; run again "
            "when nobody does, or say allow_in_use: true",
            wanted.resource,
            "volume",
        )


def _begun(host: Host, volume: Any) -> Any:
    """The stream of a volume, with its holes where libvirt and what is beneath can tell them."""
    stream = host.conn.newStream(0)
    try:
        volume.download(stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in [getattr(libvirt, name) for name in NO_HOLES]:
            raise
        stream = host.conn.newStream(0)
        volume.download(stream, 0, 0, 0)
    return stream


def _write(_stream: Any, data: bytes, sink: Sink) -> int:
    sink.write(data)
    return len(data)


def _skip(_stream: Any, size: int, sink: Sink) -> None:
    sink.skip(size)


def _check(case: Case, sink: Sink) -> None:
    wanted = case.wanted
    if wanted.checksum and sink.hashed.hexdigest() != wanted.digits:
        raise FleetError(
            f"the volume is {wanted.algorithm}:{sink.hashed.hexdigest()}, which is not what is "
            "declared; nothing was kept of it",
            wanted.resource,
            "checksum",
        )
