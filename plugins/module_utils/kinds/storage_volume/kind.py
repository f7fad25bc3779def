# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage volumes: what a pool holds, declared as `POOL/NAME`.

Source of the paths: https://libvirt.org/formatstorage.html. Of a volume that exists only the
capacity can change, and only upwards. What it is made from counts when it is made, and never again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...engine import xmltree
from ...engine.changes import LIVE, STORED, Change
from ...engine.codecs import Codec, choice, size
from ...engine.errors import FleetError, Mistakes
from ...engine.fields import Field, Rows, edit, spec_of, want_of
from ...engine.keys import ABSENT, Values
from ...engine.plan import CREATE, DELETE, NONE, UPDATE, Have, Plan, Wanted
from ...engine.texts import why_no_file
from ...engine.units import format_size, parse_size
from ...engine.world import World
from ...host.connection import Host
from .design import check_pool, design
from .reader import read_volumes
from .volumes import (
    GROWS_VOLUMES,
    HALF_MADE,
    UNSEEN,
    backing_of,
    capacity_of,
    format_of,
    is_mark,
    mark_of,
    name_in_pool,
    pool_of,
    type_of,
    volume_path,
)

if TYPE_CHECKING:
    from ...engine.accounting import Books

# Pools of block devices round a capacity up to what they allocate in, 4 MiB for LVM unless its
# volume group says otherwise. A volume this little above what is wanted is the one that is wanted.
ROUNDING = {"logical": parse_size("32MiB"), "disk": parse_size("8MiB"), "zfs": parse_size("1MiB")}

STATE, CAPACITY, FORMAT = ("state",), ("capacity",), ("format",)
RESIZABLE = ("raw", "qcow2", "qed")  # the formats that QEMU can resize
SOURCES = ("copy_of", "backing", "image")
HEX_DIGITS = {"sha256": 64, "sha512": 128}


def _capacity() -> Codec:
    def parse(given: Any) -> str:
        number = parse_size(given)
        if number == 0 or number % 1024:  # libvirt hands whole KiB to qemu-img
            raise ValueError(f"{given} is no multiple of 1KiB above zero")
        return format_size(number)

    return replace(size(), parse=parse)


ROWS: Rows = (
    Field("capacity", "capacity", _capacity()),
    Field("format", "target/format/@type", choice("qcow2", "raw")),
)


class StorageVolume:
    """The kind `storage_volume`."""

    name = "storage_volume"

    @property
    def books(self) -> Books:
        """What an edit may change, and as what the plan shows it."""
        from ...engine.accounting import Books, Part

        return Books(lambda volume: [Part(ROWS, volume)])

    def spec(self) -> dict[str, Any]:
        """The argument spec of one volume."""
        text = {"type": "str"}
        needed = {"type": "str", "required": True}
        by_file = {"file": {"type": "path"}, "format": {"type": "str", "choices": ["qcow2", "raw"]}}
        backing = {"pool": text, "volume": text, **by_file}
        return {
            "pool": needed,
            "name": needed,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "provisioning": {"type": "str", "choices": ["thin", "thick"]},
            "copy_of": {"type": "dict", "options": {"pool": text, "volume": needed}},
            "backing": {"type": "dict", "options": backing},
            "image": {"type": "path"},
            "checksum": text,
            "existing": {"type": "str", "choices": ["adopt", "error"]},
            **spec_of(ROWS),
        }

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The volume that a user declared. Not every option need be in the parameters."""
        name = f"{params['pool']}/{params['name']}"
        mistakes = Mistakes(f"{self.name}/{name}")
        _check_name(params["name"], mistakes)
        _check_sources(params, mistakes)
        values = want_of(ROWS, params, mistakes)
        mistakes.raise_any()
        copy_of, backing = _full_name(params.get("copy_of"), params["pool"]), _backing(params)
        options = {
            "provisioning": params.get("provisioning"),
            "copy_of": copy_of,
            "backing": backing,
            "image": params.get("image"),
            "checksum": params.get("checksum"),
            "existing": params.get("existing"),
        }
        state = params.get("state") or "present"
        needs = _needs(params["pool"], copy_of, (backing or {}).get("volume"))
        return [Wanted(self.name, name, state, values, options, needs)]

    def read(self, host: Host, names: Iterable[str] | None) -> dict[str, Have]:
        """Volumes as they are; of pools that are not active only those of folders are seen."""
        return read_volumes(host, names)

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one volume."""
        if wanted.state == ABSENT:
            return _removal(wanted, have, world)
        if have.exists:
            return _update(wanted, have, world)
        return _creation(wanted, have, world)

    def apply(self, host: Host, plan: Plan) -> None:
        """Do what the plan says."""
        from .applier import APPLIERS

        APPLIERS[plan.action](host, plan)

    def result(self, have: Have) -> dict[str, Any]:
        """A volume as a module returns it."""
        return shown(have)


KIND = StorageVolume()

