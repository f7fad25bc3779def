"""What programs said on hosts whose pools could not be built or started, and what that means."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool.meanings import (
    can_be_built,
    is_there,
    meaning_of,
)

TARGET = "iqn.2026-01.fleet.kvm.lab:locked"
ISCSI = f"<pool type='iscsi'><source><host name='nas'/><device path='{TARGET}'/></source></pool>"
FS = "<pool type='fs'><source><device path='/dev/sdb'/><format type='xfs'/></source></pool>"
# libvirt 11.3, open-iscsi 2.1.11, util-linux 2.41.
LOGIN = f"""\
internal error: Child process (/sbin/iscsiadm --mode node --portal 127.0.0.1:3260,1 --targetname \
{TARGET} --login) unexpected exit status 24: iscsiadm: Could not login to [iface: default, target: \
{TARGET}, portal: 127.0.0.1,3260].
iscsiadm: initiator reported error (24 - iSCSI login failed due to authorization failure)
iscsiadm: Could not log into all portals
"""
NO_TARGET = f"""\
internal error: Child process (/sbin/iscsiadm --mode node --portal 127.0.0.1:3260,1 --targetname \
{TARGET} --login) unexpected exit status 8: iscsiadm: Could not login to [iface: default, target: \
{TARGET}, portal: 127.0.0.1,3260].
iscsiadm: initiator reported error (8 - connection timed out)
iscsiadm: Could not log into all portals
"""
FORMAT = """\
internal error: Child process (/sbin/mkfs -t xfs -F /dev/sdb) unexpected exit status 1: \
mkfs: failed to execute mkfs.xfs: No such file or directory
"""
# libvirt 9.0, util-linux 2.38.
MOUNT = """\
internal error: Child process (/usr/bin/mount -t xfs /dev/sdb /srv -o nodev,nosuid,noexec) \
unexpected exit status 32: mount: /srv: wrong fs type, bad option, bad superblock on /dev/sdb, \
missing codepage or helper program, or other error.
"""


@pytest.mark.parametrize(
    ("said", "pool", "field", "says"),
    [
        (LOGIN, ISCSI, "source.auth", f"the target {TARGET} refuses the login"),
        (
            NO_TARGET,
            ISCSI,
            "source.device",
            f"nas answers, but does not let the host in to the target {TARGET}",
        ),
        (MOUNT, FS, "source.format", "/dev/sdb has no file system of the format xfs"),
        (FORMAT, FS, "source.format", "mkfs.xfs is not on the host, so nothing was formatted"),
    ],
)
def test_a_known_failure_is_told_in_one_sentence(
    said: str, pool: str, field: str, says: str
) -> None:
    meant = meaning_of(said, parse(pool))
    assert meant is not None
    assert (meant.field, meant.message.startswith(says)) == (field, True), meant.message
    assert "\n" not in meant.message


def test_another_one_keeps_the_words_of_libvirt() -> None:
    assert meaning_of("cannot open directory '/srv': Permission denied", parse(FS)) is None


ZPOOL = "<pool type='zfs'><source>{}<name>tank</name></source></pool>"
DEVICE = "<device path='/dev/sdd'/>"
FAILED = "internal error: Child process ({}) unexpected exit status 1: {}"


@pytest.mark.parametrize(
    ("said", "field", "why"),
    [
        ("failed to connect to the RADOS monitor on: mon:6789,: Success", "source.auth", "quorum"),
        (
            "failed to create the RBD IoCTX. Does the pool 'vms' exist?: No such file or directory",
            "source.name",
            "ceph osd pool create vms",
        ),
    ],
)
def test_what_ceph_refuses_is_said_in_its_words(said: str, field: str, why: str) -> None:
    meant = meaning_of(said, parse("<pool type='rbd'/>"))
    assert meant is not None and meant.field == field and why in meant.message


@pytest.mark.parametrize(
    ("pool", "can"),
    [
        (ZPOOL.format(""), False),
        (ZPOOL.format(DEVICE), True),
        ("<pool type='zfs'><source><name>tank/vms</name></source></pool>", True),
        ("<pool type='logical'><source><name>vg</name></source></pool>", False),
        (FS, True),
    ],
)
def test_a_pool_is_built_of_something(pool: str, can: bool) -> None:
    assert can_be_built(parse(pool)) is can


@pytest.mark.parametrize(
    ("said", "there"),
    [
        ("cannot create 'tank/vms': dataset already exists", True),
        ("cannot create 'tank': pool already exists", True),
        ("/dev/sdd is part of active pool 'tank'", True),
        ("/dev/sdd is part of active pool 'other'", False),
        ("/dev/sdd is in use and contains a ext4 filesystem.", False),
    ],
)
def test_zfs_that_is_there_was_built_before(said: str, there: bool) -> None:
    error = FAILED.format("zpool create tank /dev/sdd", said)
    assert is_there(error, parse(ZPOOL.format(DEVICE))) is there
