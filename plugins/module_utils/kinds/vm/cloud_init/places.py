# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a seed goes: its pool and volume, the bus of its drive; the NICs that it is about."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

from ....engine import xmltree
from ....engine.codecs import Value
from ....engine.errors import Mistakes
from ....engine.keys import ABSENT, UNION, Key
from ....engine.plan import CREATE, Have, Plan, Wanted
from ....engine.texts import why_no_file
from ...storage_volume.design import check_pool
from ...storage_volume.volumes import FILE_POOLS, mark_of, pool_of, type_of, volume_path
from ..seeded import CLOUD_INIT, NICS, XORRISO
from . import network
from .note import Note, note_of

if TYPE_CHECKING:
    from ..draft import VmDraft

KIND = "storage_volume"
POOL = "cloud_init.pool"
LONGEST_NAME = 255 - len(mark_of(""))


def bus_of(machine: Value) -> str:
    """The bus on which a guest finds a drive: IDE of a PC that has it, and SCSI by virtio else.

    A q35 has SATA, but kernels for clouds, as Debian's, have no driver for that.
    """
    name = str(machine or "")
    return "ide" if name == "pc" or name.startswith(("pc-i440fx", "pc-0", "pc-1")) else "scsi"


# ---- the volume


def new_volume(draft: VmDraft, want: dict[Key, Value], had: Note) -> str:
    """POOL/NAME of the volume that is made, of a name that nothing has. Mistakes are collected."""
    _check_program(draft)
    pool = _pool(draft, had)
    if not pool:
        return ""
    taken = {had.volume, *had.former}
    for number in count(1):
        name = f"{draft.wanted.name}-cidata{f'-{number}' if number > 1 else ''}.iso"
        full = f"{pool}/{name}"
        if full not in taken and not draft.world.will_be(KIND, full).exists:
            break
    if why_no_file(name, LONGEST_NAME):
        draft.mistakes.add(f"its seed's volume {why_no_file(name, LONGEST_NAME)}", "name")
    _reckon_with(draft, full)
    return full


def _check_program(draft: VmDraft) -> None:
    """It is made on the machine on which the module runs, and goes to the host from there."""
    host = draft.world.host
    if any(host.file(path) is not None for path in XORRISO):
        return
    if draft.world.assume_on_host:
        draft.warnings.append("xorriso is not installed yet; the plan assumes that it will be")
        return
    draft.mistakes.add(
        "needs xorriso to make the seed, on the machine on which the module runs; install the "
        "package xorriso",
        CLOUD_INIT,
    )


def _pool(draft: VmDraft, had: Note) -> str:
    """The pool that is said, the one that it is in, or that of the first disk in one of files."""
    said = draft.wanted.options["cloud_init"].get("pool")
    found = said or (pool_of(had.volume) if had.volume else "") or next(_pools_of_disks(draft), "")
    if not found:
        draft.mistakes.add("is needed: no disk of the VM is in a pool that holds files", POOL)
        return ""
    pool, mistakes = draft.world.will_be("storage_pool", found), Mistakes(draft.wanted.resource)
    check_pool(pool, draft.world, mistakes, draft.warnings)
    for error in mistakes.errors:
        draft.mistakes.add(error.message, POOL)
    if pool.exists and type_of(pool) not in FILE_POOLS:
        draft.mistakes.add(
            f"{found} is of type {type_of(pool)}, and holds no files; name another", POOL
        )
    return str(found)


def _pools_of_disks(draft: VmDraft) -> Iterator[str]:
    """The pools of files that its disks are in, those first that are declared."""
    world = draft.world
    for disk in draft.wanted.options.get("disks") or ():
        if disk.get("pool") and disk.get("state") != ABSENT and _holds_files(draft, disk["pool"]):
            yield disk["pool"]
    for key, source in draft.stored.items():
        if key[0] != "disks" or key[-1] != UNION or not source:
            continue
        path = source.get("file") or source.get("device")
        pool = source.get("pool") or (pool_of(world.host.volume_at(path)) if path else "")
        if pool and _holds_files(draft, pool):
            yield pool