# Of 255 bytes, with what its mark has beside the name.
LONGEST_NEW_NAME = 255 - len(mark_of(""))


# ---- a declaration by itself


def _check_name(name: str, mistakes: Mistakes) -> None:
    if not name or name in (".", "..") or re.search(r"[/\x00-\x1f]", name):
        mistakes.add(f"{name!r} is empty, has a slash or control character, or is a folder", "name")
    if is_mark(name):
        mistakes.add(f"{name} is a name that marks a volume which is being made", "name")


def _check_sources(params: Mapping[str, Any], mistakes: Mistakes) -> None:
    given = [source for source in SOURCES if params.get(source)]
    if len(given) > 1:
        mistakes.add(f"{' and '.join(given)} exclude each other; a volume is made from one thing")
    if params.get("checksum"):
        _check_checksum(str(params["checksum"]), "image" in given, mistakes)
    if params.get("provisioning") == "thick" and {"backing", "image"} & set(given):
        mistakes.add("thick is for a volume that is made empty or as a copy", "provisioning")
    backing = params.get("backing") or {}
    if backing and bool(backing.get("volume")) == bool(backing.get("file")):
        mistakes.add("needs a volume or a file, and not both", "backing")
    if backing.get("volume") and backing.get("format"):
        mistakes.add("goes with a file; a volume's format is known", "backing.format")
    if backing and params.get("format") == "raw":
        mistakes.add("raw has no backing; a linked clone is qcow2", "format")


def _check_checksum(checksum: str, has_image: bool, mistakes: Mistakes) -> None:
    algorithm, _colon, digits = checksum.partition(":")
    if not re.fullmatch(f"[0-9a-fA-F]{{{HEX_DIGITS.get(algorithm, 0)}}}", digits) or not digits:
        mistakes.add(
            f"{checksum} is none; write sha256: or sha512: and the hexadecimal digits", "checksum"
        )
    if not has_image:
        mistakes.add("is that of an image; say which image", "checksum")


def _needs(pool: str, *volumes: str | None) -> frozenset[tuple[str, str]]:
    """What must be there first: the pool, and what the volume is made from in its pool."""
    named = [volume for volume in volumes if volume]
    pools = {("storage_pool", at) for at in (pool, *(pool_of(volume) for volume in named))}
    return frozenset(pools | {("storage_volume", volume) for volume in named})


def _full_name(source: Mapping[str, Any] | None, pool: str) -> str | None:
    """`POOL/NAME` of a volume that another is made from; it is in the same pool unless said."""
    return f"{source.get('pool') or pool}/{source['volume']}" if source else None


def _backing(params: Mapping[str, Any]) -> dict[str, Any] | None:
    backing = params.get("backing")
    if not backing:
        return None
    if backing.get("file"):
        return {key: backing[key] for key in ("file", "format") if backing.get(key)}
    return {"volume": _full_name(backing, params["pool"])}


# ---- what goes


def _removal(wanted: Wanted, have: Have, world: World) -> Plan:
    after = Have(have.kind, have.name)
    was = HALF_MADE if have.facts.get(HALF_MADE) else "present"
    if not have.exists and was == "present":
        unseen = ("its pool is not active, so whether it is there cannot be seen",)
        return Plan(wanted, NONE, have, after, warnings=unseen if have.facts.get(UNSEEN) else ())
    warnings = _can_be_touched(wanted, world)
    path = xmltree.get(have.stored, "target/path") if have.stored is not None else ""
    clones = [
        name
        for name, other in (world.everything(have.kind).items() if path else ())
        if name != have.name and backing_of(other) == path
    ]
    if clones:
        raise FleetError(
            f"is what {', '.join(clones)} stands on, which would be lost with it; remove the "
            "linked clones first",
            wanted.resource,
        )
    change = Change(wanted.resource, STATE, was, str(ABSENT), LIVE)
    return Plan(wanted, DELETE, have, after, (change,), warnings=warnings)


def _can_be_touched(wanted: Wanted, world: World) -> tuple[str, ...]:
    """What is to be said of the pool of a volume that changes or goes. Or FleetErrors."""
    mistakes = Mistakes(wanted.resource)
    warnings: list[str] = []
    pool = world.will_be("storage_pool", pool_of(wanted.name))
    if pool.live is None:
        check_pool(pool, world, mistakes, warnings)
    mistakes.raise_any()
    return tuple(warnings)


# ---- what is there


def _update(wanted: Wanted, have: Have, world: World) -> Plan:
    mistakes = Mistakes(wanted.resource)
    pool = world.will_be("storage_pool", pool_of(wanted.name))
    _check_kept(wanted, have, world, mistakes)
    capacity = wanted.values.get(CAPACITY)
    before = capacity_of(have)
    grows = capacity is not None and not _fits(before, parse_size(capacity), type_of(pool))
    if capacity is not None and grows:
        _check_growth(before, capacity, type_of(pool), mistakes)
        if parse_size(capacity) > before and _why_it_stays(have):
            mistakes.add(f"{_why_it_stays(have)} and cannot grow to {capacity}", "capacity")
    mistakes.raise_any()
    if not grows:
        return Plan(wanted, NONE, have, have)
    tree = xmltree.clone(have.definition)
    edit(ROWS, tree, {CAPACITY: capacity})
    change = Change(wanted.resource, CAPACITY, format_size(before), capacity, LIVE)
    warnings = _can_be_touched(wanted, world)
    return Plan(wanted, UPDATE, have, replace(have, stored=tree), (change,), warnings=warnings)


