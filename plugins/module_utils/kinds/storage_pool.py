# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools: their table, and what a declaration does to one.

Source of the paths: https://libvirt.org/formatstorage.html. Nothing of a pool's definition can be
changed while it is active: libvirt stores the new definition and takes it up at the next start.
"""

from __future__ import annotations

import posixpath
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.appliers import storage_pool as appliers
from ansible_collections.kvm.fleet.plugins.module_utils.codecs import (
    Codec,
    Value,
    choice,
    integer,
    text,
)
from ansible_collections.kvm.fleet.plugins.module_utils.connection import Host
from ansible_collections.kvm.fleet.plugins.module_utils.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.fields import (
    ABSENT,
    Field,
    Items,
    Key,
    Rows,
    Values,
    edit,
    spec_of,
    values_of,
    want_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.base import World
from ansible_collections.kvm.fleet.plugins.module_utils.plan import (
    CREATE,
    DELETE,
    LIVE,
    NONE,
    RESTART,
    STORED,
    UPDATE,
    Change,
    Have,
    Plan,
    Wanted,
    compare,
    nested,
)
from ansible_collections.kvm.fleet.plugins.module_utils.xmltree import FLEET_NS, Element

ACTIVE, INACTIVE, GONE = "active", "inactive", "absent"
STATE, AUTOSTART, PERSISTENT = ("state",), ("autostart",), ("persistent",)


@dataclass(frozen=True)
class PoolType:
    """What libvirt must know of a pool of one type, and what else it heeds."""

    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    path: str = ""  # the target where none is given
    formats: tuple[str, ...] = ()


PERMISSIONS = ("permissions.mode", "permissions.owner", "permissions.group")
AUTH = ("source.auth.type", "source.auth.username", "source.auth.secret")
VOLUME_GROUP = ("source.name", "source.devices")
ISCSI = ("source.host", "source.device")

# After poolTypeInfo in libvirt's storage_conf.c. Of a mounted pool libvirt would set the permissions of
# the empty mount point and read those of what is mounted on it: only a directory takes them.
TYPES = {
    "dir": PoolType(("path",), PERMISSIONS),
    "fs": PoolType(
        ("path", "source.device"),
        ("source.format",),
        formats=("auto", "ext2", "ext3", "ext4", "xfs", "vfat", "iso9660", "udf", "gfs2", "ocfs2"),
    ),
    "netfs": PoolType(
        ("path", "source.host", "source.path"),
        ("source.format", "source.protocol_version"),
        formats=("auto", "nfs", "glusterfs", "cifs"),
    ),
    "logical": PoolType((), (*VOLUME_GROUP, "source.format"), formats=("lvm2",)),
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
    "mpath": PoolType((), ("path",), "/dev/mapper"),
    "rbd": PoolType(("source.name", "source.hosts"), AUTH),
    "zfs": PoolType((), VOLUME_GROUP),
}


# ---- the table


def path() -> Codec:
    """An absolute path, in the form to which libvirt brings it (virFileSanitizePath)."""

    def parse(given: Any) -> str:
        value = re.sub("/+", "/", str(given))
        if not value.startswith("/"):
            raise ValueError(f"{given!r} is not an absolute path")
        return value.rstrip("/") or "/"

    return Codec(parse, lambda found: found or "", lambda value: value or None)


def mode() -> Codec:
    """File permissions as an octal text. YAML reads a bare 0755 as a number, so it must be quoted."""

    def parse(given: Any) -> str:
        if not isinstance(given, str) or not re.fullmatch("0?[0-7]{3}", given):
            raise ValueError(f"{given!r} is not a mode; write it quoted, such as '0711'")
        return given.rjust(4, "0")

    return Codec(parse, lambda found: found, lambda value: value, {"type": "raw"})


def reference() -> Codec:
    """The name of a secret, which is no secret itself."""
    return replace(text(), spec={"type": "str", "no_log": False})


def _told_apart_by(attribute: str, tag: str) -> dict[str, Any]:
    """The part of an Items row for elements that one attribute tells apart, which is the option too."""

    def new(name: str) -> Element:
        return Element(tag, {attribute: name})

    return {"name_of": lambda item: item.get(attribute), "new": new, "key": (attribute, text())}


PORT = integer(1, 65535)
HOST_ROWS = (Field("port", "@port", PORT),)

ROWS: Rows = (
    Field("type", "@type", choice(*TYPES)),
    Field("path", "target/path", path()),
    Field("permissions.mode", "target/permissions/mode", mode()),
    Field("permissions.owner", "target/permissions/owner", integer(0)),
    Field("permissions.group", "target/permissions/group", integer(0)),
    Field("source.path", "source/dir/@path"),
    Field("source.name", "source/name"),
    Field("source.format", "source/format/@type"),
    Field("source.host", "source/host/@name"),
    Field("source.port", "source/host/@port", PORT),
    Items("source.hosts", "source/host", HOST_ROWS, **_told_apart_by("name", "host")),
    Field("source.device", "source/device/@path"),
    Items("source.devices", "source/device", (), **_told_apart_by("path", "device")),
    Field("source.initiator", "source/initiator/iqn/@name"),
    Field("source.protocol_version", "source/protocol/@ver"),
    Field("source.auth.type", "source/auth/@type", choice("chap", "ceph")),
    Field("source.auth.username", "source/auth/@username"),
    Field("source.auth.secret", "source/auth/secret/@usage", reference()),
)

# A pool has one of these, except of the types that list several under the plural.
ONE_OR_MORE = {"source.host": "source.hosts", "source.device": "source.devices"}


class StoragePool:
    """The kind `storage_pool`."""

    name = "storage_pool"

    def spec(self) -> dict[str, Any]:
        """The argument spec of one pool."""
        return {
            "name": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "choices": ["present", "inactive", "absent"],
                "default": "present",
            },
            "autostart": {"type": "bool"},
            "build": {"type": "bool", "default": True},
            "apply": {"type": "str", "choices": ["live", "restart"], "default": "live"},
            **spec_of(ROWS),
        }

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The pool that a user declared."""
        mistakes = Mistakes(f"{self.name}/{params['name']}")
        _check_name(params["name"], mistakes)
        values = want_of(ROWS, params, mistakes)
        mistakes.raise_any()
        options = {option: params.get(option) for option in ("autostart", "build", "apply")}
        return [Wanted(self.name, params["name"], params["state"], values, options)]

    def read(self, host: Host, names: Iterable[str] | None) -> dict[str, Have]:
        """Pools as they are: the stored definition, what runs of it, and what is not in the XML."""
        return appliers.read_pools(host, names)

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one pool."""
        if wanted.state == ABSENT:
            return _removal(wanted, have)
        _check(wanted, have, world)
        return _update(wanted, have) if have.exists else _creation(wanted, have)

    def apply(self, host: Host, plan: Plan) -> None:
        """Do what the plan says."""
        appliers.apply_pool(host, plan, steps_of(plan))

    def result(self, have: Have) -> dict[str, Any]:
        """A pool as a module returns it."""
        return shown(have)


KIND = StoragePool()


# ---- what other kinds ask of a pool


def holds(pool: Have, path: str) -> bool:
    """Whether a path on the host is that of a volume of this pool."""
    if pool.stored is None:
        return False
    below = xmltree.get(pool.stored, "target/path") or ""
    if pool.stored.get("type") == "disk":  # its volumes are the partitions of a disk: /dev/sdb1
        return path.startswith(xmltree.get(pool.stored, "source/device/@path") or below)
    return bool(below) and posixpath.dirname(path) == below


def disks_in(pool: Have, domain: Element) -> list[str]:
    """The disks of a VM, by target, whose storage is in this pool."""
    disks = xmltree.find_all(domain, "devices/disk")
    return [
        xmltree.get(disk, "target/@dev") or "?"
        for disk in disks
        if xmltree.get(disk, "source/@pool") == pool.name
        or any(holds(pool, xmltree.get(disk, f"source/@{at}") or "") for at in ("file", "dev"))
    ]


def stops(plan: Plan) -> bool:
    """Whether a plan stops a pool that is active, be it to start it again."""
    return "stop" in steps_of(plan)


# ---- checks


def _check_name(name: str, mistakes: Mistakes) -> None:
    if not name or name != name.strip() or re.search(r"[/\n]", name):
        mistakes.add(
            f"{name!r} is empty, has a slash or line end, or begins or ends with a space", "name"
        )


def _check(wanted: Wanted, have: Have, world: World) -> None:
    """Mistakes that show against what the pool is, and against other pools."""
    mistakes = Mistakes(wanted.resource)
    was = values_of(ROWS, have.stored).get(("type",)) if have.stored is not None else None
    kind = wanted.values.get(("type",), was)
    if kind is None:
        mistakes.add(f"is needed for a new pool; one of {', '.join(TYPES)}", "type")
    elif was not in (None, kind):
        mistakes.add(
            f"is {was} and cannot become {kind}; declare a pool with another name, or remove this one "
            "first (its contents stay)",
            "type",
        )
    elif kind in TYPES:
        _check_options(kind, wanted, not have.exists, mistakes)
        _check_source(wanted, have, world, mistakes)
    mistakes.raise_any()


def _check_options(kind: str, wanted: Wanted, new: bool, mistakes: Mistakes) -> None:
    known = TYPES[kind]
    given = {_option(key): value for key, value in wanted.values.items()}
    for option in given:
        if option not in ("type", *known.needs, *known.takes):
            mistakes.add(f"means nothing for a pool of type {kind}", option)
    for option in known.needs:
        if new and option not in given:
            mistakes.add(f"is needed for a pool of type {kind}", option)
    wanted_format = given.get("source.format")
    if wanted_format is not None and wanted_format not in known.formats and known.formats:
        mistakes.add(f"{wanted_format!r} is none of {', '.join(known.formats)}", "source.format")


def _option(key: Key) -> str:
    """The option of a key: the fields of a thing in a list belong to the list."""
    return next(
        row.name for row in ROWS if key[: row.name.count(".") + 1] == tuple(row.name.split("."))
    )


def _check_source(wanted: Wanted, have: Have, world: World, mistakes: Mistakes) -> None:
    """libvirt refuses two pools on one directory or device, but only once it is told to define one."""
    mine = _sources(_edited(wanted, have))
    if have.stored is not None and mine == _sources(have.stored):
        return
    for other in world.everything("storage_pool").values():
        both = mine & _sources(other.stored) if other.name != wanted.name else None
        if both:
            option, value = sorted(both)[0]
            mistakes.add(f"{value} is already that of pool {other.name}", option)


def _sources(pool: Element | None) -> set[tuple[str, str]]:
    """What only one pool can stand on, by option."""
    if pool is None:
        return set()
    have = values_of(ROWS, pool)
    option = "source.devices" if "source.devices" in options_of(pool) else "source.device"
    is_iscsi = str(pool.get("type")).startswith("iscsi")  # its device is a target on a server
    keys = [key for key in have if key[:2] == ("source", "devices") and not is_iscsi]
    found = {(option, key[2]) for key in keys}
    if pool.get("type") in ("dir", "fs", "netfs"):
        found.add(("path", have[("path",)]))
    return found


# ---- plans


def _removal(wanted: Wanted, have: Have) -> Plan:
    after = Have(have.kind, have.name)
    if not have.exists:
        return Plan(wanted, NONE, have, after)
    change = Change(wanted.resource, STATE, have.facts["state"], GONE, LIVE)
    return Plan(wanted, DELETE, have, after, (change,))


def _creation(wanted: Wanted, have: Have) -> Plan:
    tree = _edited(wanted, have)
    facts = {"state": _target(wanted), "autostart": _autostart(wanted), "persistent": True}
    values = {**_defaults(wanted), **wanted.values}
    changes = [Change(wanted.resource, key, None, value, STORED) for key, value in values.items()]
    changes.append(Change(wanted.resource, AUTOSTART, None, facts["autostart"], STORED))
    changes.append(Change(wanted.resource, STATE, GONE, facts["state"], LIVE))
    after = Have(have.kind, have.name, tree, tree if facts["state"] == ACTIVE else None, facts)
    return Plan(wanted, CREATE, have, after, tuple(changes))


def _update(wanted: Wanted, have: Have) -> Plan:
    facts = {**have.facts, "state": _target(wanted), "persistent": True}
    if wanted.options.get("autostart") is not None:
        facts["autostart"] = wanted.options["autostart"]
    tree = _edited(wanted, have)
    goes_on = have.live is not None and facts["state"] == ACTIVE
    changes = _changed_fields(wanted, have, goes_on)
    waiting = _waiting(wanted.resource, tree, have.live) if goes_on else []
    restarts = wanted.options.get("apply") == "restart" and bool(waiting)
    if restarts:
        changes += [c for c in waiting if c.field not in {change.field for change in changes}]
    changes += _changed_facts(wanted.resource, have.facts, facts)
    live = tree if restarts or have.live is None else have.live
    after = Have(have.kind, have.name, tree, live if facts["state"] == ACTIVE else None, facts)
    pending = () if restarts else tuple(waiting)
    return Plan(wanted, UPDATE if changes else NONE, have, after, tuple(changes), pending)


def _changed_fields(wanted: Wanted, have: Have, goes_on: bool) -> list[Change]:
    stored = values_of(ROWS, have.stored) if have.stored is not None else {}
    live = values_of(ROWS, have.live) if goes_on and have.live is not None else None
    return compare(wanted.resource, wanted.values, stored, live, lambda *_: (RESTART, ""))


def _waiting(resource: str, tree: Element, live: Element | None) -> list[Change]:
    """What the stored definition says and the active pool does not yet do."""
    if live is None:
        return []
    now = values_of(ROWS, live)
    return [
        Change(resource, key, now.get(key), value, RESTART, now.get(key))
        for key, value in values_of(ROWS, tree).items()
        if value not in (None, "") and value != now.get(key)
    ]


def _changed_facts(
    resource: str, before: Mapping[str, Value], after: Mapping[str, Value]
) -> list[Change]:
    effects = {STATE: LIVE, AUTOSTART: STORED, PERSISTENT: STORED}
    return [
        Change(resource, key, before[key[0]], after[key[0]], effect)
        for key, effect in effects.items()
        if before[key[0]] != after[key[0]]
    ]


def _target(wanted: Wanted) -> str:
    return ACTIVE if wanted.state == "present" else INACTIVE


def _autostart(wanted: Wanted) -> bool:
    """Whether a new pool is to start with the host: as its user says, or if it is to be active."""
    said = wanted.options.get("autostart")
    return _target(wanted) == ACTIVE if said is None else bool(said)


def _defaults(wanted: Wanted) -> Values:
    directory = TYPES[wanted.values[("type",)]].path
    return {("path",): directory} if directory else {}


def _edited(wanted: Wanted, have: Have) -> Element:
    """The definition as it will be stored."""
    if have.stored is not None:
        tree = xmltree.clone(have.stored)
        edit(ROWS, tree, wanted.values)
    else:
        tree = Element("pool")
        xmltree.put(tree, "name", wanted.name)
        xmltree.put(tree, "uuid", derived_uuid(wanted.name))
        edit(ROWS, tree, {**_defaults(wanted), **wanted.values})
    if ("source", "auth", "secret") in wanted.values:
        xmltree.put(tree, "source/auth/secret/@uuid", None)  # libvirt refuses both ways at once
    return tree


def derived_uuid(name: str) -> str:
    """The UUID of a new pool: the same for the same name, so that it stays the same pool."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{FLEET_NS}:storage_pool/{name}"))


