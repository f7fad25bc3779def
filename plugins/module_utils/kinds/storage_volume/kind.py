# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage volumes: what a pool holds, declared as `POOL/NAME`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from ...engine import checksums, traits, xmltree
from ...engine.checksums import FILE, is_url
from ...engine.errors import Mistakes
from ...engine.fields import values_of
from ...engine.keys import ABSENT, Values, key_of
from ...engine.plan import CREATE, Have, Plan, Wanted
from ...engine.planner import plan_resource
from ...engine.specs import spec_of, want_of
from ...engine.units import format_size
from ...engine.world import World
from ...engine.xmltree import Element
from .table import (
    CLUSTER_SIZE,
    ENCRYPTION,
    EXTENDED_L2,
    LAYOUT_ROWS,
    PERMISSION_ROWS,
    ROWS,
    SMALLEST_OF_EXTENDED_L2,
    TRAITS,
    encrypted_by,
    is_too_small,
    layout_of,
)
from .volumes import (
    HALF_MADE,
    UNREADABLE,
    WIPED_BY,
    ZERO,
    backing_of,
    capacity_of,
    format_of,
    is_encrypted,
    is_mark,
    name_in_pool,
    pool_of,
)

if TYPE_CHECKING:
    from ...engine.accounting import Books
    from ...engine.facts import Reads

SOURCES = ("copy_of", "backing", "image")
# What libvirt has qemu-img do; it has no word for `full`, which writes zeros.
PREALLOCATION = ("off", "metadata", "falloc")
# What an image by URL is fetched by.
DOWNLOAD: dict[str, Any] = {
    "library": {"type": "path"},
    "proxy": {"type": "str"},
    "validate_certs": {"type": "bool"},
    "ca_path": {"type": "path"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "headers": {"type": "dict", "no_log": True},
    "timeout_s": {"type": "int"},
}


class StorageVolume:
    """The kind `storage_volume`."""

    name = "storage_volume"

    @property
    def reads(self) -> Sequence[Reads]:
        """What its plans, and the rules about them, read of a host."""
        from .readers import FOR_PLANS

        return FOR_PLANS

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
            **traits.spec_of(TRAITS),
            "provisioning": {"type": "str", "choices": ["thin", "thick"]},
            "preallocation": {"type": "str", "choices": list(PREALLOCATION)},
            "copy_of": {"type": "dict", "options": {"pool": text, "volume": needed}},
            "backing": {"type": "dict", "options": backing},
            "image": {"type": "path"},
            "encryption": deepcopy(ENCRYPTION),
            "checksum": text,
            "download": {"type": "dict", "options": DOWNLOAD},
            "existing": {"type": "str", "choices": ["adopt", "error"]},
            "shrink": {"type": "bool"},
            "wipe": {"type": "bool"},
            "wipe_algorithm": {"type": "str", "choices": list(WIPED_BY)},
            **spec_of(ROWS),
        }

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The volume that a user declared. Not every option need be in the parameters."""
        name = f"{params['pool']}/{params['name']}"
        mistakes = Mistakes(f"{self.name}/{name}")
        _check_name(params["name"], mistakes)
        _check_sources(params, mistakes)
        encryption = _encryption(params, mistakes)
        values = want_of(ROWS, params, mistakes)
        _check_layout(values, params, mistakes)
        mistakes.raise_any()
        image, download = _image(params)
        copy_of, backing = _full_name(params.get("copy_of"), params["pool"]), _backing(params)
        options = {
            "provisioning": params.get("provisioning"),
            "preallocation": params.get("preallocation"),
            "copy_of": copy_of,
            "backing": backing,
            "encryption": encryption,
            "image": image,
            "download": download,
            "checksum": params.get("checksum"),
            "existing": params.get("existing"),
            "shrink": params.get("shrink"),
            "wipe": _wiped_by(params, mistakes),
        }
        mistakes.raise_any()
        state = params.get("state") or "present"
        needs = _needs(params["pool"], copy_of, (backing or {}).get("volume"))
        return [Wanted(self.name, name, state, values, options, needs)]

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one volume."""
        from .draft import VolumeDraft

        return plan_resource(VolumeDraft(wanted, have, world))

    def apply(self, host: Any, plan: Plan) -> Mapping[str, Any] | None:
        """Do what the plan says."""
        if is_url(plan.wanted.options.get("image")) and plan.action == CREATE:
            from .applier_fetched import make

            return make(host, plan)
        if plan.wanted.options.get("held") and plan.action == CREATE:
            from .applier import begin

            begin(host, plan)  # whoever has it made ends it
            return None
        from .applier import APPLIERS

        return APPLIERS[plan.action](host, plan)

    def result(self, have: Have) -> dict[str, Any]:
        """A volume as a module returns it."""
        return shown(have)


