"""A disk on a source of which no option is, that comes to stand on another."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import fields
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import UNION
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse, serialise
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.table import DISKS

VHOST_USER = "<disk type='vhostuser'><source type='unix' path='/run/s'/><target dev='vda'/></disk>"


@pytest.mark.parametrize(
    "source", [{"file": "/srv/a.img"}, {"network": {"protocol": "nbd", "name": "a"}}]
)
def test_it_comes_to_stand_on_another(source: dict[str, Any]) -> None:
    disk = parse(VHOST_USER)
    fields.edit(DISKS.rows, disk, {(UNION,): source})
    text = serialise(disk)
    assert "/run/s" not in text and "unix" not in text
    assert "<target dev='vda'/>" in text and "<source " in text
