"""What was fetched is refused where it is no disk, or cut off, and taken where it is whole."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.host.unpacking import prepared
from ansible_collections.kvm.fleet.plugins.module_utils.host.whole_images import (
    missing_in_qcow2,
    no_disk_in,
    read_cut_off,
)

needs_qemu_img = pytest.mark.skipif(not shutil.which("qemu-img"), reason="needs qemu-img")
MADE = {
    "plain": [],
    "packed": ["-c"],
    "old": ["-o", "compat=0.10"],
    "small-clusters": ["-o", "cluster_size=512"],
    "subclusters": ["-o", "extended_l2=on"],
}


@pytest.fixture(params=[*MADE, "preallocated", "empty"])
def qcow2(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    raw, made = tmp_path / "raw", tmp_path / "a.qcow2"
    raw.write_bytes(os.urandom(3 << 20))
    os.truncate(raw, 8 << 20)
    how = request.param
    if how in MADE:
        argv = ["convert", *MADE[how], "-O", "qcow2", str(raw), str(made)]
    else:
        more = ["-o", "preallocation=metadata"] if how == "preallocated" else []
        argv = ["create", "-q", "-f", "qcow2", *more, str(made), "64M"]
    subprocess.run(["qemu-img", *argv], check=True)
    return made


@needs_qemu_img
def test_an_image_is_taken_whole_and_refused_cut_off(qcow2: Path) -> None:
    assert missing_in_qcow2(qcow2) == 0
    assert prepared(qcow2, "qcow2", "it")[0] == qcow2
    assert read_cut_off(str(qcow2)) == ""
    for size in (qcow2.stat().st_size - 70_000, 66_000):
        os.truncate(qcow2, size)
        assert missing_in_qcow2(qcow2) > 0
        assert read_cut_off(str(qcow2)).startswith(f"is cut off: it has {size} bytes, and by its")
        with pytest.raises(FleetError, match=f"it is cut off: it has {size} bytes, and by its"):
            prepared(qcow2, "qcow2", "it")


def test_what_is_no_file_is_not_looked_at(tmp_path: Path) -> None:
    """A device has no size of its own; to open a pipe could take for ever."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "none", tmp_path / "pipe"):
        assert read_cut_off(str(path)) == ""
    (tmp_path / "one").write_bytes(b"QFI\xfb" + bytes(200))
    assert read_cut_off(str(tmp_path / "one")).startswith("cannot be an image: it is of version 0")


@needs_qemu_img
@pytest.mark.parametrize("form", ["vdi", "vmdk", "vhdx", "vpc"])
def test_an_image_of_others_is_taken_whole_and_refused_cut_off(form: str, tmp_path: Path) -> None:
    raw, made = tmp_path / "raw", tmp_path / "a"
    raw.write_bytes(os.urandom(5 << 20))
    os.truncate(raw, 64 << 20)
    subprocess.run(["qemu-img", "convert", "-O", form, str(raw), str(made)], check=True)
    there, _found = prepared(made, "qcow2", "it")
    subprocess.run(["qemu-img", "compare", str(raw), str(there)], check=True)
    os.truncate(made, made.stat().st_size - (3 << 20))
    with pytest.raises(FleetError, match=r"it is cut off|truncated|after (the )?end of"):
        prepared(made, "qcow2", "it")


@needs_qemu_img
@pytest.mark.parametrize(
    ("at", "bits", "said"),
    [
        (4, b"\0\0\0\1", "it is of version 1"),
        (20, b"\0\0\0\x40", "its clusters have"),
        (36, b"\xff\xff\xff\xff", "more than QEMU takes"),
    ],
)
def test_a_header_that_qemu_would_not_take_is_told(
    at: int, bits: bytes, said: str, tmp_path: Path
) -> None:
    made = tmp_path / "a.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(made), "1M"], check=True)
    content = bytearray(made.read_bytes())
    content[at : at + 4] = bits
    made.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        missing_in_qcow2(made)


def _tar(form: int) -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w", format=form) as tar:
        member = tarfile.TarInfo("disk.raw")
        member.size = 512
        tar.addfile(member, io.BytesIO(b"\1" * 512))
    return into.getvalue()


def _old_tar() -> bytes:
    """As before POSIX: without its mark, and with the sum of what is left."""
    made = bytearray(_tar(tarfile.USTAR_FORMAT))
    made[257:265] = bytes(8)
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made[:512])
    return bytes(made)


def _zip() -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as packed:
        packed.writestr("disk.raw", b"\1" * 512)
    return into.getvalue().ljust(1024, b"\0")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: _tar(tarfile.USTAR_FORMAT), "a tar archive"),
        (lambda: _tar(tarfile.GNU_FORMAT), "a tar archive"),
        (_old_tar, "a tar archive"),
        (_zip, "a zip archive"),
        (lambda: b"!<arch>\n".ljust(512), "an ar archive"),
        (lambda: b"070701".ljust(512, b"0"), "a cpio archive"),
        (lambda: b"7z\xbc\xaf\x27\x1c".ljust(512), "a 7z archive"),
        (lambda: b"\xed\xab\xee\xdb".ljust(512), "an rpm package"),
    ],
)
def test_an_archive_is_no_disk(make: Callable[[], bytes], said: str, tmp_path: Path) -> None:
    file = tmp_path / "a.raw"
    file.write_bytes(make())
    with pytest.raises(FleetError, match=f"it is {said}.*; take the image out of it"):
        prepared(file, "raw", "it")


@pytest.mark.parametrize(
    "begin",
    [
        bytes(4096),
        b"\xeb\x63\x90".ljust(510, b"\0") + b"\x55\xaa",  # with a boot sector
        bytes(32769) + b"CD001",
        b"LUKS\xba\xbe".ljust(512, b"\0"),
        b"hsqs".ljust(512, b"\0"),
        b"x" * 512,
    ],
)
def test_what_may_be_a_disk_is_taken(begin: bytes) -> None:
    assert no_disk_in(begin[:4096]) == ""
