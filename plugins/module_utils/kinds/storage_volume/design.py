# SPDX-License-Identifier: GPL-3.0-or-later
"""The design of a volume that does not exist yet: what it is made from, and whether that can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...engine import xmltree
from ...engine.checksums import UNCHECKED, is_digits, is_url
from ...engine.errors import Mistakes
from ...engine.fields import edit
from ...engine.host import HostFacts
from ...engine.keys import Values, key_of
from ...engine.looked_at import Image
from ...engine.plan import Have, Wanted
from ...engine.units import parse_size
from ...engine.world import World
from ...engine.xmltree import Element
from .layouts import layout_of_new, values_of_layout
from .network import check_network_pool
from .origin import CAPACITY, Origin, capacity_of_new
from .table import (
    LAYOUT_ROWS,
    PERMISSION_ROWS,
    layout_of,
    secret_element,
)
from .volumes import (
    BLOCK_POOLS,
    FILE_POOLS,
    HOLDS,
    MAKES_VOLUMES,
    ZFS,
    capacity_of,
    format_of,
    is_encrypted,
    name_in_pool,
    pool_of,
    type_of,
    volume_path,
)
from .zfs import check_zfs_pool

FORMAT, PROVISIONING = ("format",), ("provisioning",)
CHECKSUM = ("checksum",)
LAYOUT = [key_of(row.name) for row in LAYOUT_ROWS]
PERMISSIONS = [key_of(row.name) for row in PERMISSION_ROWS]
# What libvirt knows by its content, and qemu-img no more, or never did.
UNKNOWN_TO_QEMU = ("cow", "ploop")
# As how it is provisioned what is said more exactly.
PROVISIONED_AS = {"off": "thin", "metadata": "thin", "falloc": "thick"}


@dataclass(frozen=True)
class Design:
    """A new volume: its definition, the values chosen for it, and what a user should know."""

    tree: Element
    values: Values
    warnings: tuple[str, ...] = ()
    checksum: str = ""  # that an image by URL has to have
    holds: int = 0  # the bytes of the disk in an image by URL, where that is known
    unsized: str = ""  # what it is made from, where a capacity is yet to be compared with its size


def design(wanted: Wanted, world: World, mistakes: Mistakes) -> Design:
    """The volume as it is to be made. Mistakes are collected, and then the design is of no use."""
    warnings: list[str] = []
    pool = world.will_be("storage_pool", pool_of(wanted.name))
    check_pool(pool, world, mistakes, warnings)
    origin = _origin(wanted.options, world, mistakes, warnings)
    values = _values(wanted, type_of(pool), origin, mistakes)
    if wanted.options.get("encryption"):
        _check_encryption(wanted.options["encryption"], type_of(pool), world, mistakes, warnings)
    check_network_pool(wanted, type_of(pool), world, mistakes, warnings)
    check_zfs_pool(wanted, type_of(pool), mistakes)
    checksum = origin.checksum if origin else ""
    if checksum:
        values[CHECKSUM] = checksum
    tree, holds = _tree(wanted, pool, values, origin), origin.holds if origin else 0
    waits = origin is not None and not origin.least and wanted.values.get(CAPACITY)
    unsized = origin.called if origin is not None and waits else ""
    return Design(tree, values, tuple(warnings), checksum, holds, unsized)


def check_pool(pool: Have, world: World, mistakes: Mistakes, warnings: list[str]) -> None:
    """Whether something can be made, changed or removed in a pool."""
    if not pool.exists and world.assume_missing:
        warnings.append(f"there is no pool {pool.name}; taken to be what an earlier task makes")
    elif not pool.exists:
        mistakes.add(f"there is no pool {pool.name}, and none is declared; declare it", "pool")
    elif type_of(pool) not in MAKES_VOLUMES:
        mistakes.add(
            f"pool {pool.name} is of type {type_of(pool)}, whose volumes are made on the storage "
            "itself",
            "pool",
        )
    elif pool.live is None and world.assume_missing:
        warnings.append(f"pool {pool.name} is not active; the plan assumes that it will be")
    elif pool.live is None:
        mistakes.add(f"pool {pool.name} is not active; declare it with state: active", "pool")


def _check_encryption(
    said: Mapping[str, Any],
    pool_type: str,
    world: World,
    mistakes: Mistakes,
    warnings: list[str],
) -> None:
    from ..together.secrets import lacks

    if pool_type not in FILE_POOLS:
        mistakes.add(
            f"is for pools of files; of a {pool_type} pool libvirt does not tell afterwards which "
            "of its volumes are encrypted",
            "encryption",
        )
    missing = lacks(world, "passphrase", secret_element(said))
    if missing and world.assume_missing:
        warnings.append(f"{missing} does not exist yet; the plan assumes that it will")
    elif missing:
        field = f"encryption.{next(iter(said))}"
        mistakes.add(f"{missing} does not exist; declare it (secrets)", field)


# ---- what it is made from


def _origin(
    options: Mapping[str, Any], world: World, mistakes: Mistakes, warnings: list[str]
) -> Origin | None:
    backing = options.get("backing") or {}
    if options.get("copy_of"):
        return _volume(options["copy_of"], "copy_of", world, mistakes, warnings)
    if backing.get("volume"):
        return _volume(backing["volume"], "backing", world, mistakes, warnings)
    if backing.get("file"):
        if world.host.is_local and _comes_later(backing["file"], world, warnings):
            return Origin(backing["file"], backing.get("format") or "", path=backing["file"])
        return _backing_file(backing["file"], backing.get("format"), world, mistakes)
    if is_url(options.get("image")):
        return _by_url(options, world.host, mistakes, warnings)
    if options.get("image"):
        if _comes_later(options["image"], world, warnings):
            return Origin(options["image"])
        return _image(options["image"], options.get("checksum"), world.host, mistakes)
    return None


def _comes_later(file: str, world: World, warnings: list[str]) -> bool:
    """Whether check mode takes a file to be what an earlier task of the play would make."""
    if not world.assume_on_host or world.host.file(file) is not None:
        return False
    warnings.append(f"{file} does not exist yet; the plan assumes that it will")
    return True


def _volume(
    name: str, option: str, world: World, mistakes: Mistakes, warnings: list[str]
) -> Origin:
    volume = world.will_be("storage_volume", name)
    if is_encrypted(volume):
        mistakes.add(
            f"{name} is encrypted, and libvirt neither copies such a volume nor makes a clone that "
            "could read it; copy inside a guest that has both",
            option,
        )
    path = volume_path(world.will_be("storage_pool", pool_of(name)), name_in_pool(name))
    form = format_of(volume) if volume.exists else ""
    if form == "dir":
        mistakes.add(f"{name} is a folder; name a volume with a disk in it", option)
    elif form in UNKNOWN_TO_QEMU:
        mistakes.add(f"{name} is {form}, which QEMU does not read; convert it first", option)
    _check_whole(path, form, name, option, world, mistakes)
    if volume.exists:
        if option == "copy_of" and world.host.is_local and path.startswith("/"):
            world.host.content_of(path)
        holds = int(volume.facts.get(HOLDS, 0))
        layout = layout_of(volume.definition) if option == "copy_of" else {}
        return Origin(name, form, capacity_of(volume), path, "", holds, layout)
    if world.assume_missing:
        warnings.append(f"there is no volume {name}; taken to be what an earlier task makes")
    else:
        mistakes.add(f"there is no volume {name}, and none is declared", option)
    return Origin(name, path=path)


def _check_whole(
    path: str, form: str, name: str, option: str, world: World, mistakes: Mistakes
) -> None:
    """QEMU opens all that an image stands on, also to copy it or to put another on top."""
    from ..images.chains import Chains, Layer

    gone = Chains(world).missing_below(Layer(path, form)) if form else ""
    if gone:
        mistakes.add(f"{name} needs {gone}, which is not there; put it back", option)


def _backing_file(file: str, said: str | None, world: World, mistakes: Mistakes) -> Origin:
    """A file on the host. Its header can be read only where the host is this machine."""
    if not world.host.is_local:
        if not said:
            mistakes.add("is needed, since the host is not this machine", "backing.format")
        return Origin(file, said or "", path=file)
    found = _inspected(file, "backing.file", world.host, mistakes)
    if found and said and said != found.format:
        mistakes.add(f"is not that of {file}, which is {found.format}", "backing.format")
    elif found and found.format not in ("qcow2", "raw"):
        mistakes.add(f"{file} is {found.format}, on which no clone can stand", "backing.file")
    elif found:
        _check_whole(file, found.format, file, "backing.file", world, mistakes)
    return Origin(file, found.format, found.capacity, file) if found else Origin(file)


def _image(file: str, checksum: str | None, host: HostFacts, mistakes: Mistakes) -> Origin:
    found = _inspected(file, "image", host, mistakes)
    if not found:
        return Origin(file)
    other = found.backing or found.data_file
    if other:
        mistakes.add(
            f"{file} is not whole, it stands on {other}; make a whole one with qemu-img convert",
            "image",
        )
    if not checksum:
        host.content_of(file)  # a plan is of what the image holds when it is made
    else:
        _check_digest(file, checksum, host, mistakes)
    layout = values_of_layout(found.layout) if found.layout else {}
    return Origin(file, found.format, found.capacity, layout=layout)


def _by_url(
    options: Mapping[str, Any], host: HostFacts, mistakes: Mistakes, warnings: list[str]
) -> Origin:
    """An image that a run will fetch, of which only the checksum is known that it is to have."""
    url, checksum = str(options["image"]), str(options.get("checksum") or "")
    if checksum == UNCHECKED:
        warnings.append(f"checksum is none: whatever comes from {url} is taken for what was meant")
        return Origin(url)
    from .fetched import how_of_list

    if is_digits(checksum):
        return _kept(Origin(url, checksum=checksum.lower()), options, host)

    algorithm, _colon, listed_by = checksum.partition(":")
    found = host.listed_checksum(listed_by, *how_of_list(options, algorithm))
    if "digits" not in found:
        if "error" in found:
            mistakes.add(found["error"], "checksum")
        return Origin(url)
    return _kept(Origin(url, checksum=f"{algorithm}:{found['digits']}"), options, host)


def _kept(origin: Origin, options: Mapping[str, Any], host: HostFacts) -> Origin:
    """The same with the size of the disk in it, where it was fetched before.

    Nothing but what is refused follows of that: a plan is the same with the library and without.
    """
    from .fetched import order_of

    order = order_of(options, origin.checksum)
    library = str(order.how.get("library") or "")
    return replace(origin, holds=host.facts.ask("kept_image", order.key, library) or 0)


def _inspected(file: str, option: str, host: HostFacts, mistakes: Mistakes) -> Image | None:
    found = host.image(file)
    if isinstance(found, Image):
        ends = host.facts.ask("cut_off", file, unknown="") if found.format == "qcow2" else ""
        if ends:
            mistakes.add(f"{file} {ends}; bring it here again, whole", option)
        return found
    said = f"{file}: {found.why}" if found.broken else f"cannot read {file}: {found.why}"
    mistakes.add(said, option)
    return None


def _check_digest(file: str, checksum: str, host: HostFacts, mistakes: Mistakes) -> None:
    algorithm, _colon, digits = checksum.partition(":")
    found = host.checksum(file, algorithm)
    if found is not None and found != digits.lower():
        mistakes.add(f"{file} has {algorithm}:{found}, not {checksum}", "checksum")


# ---- what it becomes


def _values(wanted: Wanted, pool_type: str, origin: Origin | None, mistakes: Mistakes) -> Values:
    form = _format(wanted, pool_type, origin, mistakes)
    permissions = {key: one for key in PERMISSIONS if (one := wanted.values.get(key)) is not None}
    if permissions and pool_type not in FILE_POOLS:
        mistakes.add(f"are for pools of files, and it is of type {pool_type}", "permissions")
    values: Values = {
        FORMAT: form,
        PROVISIONING: _provisioning(wanted, pool_type, form, mistakes),
        **layout_of_new(wanted, form, (origin.called, origin.layout) if origin else None, mistakes),
        **permissions,
    }
    capacity = capacity_of_new(wanted, origin, form, mistakes)
    if capacity:
        values[CAPACITY] = capacity
    return values


def _format(wanted: Wanted, pool_type: str, origin: Origin | None, mistakes: Mistakes) -> str:
    """qcow2 in files, raw on devices, and of an uploaded image the format it has."""
    said = wanted.values.get(FORMAT)
    if pool_type not in FILE_POOLS and (said == "qcow2" or wanted.options.get("backing")):
        mistakes.add(
            f"a volume of a {pool_type} pool is a raw device and cannot be qcow2", "format"
        )
    default = "qcow2" if pool_type in FILE_POOLS else "raw"
    if not wanted.options.get("image") or not (origin and origin.format):
        return said or default
    form = said or (origin.format if origin.format in ("raw", default) else default)
    if form != origin.format:
        mistakes.add(
            f"is that of the image, and {origin.called} is {origin.format}, not {form}; unpack or "
            "convert it first",
            "format",
        )
    return form


def _provisioning(wanted: Wanted, pool_type: str, form: str, mistakes: Mistakes) -> str:
    said = wanted.options.get("provisioning")
    kind = wanted.options.get("preallocation")
    if kind and pool_type not in FILE_POOLS:
        mistakes.add(
            f"is for pools of files, and {pool_of(wanted.name)} is of type {pool_type}; say "
            "provisioning, or nothing",
            "preallocation",
        )
    elif kind:
        if kind == "metadata" and form != "qcow2":
            mistakes.add(
                f"metadata is for qcow2, and it is {form}, which has none", "preallocation"
            )
        return PROVISIONED_AS[kind]
    if pool_type in BLOCK_POOLS and pool_type != ZFS and said == "thin":
        # libvirt would make a snapshot of nothing, which becomes invalid as soon as it is full.
        mistakes.add(f"thin is not possible in a {pool_type} pool", "provisioning")
    if pool_type == "disk" and (wanted.options.get("copy_of") or wanted.options.get("image")):
        mistakes.add("a partition can only be made empty: nothing could tell that it is half-made")
    return said or ("thick" if pool_type in BLOCK_POOLS else "thin")


def _tree(wanted: Wanted, pool: Have, values: Values, origin: Origin | None) -> Element:
    tree = Element("volume")
    name = name_in_pool(wanted.name)
    in_files = type_of(pool) in FILE_POOLS
    capacity = str(parse_size(values[CAPACITY])) if CAPACITY in values else None
    thick = values[PROVISIONING] == "thick"
    xmltree.put(tree, "name", name)
    xmltree.put(tree, "capacity", capacity)
    xmltree.put(tree, "allocation", capacity if thick else "0")
    xmltree.put(tree, "target/path", volume_path(pool, name) or None)
    if in_files:
        xmltree.put(tree, "target/format/@type", values[FORMAT])
    if values[FORMAT] == "qcow2":
        xmltree.put(tree, "target/compat", "1.1")
    layout = {key: value for key, value in values.items() if key in LAYOUT}
    if wanted.options.get("image") and origin is not None:
        layout = {**origin.layout}  # of which nothing can be said otherwise
    edit(LAYOUT_ROWS, tree, layout)
    edit(PERMISSION_ROWS, tree, {key: values[key] for key in PERMISSIONS if key in values})
    if wanted.options.get("encryption"):
        xmltree.put(tree, "target/encryption/@format", "luks")
        encryption = xmltree.ensure(tree, "target/encryption")
        encryption.append(secret_element(wanted.options["encryption"]))
    if wanted.options.get("backing") and origin is not None:
        xmltree.put(tree, "backingStore/path", origin.path)
        xmltree.put(tree, "backingStore/format/@type", origin.format or "qcow2")
    return tree