# ---- steps


def steps_of(plan: Plan) -> list[str]:
    """What is to be called for a plan, in order; the appliers have a function of each name."""
    was, will = plan.have.facts.get("state"), plan.after.facts.get("state")
    if plan.action == DELETE:
        stop = ["stop"] if was == ACTIVE else []
        return stop + (["undefine"] if plan.have.facts["persistent"] else [])
    fields = {change.field for change in plan.changes}
    steps = ["define"] if fields - {STATE, AUTOSTART} else []
    steps += ["autostart"] if AUTOSTART in fields else []
    restarts = was == will == ACTIVE and plan.after.live is not plan.have.live
    if was == ACTIVE and (restarts or will == INACTIVE):
        steps.append("stop")
    if will == ACTIVE and (restarts or was != ACTIVE):
        steps += (["build"] if plan.wanted.options.get("build") else []) + ["start"]
    return steps


# ---- showing


def options_of(pool: Element) -> tuple[str, ...]:
    """The options that mean something for this pool."""
    known = TYPES.get(pool.get("type", ""), PoolType())
    return (*known.needs, *known.takes)


def shown(have: Have) -> dict[str, Any]:
    """A pool as modules return it, sizes in bytes."""
    if have.stored is None:
        return {"name": have.name, "state": GONE}
    tree = have.live if have.live is not None else have.stored
    values = {k: v for k, v in values_of(ROWS, have.stored).items() if v not in (None, "")}
    for one, many in ONE_OR_MORE.items():
        unused = one if many in options_of(have.stored) else many
        values = {key: value for key, value in values.items() if _option(key) != unused}
    sizes = {
        f"{name}_bytes": int(xmltree.get(tree, name) or 0)
        for name in ("capacity", "allocation", "available")
        if have.live is not None and tree.find(name) is not None
    }
    return {
        "name": have.name,
        "uuid": xmltree.get(have.stored, "uuid"),
        **{fact: have.facts[fact] for fact in ("state", "autostart", "persistent")},
        **nested(values),
        **sizes,
    }
