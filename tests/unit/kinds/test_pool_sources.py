"""What two pools of a host cannot both stand on."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool.sources import (
    shared,
    stand_of,
)

FOLDER = "<pool type='dir'><target><path>/srv/a</path></target></pool>"
SHARE = """<pool type='netfs'><source><host name='{}'/><dir path='{}'/></source>
    <target><path>{}</path></target></pool>"""
GROUP = "<pool type='logical'><source><device path='/dev/sdb'/><name>vg</name></source></pool>"
DISK = "<pool type='disk'><source><device path='{}'/></source></pool>"
TARGET = "<pool type='iscsi'><source><host name='{}'/><device path='iqn.x:y'/>{}</source></pool>"
AS = "<initiator><iqn name='iqn.a:b'/></initiator>"
MAPS = "<pool type='mpath'><target><path>/dev/mapper</path></target></pool>"
ADAPTER = "<pool type='scsi'><source><adapter name='{}'/></source></pool>"
PORT = "<pool type='scsi'><source><adapter type='fc_host' wwnn='{}' wwpn='2' {}/></source></pool>"
NAME, PARENT = "source.adapter.name", "source.adapter.parent"
BELOW = "parent='scsi_host6'"

IN_BOTH = {
    "folder": (FOLDER, FOLDER, ("path", "/srv/a")),
    "export": (
        SHARE.format("nas", "/a", "/mnt/1"),
        SHARE.format("nas", "/a", "/mnt/2"),
        ("source.path", "/a"),
    ),
    "device of a group": (DISK.format("/dev/sdb"), GROUP, ("source.device", "/dev/sdb")),
    "group on a device": (GROUP, DISK.format("/dev/sdb"), ("source.devices", "/dev/sdb")),
    "target by another server": (
        TARGET.format("a", ""),
        TARGET.format("b", ""),
        ("source.device", "iqn.x:y"),
    ),
    "maps": (MAPS, MAPS, ("type", "mpath")),
    "adapter": (ADAPTER.format("host6"), ADAPTER.format("scsi_host06"), (NAME, "host6")),
    "port": (PORT.format(1, ""), PORT.format(1, BELOW), ("source.adapter.wwpn", "2")),
    "adapter below": (PORT.format(1, BELOW), ADAPTER.format("host6"), (PARENT, "host6")),
    "port in it": (ADAPTER.format("host6"), PORT.format(1, BELOW), (NAME, "host6")),
}  # fmt: skip
APART = {
    "exports": (SHARE.format("nas", "/a", "/mnt/1"), SHARE.format("nas", "/b", "/mnt/2")),
    "servers": (SHARE.format("nas", "/a", "/mnt/1"), SHARE.format("old", "/a", "/mnt/2")),
    "ports": (
        SHARE.format("nas", "/a", "/mnt/1"),
        SHARE.format("nas' port='2050", "/a", "/mnt/2"),
    ),
    "devices": (DISK.format("/dev/sdc"), GROUP),
    "initiators": (TARGET.format("a", ""), TARGET.format("a", AS)),
    "adapters": (ADAPTER.format("host6"), ADAPTER.format("host7")),
    "ports of one adapter": (PORT.format(1, BELOW), PORT.format(3, BELOW)),
    "another kind": (MAPS, FOLDER),
    "no adapter": ("<pool type='scsi'><source/></pool>", ADAPTER.format("host6")),
}


@pytest.mark.parametrize("case", IN_BOTH)
def test_what_two_pools_share_is_told_by_the_option_that_names_it(case: str) -> None:
    mine, other, told = IN_BOTH[case]
    assert shared(stand_of(parse(mine)), stand_of(parse(other))) == told


@pytest.mark.parametrize("case", APART)
def test_what_is_not_the_same_is_not_shared(case: str) -> None:
    one, two = (stand_of(parse(pool)) for pool in APART[case])
    assert shared(one, two) is None
    assert shared(two, one) is None
