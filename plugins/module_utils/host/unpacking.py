# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes of an image as it was fetched one that a volume can be: unpacks it, and converts it.

What an image is says its content and never its name. It may be hostile: an image that names other
files of the host, as what it stands on or where its data is, would give them to a guest. So such a
one is refused before QEMU opens it, and QEMU's tool has limits on what it may take.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from ..engine.errors import FleetError
from ..engine.looked_at import Image
from ..engine.units import format_size
from .fetching import SPARE
from .images import HEADER_SIZE, ends_as_vhd, inspect
from .whole_images import cut_off, missing_in_foreign, missing_in_qcow2, no_disk_in

BLOCK = 2**20
LARGEST = 2**43  # bytes of an unpacked image, holes included
MEMORY = 2**30  # bytes that a program may take to unpack or to look at an image
INFO_CPU_S, CONVERT_CPU_S = 60, 4 * 3600
PACKED = ("gzip", "xz", "zstd", "bzip2")
# What QEMU reads but libvirt makes no volume of, and what is made of it by qemu-img.
FOREIGN = ("vmdk", "vhdx", "vpc", "vdi")
WHOLE_VMDK = ("monolithicSparse", "streamOptimized")
PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head", b"{")


def prepared(file: Path, form: str, called: str) -> tuple[Path, Image]:
    """An image in the format of a volume: the file itself, or another beside it, which is to go."""
    there = file
    try:
        found = _inspected(there, called)
        if found.format in PACKED:
            there = _unpacked(file, found.format, called)
            found = _inspected(there, called)
        _check_whole(there, found, called)
        if found.format != form:
            before, there = there, _converted(there, found.format, form, called)
            _remove(before, file)
            found = _inspected(there, called)
            if found.format != form or _others(found):
                raise _refused(called, f"holds another image ({found.format}) inside of it")
    except BaseException:
        _remove(there, file)
        raise
    return there, found


def remove_left_of(file: Path) -> None:
    """Remove what a killed run left of making something of an image."""
    for ending in ("unpacked", "converted", "unpacked.converted"):
        file.with_name(f"{file.name}.{ending}").unlink(missing_ok=True)


def _remove(made: Path, file: Path) -> None:
    if made != file:
        made.unlink(missing_ok=True)


def _refused(called: str, why: str) -> FleetError:
    return FleetError(f"{called} {why}", field="image")


# ---- what it is


def _inspected(file: Path, called: str) -> Image:
    try:
        found = inspect(str(file))
    except ValueError as error:
        raise _refused(called, f"cannot be an image: {error}") from error
    return Image("vpc", 0) if found.format == "raw" and ends_as_vhd(file) else found


def _others(found: Image) -> str:
    return found.backing or found.data_file


def _check_whole(file: Path, found: Image, called: str) -> None:
    if found.format in PACKED:
        raise _refused(called, "is packed twice; unpack it and give that")
    if _others(found):
        raise _refused(
            called,
            f"is not whole: it names {_others(found)}, a file of whoever uses it; such an image is "
            "not taken from a server",
        )
    if found.format == "raw":
        _check_raw(file, called)
    elif found.format in FOREIGN:
        _check_foreign(file, found.format, called)
    elif found.format == "qcow2":
        _check_end(file, called, missing_in_qcow2)
    else:
        raise _refused(called, f"is {found.format}, of which no volume is made")


def _check_raw(file: Path, called: str) -> None:
    """A raw image has no mark. What is a text, or no whole number of sectors, is none."""
    with file.open("rb") as opened:
        begin = opened.read(HEADER_SIZE)
    if other := no_disk_in(begin):
        raise _refused(called, f"is {other}; take the image out of it, and give that")
    if begin.lstrip().lower().startswith(PAGES):
        raise _refused(called, "is no image but a text, as a web page or what a server says")
    size = file.stat().st_size
    if not size or size % 512:
        raise _refused(called, f"is no image of a known format, and has {size} bytes")


def _check_end(file: Path, called: str, missing_in: Callable[[Path], int]) -> None:
    """A guest would find errors where the file has ended, and only once it reads that far."""
    try:
        missing = missing_in(file)
    except ValueError as error:
        raise _refused(called, f"cannot be an image: {error}") from error
    if missing:
        raise _refused(
            called,
            f"{cut_off(file.stat().st_size, missing)}; see that its server has it whole, and that "
            "the checksum is not that of a part",
        )


def _check_foreign(file: Path, form: str, called: str) -> None:
    """By its own header first: QEMU would open what a hostile one names just to tell of it."""
    if form == "vmdk":
        with file.open("rb") as opened:
            begin = opened.read(BLOCK)
        is_sparse = begin[:4] == b"KDMV" and any(begin[12:20])
        if not is_sparse or b"parentFileNameHint" in begin:
            raise _refused(called, "is a vmdk that names other files; give one that is whole")
    said = _run(["qemu-img", "info", "-f", form, "--output=json", str(file)], called, INFO_CPU_S)
    info: dict[str, Any] = json.loads(said)
    kind = info.get("format-specific", {}).get("data", {}).get("create-type")
    if info.get("backing-filename") or (form == "vmdk" and kind not in WHOLE_VMDK):
        raise _refused(called, f"is a {form} that names other files; give one that is whole")
    _check_end(file, called, lambda there: missing_in_foreign(there, form))


# ---- qemu-img


def _converted(file: Path, form: str, to: str, called: str) -> Path:
    made = file.with_name(f"{file.name}.converted")
    options = ["-o", "compat=1.1"] if to == "qcow2" else []
    argv = ["qemu-img", "convert", "-f", form, "-O", to, *options, str(file), str(made)]
    try:
        _run(argv, called, CONVERT_CPU_S)
        made.chmod(0o600)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
    return made


def _run(argv: list[str], called: str, cpu_s: int) -> str:
    """Run QEMU's tool, with what it may take; what it wrote."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2 * MEMORY, 2 * MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))

    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=limit,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise _refused(
            called, f"needs {argv[0]} to be made a volume; install it (qemu-utils, qemu-img)"
        ) from error
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:] or f"it ended with {done.returncode}"
        raise _refused(called, f"cannot be made a volume, {argv[0]} {argv[1]} says: {said}")
    return done.stdout


# ---- unpacking


def _unpacked(file: Path, packed: str, called: str) -> Path:
    made = file.with_name(f"{file.name}.unpacked")
    try:
        with file.open("rb") as opened, _new(made) as target:
            _copy(OPENS[packed](opened), target, called)
    except BaseException as error:
        made.unlink(missing_ok=True)
        if isinstance(error, (OSError, EOFError, ValueError, lzma.LZMAError)):
            raise _refused(called, f"cannot be unpacked ({packed}): {error}") from error
        raise
    return made


def _new(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _copy(blocks: Iterator[bytes], target: Any, called: str) -> None:
    """Write what is unpacked, with holes where there are zeros only, as far as there is room."""
    size = 0
    for block in blocks:
        size += len(block)
        if size > LARGEST:
            raise _refused(called, f"has more than {format_size(LARGEST)} when it is unpacked")
        if block.count(0) == len(block):
            target.seek(len(block), os.SEEK_CUR)
            continue
        room = os.fstatvfs(target.fileno())
        if room.f_bavail * room.f_frsize < SPARE:
            raise OSError("no space is left where it is unpacked (download.library)")
        target.write(block)
    target.truncate(size)


def _blocks(file: Any) -> Iterator[bytes]:
    while True:
        block = file.read(BLOCK)
        if not block:
            return
        yield block


def _of_gzip(file: Any) -> Iterator[bytes]:
    return _blocks(gzip.open(file))


def _of_bzip2(file: Any) -> Iterator[bytes]:
    return _blocks(bz2.open(file))


def _of_xz(file: Any) -> Iterator[bytes]:
    """As lzma.open does, which knows no limit of the memory that a file asks for."""
    stream, rest = _xz_stream(), b""
    while True:
        if bool(stream.eof):  # pylint takes what C has for a function
            rest = (stream.unused_data or file.read(BLOCK)).lstrip(b"\0")
            if not rest:
                return
            stream = _xz_stream()
        elif bool(stream.needs_input):
            rest = file.read(BLOCK)
            if not rest:
                raise EOFError("it is cut off")
        yield stream.decompress(rest, BLOCK)
        rest = b""


def _xz_stream() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=MEMORY)


def _of_zstd(file: Any) -> Iterator[bytes]:
    """By its program, since Python has none for it before 3.14."""
    program = shutil.which("zstd")
    if program is None:
        raise OSError("the program zstd is not there; install it")
    with subprocess.Popen(
        [program, "-dcq"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield from _blocks(process.stdout)
            said = cast(IO[bytes], process.stderr).read(300).decode(errors="replace")
            if process.wait():
                raise OSError(" ".join(said.split()))
        finally:
            process.kill()


OPENS: dict[str, Callable[[Any], Iterator[bytes]]] = {
    "gzip": _of_gzip,
    "bzip2": _of_bzip2,
    "xz": _of_xz,
    "zstd": _of_zstd,
}
