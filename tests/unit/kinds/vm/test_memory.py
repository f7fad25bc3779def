"""Memory that NUMA cells add up to, where others say another."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import memory

AFTER = {memory.SIZE: "256MiB", memory.MAXIMUM: "256MiB", memory.HOTPLUG: "0B"}


@pytest.mark.parametrize(
    ("want", "says"),
    [
        ({memory.SIZE: "512MiB"}, "512MiB is above memory.maximum, which is 256MiB"),
        ({memory.MAXIMUM: "512MiB"}, "cannot be 512MiB: libvirt adds up what"),
        ({memory.SIZE: "256MiB"}, ""),
        ({}, ""),
    ],
)
def test_what_is_declared_cannot_be_more(want: dict[tuple[str, ...], str], says: str) -> None:
    mistakes = Mistakes("vm/web")
    memory.check(want, AFTER, mistakes)
    assert [says in str(error) for error in mistakes.errors] == ([True] if says else [])