def _fits(before: int, wanted: int, pool_type: str) -> bool:
    return wanted <= before <= wanted + max(ROUNDING.get(pool_type, 0) - 1, 0)


def _why_it_stays(have: Have) -> str:
    """Why nothing can grow a volume that others made; empty where it can."""
    if have.definition.get("type") == "dir":
        return "is a folder"
    encryption = have.definition.find("target/encryption")
    if encryption is not None and encryption.find("secret") is None:
        return "is encrypted, by a secret that libvirt does not know,"
    form = format_of(have)
    return "" if form in RESIZABLE else f"is {form}, which qemu-img cannot resize,"


def _check_growth(before: int, capacity: str, pool_type: str, mistakes: Mistakes) -> None:
    if parse_size(capacity) < before:
        mistakes.add(
            f"it has {format_size(before)} and would shrink to {capacity}, which cuts off data; "
            "make a new volume of that size and copy inside the guest",
            "capacity",
        )
    elif pool_type not in GROWS_VOLUMES:
        mistakes.add(
            f"it has {format_size(before)} and libvirt cannot grow a volume of a {pool_type} pool "
            f"to {capacity}; grow it with the tools of that storage (such as lvextend), refresh "
            "the pool and run again",
            "capacity",
        )


def _check_kept(wanted: Wanted, have: Have, world: World, mistakes: Mistakes) -> None:
    """What cannot change on a volume that exists."""
    found, said = format_of(have), wanted.values.get(FORMAT, format_of(have))
    if found != said:
        mistakes.add(f"is {found} and cannot become {said}; copy it to a new volume", "format")
    backing = wanted.options.get("backing")
    path = _path_of(backing, world) if backing else ""
    if path and path != backing_of(have):
        stands_on = f"stands on {backing_of(have)}" if backing_of(have) else "is no linked clone"
        mistakes.add(f"it {stands_on} and cannot be moved to {path}; make a new volume", "backing")


def _path_of(backing: Mapping[str, Any], world: World) -> str:
    if "file" in backing:
        return str(backing["file"])
    pool = world.will_be("storage_pool", pool_of(backing["volume"]))
    return volume_path(pool, name_in_pool(backing["volume"]))


# ---- what is new


def _creation(wanted: Wanted, have: Have, world: World) -> Plan:
    mistakes = Mistakes(wanted.resource)
    name = name_in_pool(wanted.name)
    if why_no_file(name, LONGEST_NEW_NAME):
        mistakes.add(why_no_file(name, LONGEST_NEW_NAME), "name")
    new = design(wanted, world, mistakes)
    mistakes.raise_any()
    warnings = list(new.warnings)
    if have.facts.get(HALF_MADE):
        warnings.append("an interrupted run left it half-made; it is made anew")
    if have.facts.get(UNSEEN):
        warnings.append("its pool is not active yet; if the volume is there already, it is kept")
    said = {key: value for key, value in wanted.options.items() if key != "existing"}
    given: Values = {(key,): value for key, value in said.items() if value is not None}
    values = {**given, **new.values}
    changes = [Change(wanted.resource, key, None, value, STORED) for key, value in values.items()]
    changes.append(Change(wanted.resource, STATE, str(ABSENT), "present", LIVE))
    pool = world.will_be("storage_pool", pool_of(wanted.name))
    after = Have(have.kind, have.name, new.tree, facts={"pool_type": type_of(pool)})
    return Plan(wanted, CREATE, have, after, tuple(changes), warnings=tuple(warnings))


# ---- showing


def shown(have: Have) -> dict[str, Any]:
    """A volume as modules return it: the capacity as declared, and the sizes in bytes."""
    known = {"pool": pool_of(have.name), "name": name_in_pool(have.name)}
    if have.stored is None:
        state = HALF_MADE if have.facts.get(HALF_MADE) else str(ABSENT)
        return {**known, "state": state}
    allocation = xmltree.get(have.stored, "allocation")
    said: dict[str, Any] = {
        **known,
        "state": "present",
        "path": xmltree.get(have.stored, "target/path"),
        "format": format_of(have),
        "capacity": format_size(capacity_of(have)),
        "capacity_bytes": capacity_of(have),
        "allocation_bytes": int(allocation) if allocation else None,
        "backing": {"file": backing_of(have)} if backing_of(have) else None,
    }
    return {key: value for key, value in said.items() if value not in (None, "")}
