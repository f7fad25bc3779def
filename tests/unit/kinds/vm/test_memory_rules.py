"""What of a VM's memory cannot be reserved, limited or locked."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import hardware

GIB = 2**20  # in KiB


def vm(parts: str = "", reserved: str = "", memory: int = GIB, kind: str = "kvm") -> str:
    mark = f'<fleet:resource><fleet:reservation memory="{reserved}"/></fleet:resource>'
    return (
        f"<domain type='{kind}'><metadata xmlns:fleet='urn:kvm.fleet:1'>{mark if reserved else ''}"
        f"</metadata><memory unit='KiB'>{memory}</memory><vcpu>2</vcpu>{parts}<devices/></domain>"
    )


def limit(kib: int, more: str = "") -> str:
    return f"<memtune><hard_limit unit='KiB'>{kib}</hard_limit>{more}</memtune>"


def mistakes(after: str, before: str = "") -> list[tuple[str, str]]:
    found = Mistakes()
    trees = [xmltree.parse(text) if text else None for text in (after, before)]
    assert trees[0] is not None
    hardware.check(trees[0], trees[1], found)
    return [(error.field, error.message) for error in found.errors]


LOCKED = "<memoryBacking><locked/></memoryBacking>"
PAGES = "<memoryBacking><hugepages/></memoryBacking>"
LOCKED_PAGES = "<memoryBacking><hugepages/><locked/></memoryBacking>"
CELL = "<cpu><numa><cell id='0' cpus='0-1' memory='1048576'/></numa></cpu>"


def plugged(size: int, requested: int = 0) -> str:
    target = f"<size unit='KiB'>{size}</size><requested unit='KiB'>{requested}</requested>"
    return (
        f"<domain type='kvm'><memory unit='KiB'>{GIB + size}</memory><vcpu>2</vcpu>{{}}{CELL}"
        f"<devices><memory model='virtio-mem'><target>{target}</target>"
        "<alias name='ua-hotplug'/></memory>"
        "</devices></domain>"
    )


BIG_PAGES = "<memoryBacking><hugepages><page size='1048576'/></hugepages></memoryBacking>"
SWAP = f"<swap_hard_limit unit='KiB'>{2 * GIB}</swap_hard_limit>"


@pytest.mark.parametrize(
    ("after", "field", "words"),
    [
        (vm(reserved=str(GIB + 1)), "memory.reservation", "above memory.maximum, which is 1GiB"),
        (vm(limit(GIB)), "memory.limit", "1GiB (memory.maximum)"),
        (vm(limit(GIB)), "memory.limit", "what QEMU needs beside it"),
        (vm(limit(1024) + PAGES), "memory.limit", "what QEMU needs beside it"),
        (vm(limit(GIB + GIB // 4) + LOCKED), "memory.limit", "memory.locked locks too"),
        (vm(limit(GIB + GIB // 2) + LOCKED, kind="qemu"), "memory.limit", "memory.locked"),
        (vm(limit(GIB) + LOCKED_PAGES), "memory.limit", "memory.locked"),
        (vm(limit(3 * GIB, SWAP)), "memory.limit", "above swap_hard_limit, which is 2GiB"),
        (vm(f"<memtune>{SWAP}</memtune>"), "memory.limit", "is needed"),
        (vm(reserved="all"), "memory.locked", "cannot be false"),
        (plugged(3 * 1024).format(""), "memory.hotplug", "no multiple of 2MiB"),
        (plugged(4096, 1024).format(""), "memory.size", "is 1MiB above memory.maximum"),
        (plugged(4096).format(BIG_PAGES), "memory.hotplug", "no multiple of 1GiB"),
        (plugged(4096).format(LOCKED), "memory.hotplug", "incompatible with mlock"),
    ],
)
def test_what_cannot_be_is_refused(after: str, field: str, words: str) -> None:
    found = mistakes(after)
    assert [one for one, message in found if words in message] == [field], found


@pytest.mark.parametrize(
    "after",
    [
        vm(reserved=str(GIB)),
        vm(limit(GIB + GIB // 4)),
        vm(limit(GIB // 4) + PAGES),
        vm(limit(2 * GIB) + LOCKED),
        vm(limit(2 * GIB, SWAP)),
        vm(LOCKED, reserved="all"),
        vm(PAGES, reserved="all"),
        plugged(4096, 2048).format(""),
        plugged(4096, 2048).format(PAGES),
    ],
)
def test_what_can_be_is_taken(after: str) -> None:
    assert mistakes(after) == []


def test_a_reservation_is_within_the_limit_of_others() -> None:
    both = mistakes(vm(limit(GIB // 2), reserved=str(GIB)), vm(limit(GIB // 2)))
    assert [field for field, _message in both] == ["memory.reservation"]


@pytest.mark.parametrize(("memory", "refused"), [(GIB, False), (GIB // 2, False), (2 * GIB, True)])
def test_a_small_limit_of_others_is_refused_where_it_gets_worse(memory: int, refused: bool) -> None:
    before, after = vm(limit(GIB // 4)), vm(limit(GIB // 4), memory=memory)
    assert bool(mistakes(after, before)) == refused
