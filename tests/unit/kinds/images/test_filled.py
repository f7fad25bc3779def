"""A half-made volume that QEMU fills at this moment is not made anew, and not removed."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    CREATE,
    DELETE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.images.one_writer import one_writer
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume.volumes import (
    HALF_MADE,
)
from support import worlds

POOL = "<pool type='dir'><name>fast</name><target><path>/srv/fast</path></target></pool>"
VOLUME = (
    "<volume><name>a.raw</name><capacity>1</capacity><target><path>/srv/fast/a.raw</path>"
    "<format type='raw'/></target></volume>"
)
VM = (
    "<domain type='kvm'><name>web</name><devices><disk type='file' device='disk'>"
    "<driver name='qemu' type='raw'/><source file='/srv/slow/a.raw'/><target dev='vdb'/>{}</disk>"
    "</devices></domain>"
)
MIRROR = "<mirror type='file' job='copy' ready='yes'><source file='{}'/></mirror>"


def said(action: str, mirror: str, half_made: bool = True) -> list[str]:
    stored, live = (xmltree.parse(VM.format(more)) for more in ("", mirror))
    vm = Have("vm", "web", stored, live, {"state": "running"})
    pool = xmltree.parse(POOL)
    there = {
        "vm": {"web": vm},
        "storage_pool": {"fast": Have("storage_pool", "fast", pool, pool)},
        "storage_volume": {},
    }
    have = Have("storage_volume", "fast/a.raw", facts={HALF_MADE: True} if half_made else {})
    made = Have("storage_volume", "fast/a.raw", xmltree.parse(VOLUME))
    plan = Plan(
        Wanted("storage_volume", "fast/a.raw", "present" if action == CREATE else "absent", {}),
        action,
        have,
        made if action == CREATE else have,
    )
    return [str(error) for error in one_writer([plan], worlds.world(there))]


@pytest.mark.parametrize("action", [CREATE, DELETE])
def test_it_stays_while_a_disk_is_copied_into_it(action: str) -> None:
    [told] = said(action, MIRROR.format("/srv/fast/a.raw"))
    assert told.startswith("storage_volume/fast/a.raw: disk vdb of vm/web is copied into it")
    assert "storage_migration" in told


@pytest.mark.parametrize("action", [CREATE, DELETE])
def test_what_nobody_fills_is_a_leftover(action: str) -> None:
    assert said(action, "") == []
    assert said(action, MIRROR.format("/srv/fast/b.raw")) == []