def _holds_files(draft: VmDraft, pool: str) -> bool:
    return type_of(draft.world.will_be("storage_pool", pool)) in FILE_POOLS


def _reckon_with(draft: VmDraft, full: str) -> None:
    """Have all others see that the volume will be there."""
    pool, _slash, name = full.partition("/")
    tree = volume_tree(name, volume_path(draft.world.will_be("storage_pool", pool), name))
    have = draft.world.was(KIND, full)
    wanted = Wanted(KIND, full, "present")
    draft.world.add(Plan(wanted, CREATE, have, Have(KIND, full, tree)))


def volume_tree(name: str, path: str = "", capacity: int = 0) -> xmltree.Element:
    """A volume for a seed."""
    tree = xmltree.Element("volume")
    xmltree.put(tree, "name", name)
    xmltree.put(tree, "capacity", str(capacity))
    xmltree.put(tree, "allocation", "0")
    xmltree.put(tree, "target/path", path or None)
    xmltree.put(tree, "target/format/@type", "raw")
    return tree


# ---- the NICs


def set_macs(draft: VmDraft, want: dict[Key, Value]) -> None:
    """Say of each NIC its MAC address, by which the guest finds it, and see where it is."""
    nics = want[(CLOUD_INIT, "nics")]
    if not nics:
        return
    told = {}
    for name, nic in nics.items():
        mac = _value(draft, want, ("nics", name, "mac"))
        if not mac:
            draft.mistakes.add(
                "there is no such NIC; declare it in nics too", f"cloud_init.nics.{name}"
            )
        told[name] = {**nic, "mac": mac}
        if draft.stored.get(NICS, {}).get(name) != told[name]:
            _check_on_vswitch(draft, want, name, nic["address"])
    want[NICS] = told


def _value(draft: VmDraft, want: dict[Key, Value], key: Key) -> Value:
    if want.get(key[:2]) is ABSENT:
        return None
    return want.get(key, draft.stored.get(key))


def _check_on_vswitch(
    draft: VmDraft, want: dict[Key, Value], name: str, addresses: list[str]
) -> None:
    vswitch = (_value(draft, want, ("nics", name, UNION)) or {}).get("vswitch")
    have = draft.world.will_be("vswitch", vswitch) if vswitch else None
    if have is None or not have.exists:
        return
    field, where = f"cloud_init.nics.{name}.address", f"on vswitch {vswitch}"
    taken = _taken(draft, str(vswitch))
    for address in addresses:
        if address == network.DHCP:
            continue
        outside = network.outside_of(have.definition, address)
        if outside:
            draft.mistakes.add(f"{address} {outside}, {where}", field)
            continue
        other = taken.get(network.host_of(address))
        if other:
            draft.mistakes.add(f"{address} is the address of vm/{other} {where}, too", field)
        handed = network.handed_out(have.definition, address)
        if handed:
            draft.warnings.append(
                f"{field}: {address} is one that DHCP hands out {where} ({handed})"
            )


def _taken(draft: VmDraft, vswitch: str) -> dict[str, str]:
    """The addresses that seeds of other VMs give on a vswitch, each with its VM. Of those that are
    declared in the run, too, and are planned later, it is not known what they will have."""
    world, found = draft.world, dict[str, str]()
    planned = {have.name for have in world.planned("vm")}
    for name, have in world.everything("vm").items():
        later = ("vm", name) in world.declared and name not in planned
        note = None if later or name == draft.wanted.name else note_of(have.stored)
        for nic in note.said.get("nics", {}).values() if note is not None else ():
            if _is_on(have, str(nic.get("mac")), vswitch):
                found.update({network.host_of(one): name for one in nic.get("address", ())})
    return found


def _is_on(have: Have, mac: str, vswitch: str) -> bool:
    nics = have.definition.findall("devices/interface")
    places = [
        xmltree.get(n, "source/@network") for n in nics if xmltree.get(n, "mac/@address") == mac
    ]
    return vswitch in places
