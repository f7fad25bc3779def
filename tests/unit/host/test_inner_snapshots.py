"""The snapshots that an image lists, beside what qemu-img says of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host.inner_snapshots import (
    START_BYTES,
    TABLE_BYTES,
    listed,
    table_at,
)


def made(path: Path, *names: str) -> bytes:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"], check=True)
    for name in names:
        subprocess.run(["qemu-img", "snapshot", "-c", name, str(path)], check=True)
    return path.read_bytes()


def names_in(image: bytes) -> list[tuple[str, str]]:
    count, at = table_at(image[:START_BYTES])
    return listed(image[at : at + TABLE_BYTES], count)


def test_each_is_told_by_its_number_and_name(tmp_path: Path) -> None:
    names = ("s", "1", "s", "ümläut: x", "y" * 200)
    found = names_in(made(tmp_path / "a.qcow2", *names))
    assert found == [(str(number), name) for number, name in enumerate(names, 1)]


def test_one_that_went_leaves_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    made(path, "a", "b")
    subprocess.run(["qemu-img", "snapshot", "-d", "a", str(path)], check=True)
    assert names_in(path.read_bytes()) == [("2", "b")]


def test_an_image_without_any(tmp_path: Path) -> None:
    assert names_in(made(tmp_path / "a.qcow2")) == []


@pytest.mark.parametrize("start", [b"", b"QFI\xfb", b"\0" * START_BYTES])
def test_what_is_no_image_is_refused(start: bytes) -> None:
    with pytest.raises(ValueError, match="no qcow2"):
        table_at(start)


def test_a_table_that_ends_too_soon_is_refused(tmp_path: Path) -> None:
    image = made(tmp_path / "a.qcow2", "a", "b")
    count, at = table_at(image[:START_BYTES])
    with pytest.raises(ValueError, match="beyond"):
        listed(image[at : at + 50], count)
