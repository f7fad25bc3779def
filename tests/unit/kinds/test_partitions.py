"""A new partition is called as libvirt will find it, or nothing is made."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import Fact
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume.kind import KIND
from support import worlds

POOL = """<pool type='disk'><name>parts</name>
<source><device path='/dev/disk/by-id/second'/><format type='{table}'/></source>
<target><path>/dev</path></target><available>1073741824</available></pool>"""
ACTIVE = {"state": "active", "autostart": True, "persistent": True}
VOLUME = "<volume><name>{name}</name><capacity>67108864</capacity></volume>"


def planned(name: str, there: tuple[str, ...] = (), disk: str = "/dev/vdc", **of: Any) -> Plan:
    """The plan for a volume in a pool of partitions of a disk that has some already."""
    tree = parse(POOL.format(table=of.get("table", "gpt")))
    pool = Have("storage_pool", "parts", tree, tree, ACTIVE)
    haves = {
        f"parts/{one}": Have("storage_volume", f"parts/{one}", parse(VOLUME.format(name=one)))
        for one in there
    }
    haves.setdefault(f"parts/{name}", Have("storage_volume", f"parts/{name}"))
    facts: dict[Fact, Any] = {**worlds.HERE, ("real_path", "/dev/disk/by-id/second"): disk}
    world = worlds.world({"storage_pool": {"parts": pool}, "storage_volume": haves}, facts)
    [wanted] = KIND.parse({"pool": "parts", "name": name, "capacity": "64MiB", "state": "present"})
    return KIND.plan(wanted, haves[wanted.name], world)


@pytest.mark.parametrize(
    ("name", "there", "disk", "of"),
    [
        ("vdc1", (), "/dev/vdc", {}),
        ("vdc2", ("vdc1", "vdc3"), "/dev/vdc", {}),
        ("nvme0n1p1", (), "/dev/nvme0n1", {}),
        ("data1", (), "/dev/dm-3", {}),
        # Numbered in another way.
        ("vdc5", ("vdc1",), "/dev/vdc", {"table": "dos"}),
    ],
)
def test_a_partition_that_will_be_called_so(
    name: str, there: tuple[str, ...], disk: str, of: dict[str, Any]
) -> None:
    assert planned(name, there, disk, **of).changes


@pytest.mark.parametrize(
    ("name", "there", "disk", "says"),
    [
        ("mine", (), "/dev/vdc", "is called vdc1, vdc2 and so on"),
        ("second1", (), "/dev/vdc", "is called vdc1, vdc2 and so on"),
        ("nvme0n11", (), "/dev/nvme0n1", "is called nvme0n1p1, nvme0n1p2 and so on"),
        ("vdc3", ("vdc1",), "/dev/vdc", "the next partition of /dev/disk/by-id/second is vdc2"),
    ],
)
def test_one_that_would_be_called_otherwise_is_refused(
    name: str, there: tuple[str, ...], disk: str, says: str
) -> None:
    with pytest.raises(FleetErrors, match=says):
        planned(name, there, disk)


def test_one_that_is_there_keeps_its_name() -> None:
    assert planned("vdc7", there=("vdc7",)).changes == ()
