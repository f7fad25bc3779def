"""In what blocks a file is written to past the host's cache."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host import direct_blocks

HERE: Any = SimpleNamespace(is_local=True)
FAR: Any = SimpleNamespace(is_local=False)


def reads(least: int) -> Callable[[int, list[memoryview], int], int]:
    def read(_file: int, buffers: list[memoryview], _at: int) -> int:
        if len(buffers[0]) < least:
            raise OSError(errno.EINVAL, "Invalid argument")
        return len(buffers[0])

    return read


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image on a file system that may be any: it is not opened past the cache."""
    monkeypatch.setattr(os, "O_DIRECT", 0)
    monkeypatch.setattr(direct_blocks, "_of_xfs", lambda _file: 0)
    file = tmp_path / "a.img"
    file.write_bytes(b".")
    return file


@pytest.mark.parametrize(
    ("least", "block"), [(512, 512), (2048, 2048), (4096, 4096), (8192, None), (1, 4096)]
)
def test_the_smallest_that_can_be_read_is_a_block(
    image: Path, monkeypatch: pytest.MonkeyPatch, least: int, block: int | None
) -> None:
    monkeypatch.setattr(os, "preadv", reads(least))
    assert direct_blocks.read_direct_block(HERE, str(image)) == block


def test_xfs_says_it_itself(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_blocks, "_of_xfs", lambda _file: 512)
    monkeypatch.setattr(os, "preadv", reads(1))
    assert direct_blocks.read_direct_block(HERE, str(image)) == 512


def test_what_cannot_be_read_is_not_known(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert direct_blocks.read_direct_block(HERE, f"{image}.gone") is None
    assert direct_blocks.read_direct_block(FAR, str(image)) is None

    def fails(*_of: Any) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "preadv", fails)
    assert direct_blocks.read_direct_block(HERE, str(image)) is None
