"""What the first bytes of an image tell of it."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.move_facts import Inside
from ansible_collections.kvm.fleet.plugins.module_utils.host.images import INSIDE_SIZE, inside_of

MAGIC = b"QFI\xfb"


def header(version: int, features: int) -> bytes:
    return (
        MAGIC
        + struct.pack(">I", version)
        + b"\0" * 52
        + struct.pack(">I", 2)
        + b"\0" * 8
        + struct.pack(">Q", features)
    )


@pytest.mark.parametrize(
    ("version", "features", "elsewhere"),
    [
        (3, 0b100, True),
        (3, 0b101, True),  # and it was not closed
        (3, 0b001, False),
        (3, 0, False),
        (2, 0b100, False),  # what stands there is no feature in that version
    ],
)
def test_an_image_with_its_data_in_another_file(
    version: int, features: int, elsewhere: bool
) -> None:
    assert len(header(version, features)) == INSIDE_SIZE
    assert inside_of(header(version, features)) == Inside(2, elsewhere)


@pytest.mark.parametrize("content", [b"", MAGIC, b"\xff" * INSIDE_SIZE])
def test_what_is_no_image_has_none(content: bytes) -> None:
    assert inside_of(content) is None
