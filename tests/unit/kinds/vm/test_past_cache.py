"""A raw image whose size QEMU does not open past the host's cache is known before a start."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.past_cache import (
    file_past_cache,
    odd,
)

PATH = "/srv/a.img"


def disk(driver: str, more: str = "", kind: str = "disk", of: str = "file") -> xmltree.Element:
    return xmltree.parse(
        f'<disk type="{of}" device="{kind}"><driver name="qemu" {driver}/><source file="{PATH}"/>'
        f"{more}</disk>"
    )


@pytest.mark.parametrize("cache", ["none", "directsync"])
def test_a_raw_disk_that_is_written_to_past_the_cache_is_looked_at(cache: str) -> None:
    assert file_past_cache(disk(f'type="raw" cache="{cache}"')) == PATH


@pytest.mark.parametrize(
    "other",
    [
        disk('type="raw"'),
        disk('type="raw" cache="writeback"'),
        disk('type="qcow2" cache="none"'),  # it can grow
        disk('type="raw" cache="none"', kind="cdrom"),
        disk('type="raw" cache="none"', of="block"),
        *(disk('type="raw" cache="none"', more) for more in ("<readonly/>", "<transient/>")),
        disk('type="raw" cache="none"', '<encryption format="luks"/>'),
    ],
)
def test_others_are_not(other: xmltree.Element) -> None:
    assert file_past_cache(other) == ""


@pytest.mark.parametrize(
    ("size", "block"),
    [(0, None), (4096, None), (1 << 20, 4096), (512, 512), (4608, 512), (5000, 512)],
)
def test_whole_blocks_are_right(size: int, block: int | None) -> None:
    """QEMU itself rounds a size up to 512 bytes."""
    assert odd(PATH, size, block, of_volume=False) is None


@pytest.mark.parametrize(("size", "block"), [(4097, 4096), (512, 4096), (4608, 1024)])
def test_what_does_not_end_with_a_block_is_refused_with_what_to_do(size: int, block: int) -> None:
    found = odd(PATH, size, block, of_volume=False)
    assert found is not None and found.is_sure
    assert f"has {size} bytes, no multiple of {block}" in found.message
    assert "qemu-img resize -f raw /srv/a.img " in found.message


def test_what_nobody_can_tell_is_doubted() -> None:
    found = odd(PATH, 4608, None, of_volume=True)
    assert found is not None and not found.is_sure
    assert "give the volume a capacity of 8KiB" in found.message