KIND = StorageVolume()


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
        checksums.check(str(params["checksum"]), params.get("image"), mistakes)
    if is_url(params.get("image")):
        from .fetched import check

        check(params, mistakes)
    elif params.get("download"):
        mistakes.add("is for an image by URL", "download")
    if params.get("provisioning") == "thick" and {"backing", "image"} & set(given):
        mistakes.add("thick is for a volume that is made empty or as a copy", "provisioning")
    _check_preallocation(params, given, mistakes)
    backing = params.get("backing") or {}
    if backing and bool(backing.get("volume")) == bool(backing.get("file")):
        mistakes.add("needs a volume or a file, and not both", "backing")
    if backing.get("volume") and backing.get("format"):
        mistakes.add("goes with a file; a volume's format is known", "backing.format")
    if backing and params.get("format") == "raw":
        mistakes.add("raw has no backing; a linked clone is qcow2", "format")


def _check_preallocation(
    params: Mapping[str, Any], given: Sequence[str], mistakes: Mistakes
) -> None:
    said = params.get("preallocation")
    if said and params.get("provisioning"):
        mistakes.add("and provisioning say one thing; omit one of them", "preallocation")
    if said in (None, "off"):
        return
    if {"backing", "image"} & set(given):
        mistakes.add(f"{said} is for a volume that is made empty or as a copy", "preallocation")
    if params.get("encryption") is not None:
        mistakes.add(f"{said} is not possible: libvirt makes encrypted ones thin", "preallocation")


def _check_layout(values: Values, params: Mapping[str, Any], mistakes: Mistakes) -> None:
    """What can be seen of the layout without the host."""
    said = [row.name for row in LAYOUT_ROWS if values.get(key_of(row.name)) is not None]
    for name in said if params.get("image") else ():
        mistakes.add("is that of the image; omit it, or make a copy (copy_of) with it", name)
    cluster_size = values.get(CLUSTER_SIZE)
    if values.get(EXTENDED_L2) and cluster_size and is_too_small(cluster_size):
        mistakes.add(
            f"needs clusters of {SMALLEST_OF_EXTENDED_L2} or more, not of {cluster_size}",
            "extended_l2",
        )


def _wiped_by(params: Mapping[str, Any], mistakes: Mistakes) -> str | None:
    """By what it is overwritten before it goes."""
    said = params.get("wipe_algorithm")
    if said and not params.get("wipe"):
        mistakes.add("is for what is wiped; say wipe: true", "wipe_algorithm")
    return str(said or ZERO) if params.get("wipe") else None


def _encryption(params: Mapping[str, Any], mistakes: Mistakes) -> dict[str, str] | None:
    """By which secret it is encrypted. libvirt fills no volume that is: it is made empty."""
    if params.get("encryption") is None:
        return None
    filled = [source for source in ("copy_of", "image") if params.get(source)]
    if filled:
        mistakes.add(f"{filled[0]} cannot be encrypted on the way; make it empty", "encryption")
    if params.get("provisioning") == "thick":
        mistakes.add("thick is not possible: libvirt makes encrypted ones thin", "provisioning")
    try:
        return encrypted_by(params["encryption"])
    except ValueError as error:
        mistakes.add(str(error), "encryption")
        return None


def _image(params: Mapping[str, Any]) -> tuple[Any, Any]:
    """The image that a volume is made from, a path or a URL, and how that is fetched."""
    image = params.get("image")
    if not image:
        return None, None
    if is_url(image):
        from .fetched import hidden

        return hidden(params)
    return (image[len(FILE) :] if image.startswith(FILE) else image), None


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


# ---- showing


def shown(have: Have) -> dict[str, Any]:
    """A volume as modules return it: the capacity as declared, and the sizes in bytes."""
    known = {"pool": pool_of(have.name), "name": name_in_pool(have.name)}
    if have.stored is None:
        states = (state for state in (HALF_MADE, UNREADABLE) if have.facts.get(state))
        return {**known, "state": next(states, str(ABSENT))}
    allocation = xmltree.get(have.stored, "allocation")
    known_size = xmltree.get(have.stored, "capacity") is not None  # not of what is to be fetched
    said: dict[str, Any] = {
        **known,
        "state": "present",
        "path": xmltree.get(have.stored, "target/path"),
        "format": format_of(have),
        "capacity": format_size(capacity_of(have)) if known_size else None,
        "capacity_bytes": capacity_of(have) if known_size else None,
        "allocation_bytes": int(allocation) if allocation else None,
        "backing": {"file": backing_of(have)} if backing_of(have) else None,
        **_layout(have.stored),
        "encrypted": is_encrypted(have) or None,
        "permissions": _permissions(have.stored),
    }
    return {key: value for key, value in said.items() if value not in (None, "")}


def _permissions(tree: Element) -> dict[str, Any] | None:
    found = values_of(PERMISSION_ROWS, tree)
    said = {key[-1]: value for key, value in found.items() if value is not None}
    return said or None


def _layout(tree: Element) -> dict[str, Any]:
    """How a qcow2 is laid out. What its clusters will be is known of a new one where it is said."""
    is_there = tree.find("key") is not None
    known = is_there or tree.find("target/clusterSize") is not None
    found = {row.name: layout_of(tree)[key_of(row.name)] or None for row in LAYOUT_ROWS}
    return {name: value for name, value in found.items() if known or name != CLUSTER_SIZE[0]}
