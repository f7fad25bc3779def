# SPDX-License-Identifier: GPL-3.0-or-later
"""What it means that a pool was not built or started, where libvirt shows a program's output."""

from __future__ import annotations

import re
from typing import NamedTuple

from ...engine import xmltree
from ...engine.xmltree import Element


class Meaning(NamedTuple):
    """What is wrong, and the option that it is about."""

    message: str
    field: str


def can_be_built(pool: Element) -> bool:
    """Whether libvirt has something to make it of: of no device come no volume group and no zpool.

    A data set below a zpool needs none (virStorageBackendZFSBuildPool).
    """
    kind, name = pool.get("type"), xmltree.get(pool, "source/name") or ""
    if kind == "zfs" and "/" in name:
        return True
    return kind not in ("logical", "zfs") or pool.find("source/device") is not None


def is_there(said: str, pool: Element) -> bool:
    """Whether ZFS made nothing since it is there, for which libvirt has no code as for others."""
    name = re.escape(xmltree.get(pool, "source/name") or "")
    there = rf"(dataset|pool) already exists|is part of active pool '{name}'"
    return pool.get("type") == "zfs" and re.search(there, said) is not None


def has_no_copy_on_write(said: str) -> bool:
    """Whether all is made, but for what others say of btrfs (`<cow>`) where another file system is.

    libvirt makes the folder first (virStorageBackendBuildLocal), and starts the pool without it.
    """
    return "unable to control COW flag" in said and "not btrfs" in said


def meaning_of(said: str, pool: Element) -> Meaning | None:
    """What libvirt's words mean for this pool; None where nothing is better than they are."""
    for pattern, message, field in MEANINGS:
        match = re.search(pattern, said)
        if match:
            names = {
                "device": xmltree.get(pool, "source/device/@path"),
                "format": xmltree.get(pool, "source/format/@type"),
                "host": xmltree.get(pool, "source/host/@name"),
                **match.groupdict(),
            }
            return Meaning(message.format(**names), field)
    return None


MEANINGS = (
    (
        r"iSCSI login failed due to authorization failure",
        "the target {device} refuses the login; see that its access list has the initiator name of "
        "this host (/etc/iscsi/initiatorname.iscsi), and that the name and the secret of "
        "source.auth are those that it knows",
        "source.auth",
    ),
    (
        r"iscsiadm.*--login\) unexpected exit status 8\b",
        "{host} answers, but does not let the host in to the target {device}, which was tried for "
        "minutes; see that it has a target of this name, and that it is enabled",
        "source.device",
    ),
    (
        r"failed to connect to the RADOS monitor",
        "Ceph does not let the host in, or did not answer for 30 s; see that the name and the "
        "secret of source.auth are those that it knows (ceph auth get client.NAME), that its "
        "monitors have a quorum (ceph status), and that each of source.hosts has an address",
        "source.auth",
    ),
    (
        r"failed to create the RBD IoCTX\. Does the pool '(?P<pool>[^']*)' exist",
        "Ceph has no pool {pool}, or does not let the user see it; make it (ceph osd pool create "
        "{pool}, rbd pool init {pool}), or name another",
        "source.name",
    ),
    (
        r"mkfs: failed to execute (?P<program>mkfs\.\S+): No such file",
        "{program} is not on the host, so nothing was formatted; install the package that has it, "
        "or format {device} yourself",
        "source.format",
    ),
    (
        r"mount.*wrong fs type, bad option, bad superblock",
        "{device} has no file system of the format {format}, and what it has stays; name that "
        "format, or clear the device yourself (wipefs)",
        "source.format",
    ),
)
