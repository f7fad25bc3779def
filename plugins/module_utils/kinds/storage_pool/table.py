# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a storage pool: its options, where they stand in the XML, and which type has which.

Source of the paths: https://libvirt.org/formatstorage.html.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from ...engine.codecs import Codec, boolean, choice, integer, text
from ...engine.fields import Field, Items, Rows, values_of
from ...engine.keys import Key, Values, is_within, key_of
from ...engine.xmltree import Element


@dataclass(frozen=True)
class PoolType:
    """What libvirt must know of a pool of one type, and what else it heeds."""

    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    path: str = ""  # the target where none is given
    formats: tuple[str, ...] = ()
    format: str = ""  # that libvirt says where nobody does


HIGHEST_ID = 2**32 - 2  # the next one means "leave it"
PERMISSIONS = ("permissions.mode", "permissions.owner", "permissions.group")
AUTH = ("source.auth.type", "source.auth.username", "source.auth.secret")
VOLUME_GROUP = ("source.name", "source.devices")
ISCSI = ("source.host", "source.device")
WORLD_WIDE_NAMES = ("source.adapter.wwnn", "source.adapter.wwpn")
OF_ADAPTERS = (
    "source.adapter.name",
    *WORLD_WIDE_NAMES,
    "source.adapter.parent",
    "source.adapter.managed",
)

# After poolTypeInfo in libvirt's storage_conf.c. Of a mounted pool libvirt would set the
# permissions of the empty mount point and read those of what is mounted: only a directory has them.
TYPES = {
    "dir": PoolType(("path",), PERMISSIONS),
    "fs": PoolType(
        ("path", "source.device"),
        ("source.format",),
        formats=("auto", "ext2", "ext3", "ext4", "xfs", "vfat", "iso9660", "udf", "gfs2", "ocfs2"),
        format="auto",
    ),
    "netfs": PoolType(
        ("path", "source.host", "source.path"),
        ("source.format", "source.protocol_version"),
        formats=("auto", "nfs", "glusterfs", "cifs"),
        format="auto",
    ),
    "logical": PoolType((), (*VOLUME_GROUP, "source.format"), formats=("lvm2",), format="lvm2"),
    "disk": PoolType(
        ("source.device",),
        ("path", "source.format"),
        "/dev",
        ("dos", "gpt", "mac", "bsd", "sun", "dvh", "pc98", "lvm2"),
    ),
    "iscsi": PoolType(
        ISCSI, ("path", "source.port", "source.initiator", *AUTH), "/dev/disk/by-path"
    ),
    "iscsi-direct": PoolType((*ISCSI, "source.initiator"), ("source.port", *AUTH)),
    "scsi": PoolType(("source.adapter.type",), ("path", *OF_ADAPTERS), "/dev/disk/by-path"),
    "mpath": PoolType((), ("path",), "/dev/mapper"),
    "rbd": PoolType(("source.name", "source.hosts"), AUTH),
    "zfs": PoolType((), VOLUME_GROUP),
}

# The same of the adapters of a SCSI pool.
ADAPTERS = {
    "scsi_host": PoolType(("source.adapter.name",)),
    "fc_host": PoolType(WORLD_WIDE_NAMES, ("source.adapter.parent", "source.adapter.managed")),
}


# ---- the table


def path() -> Codec:
    """An absolute path, in the form to which libvirt brings it (virFileSanitizePath)."""

    def parse(given: Any) -> str:
        value = re.sub("/+", "/", str(given))
        if not value.startswith("/"):
            raise ValueError(f"{given!r} is not an absolute path")
        if re.search(r"[\x00-\x1f]", value):
            raise ValueError(
                f"{given!r} has a line end or the like, which no disk in it could name; write it "
                "on one line (in YAML, without | or >)"
            )
        return value.rstrip("/") or "/"

    return Codec(parse, lambda found: found or "", lambda value: value or None)


