"""How what is said of a NIC is kept."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.nic_rows import QUEUES


@pytest.mark.parametrize(("given", "kept"), [(0, None), ("1", None), (2, "2"), (256, "256")])
def test_one_queue_is_none_that_libvirt_would_keep(given: object, kept: str | None) -> None:
    assert QUEUES.encode(QUEUES.parse(given)) == kept