def mode() -> Codec:
    """File permissions as an octal text, quoted, since YAML reads a bare 0755 as a number."""

    def parse(given: Any) -> str:
        if not isinstance(given, str) or not re.fullmatch("0?[0-7]{3}", given):
            raise ValueError(f"{given!r} is not a mode; write it quoted, such as '0711'")
        return given.rjust(4, "0")

    return Codec(parse, lambda found: found, lambda value: value, {"type": "raw"})


def reference() -> Codec:
    """The name of a secret, which is no secret itself."""
    return replace(text(), spec={"type": "str", "no_log": False})


def some() -> Codec:
    """A text that there has to be: without it libvirt has no pool, or puts another in its place."""

    def parse(given: Any) -> str:
        if not str(given):
            raise ValueError("is empty; leave it out to keep what the pool has")
        return str(given)

    return replace(text(), parse=parse)


def wwn() -> Codec:
    """A name of Fibre Channel, as libvirt checks it (virValidateWWN)."""
    return text(r"(0x)?[0-9a-fA-F]{16}", "a name of 16 hexadecimal digits")


def _told_apart_by(attribute: str, tag: str) -> dict[str, Any]:
    """The part of an Items row for elements that are told apart by one attribute."""

    def new(name: str) -> Element:
        return Element(tag, {attribute: name})

    return {"name_of": lambda item: item.get(attribute), "new": new, "key": (attribute, some())}


PORT = integer(1, 65535)
HOST_ROWS = (Field("port", "@port", PORT),)

ROWS: Rows = (
    Field("type", "@type", choice(*TYPES)),
    Field("path", "target/path", path()),
    Field("permissions.mode", "target/permissions/mode", mode()),
    Field("permissions.owner", "target/permissions/owner", integer(0, HIGHEST_ID)),
    Field("permissions.group", "target/permissions/group", integer(0, HIGHEST_ID)),
    Field("source.path", "source/dir/@path", some()),
    Field("source.name", "source/name", some()),
    Field("source.format", "source/format/@type"),
    Field("source.host", "source/host/@name", some()),
    Field("source.port", "source/host/@port", PORT),
    Items("source.hosts", "source/host", HOST_ROWS, **_told_apart_by("name", "host")),
    Field("source.device", "source/device/@path", some()),
    Items("source.devices", "source/device", (), **_told_apart_by("path", "device")),
    Field("source.adapter.type", "source/adapter/@type", choice("scsi_host", "fc_host")),
    Field("source.adapter.name", "source/adapter/@name", some()),
    Field("source.adapter.parent", "source/adapter/@parent"),
    Field("source.adapter.wwnn", "source/adapter/@wwnn", wwn()),
    Field("source.adapter.wwpn", "source/adapter/@wwpn", wwn()),
    Field("source.adapter.managed", "source/adapter/@managed", boolean()),
    Field("source.initiator", "source/initiator/iqn/@name"),
    Field(
        "source.protocol_version", "source/protocol/@ver", text(r"[0-9.]+", "a version such as 4.2")
    ),
    Field("source.auth.type", "source/auth/@type", choice("chap", "ceph")),
    Field("source.auth.username", "source/auth/@username", some()),
    Field("source.auth.secret", "source/auth/secret/@usage", reference()),
)

# A pool has one of these, except of the types that list several under the plural.
ONE_OR_MORE = {"source.host": "source.hosts", "source.device": "source.devices"}


# ---- finding options


def option_of(key: Key) -> str:
    """The option of a key: the fields of a thing in a list belong to the list."""
    return next(row.name for row in ROWS if is_within(key, key_of(row.name)))


def values_in(pool: Element) -> Values:
    """The values of a pool, without the rows that its type has under another name."""
    values = values_of(ROWS, pool)
    for one, many in ONE_OR_MORE.items():
        unused = one if many in options_of(pool) else many
        values = {key: value for key, value in values.items() if option_of(key) != unused}
    return values


def options_of(pool: Element) -> tuple[str, ...]:
    """The options that mean something for this pool."""
    known = TYPES.get(pool.get("type", ""), PoolType())
    return (*known.needs, *known.takes)
