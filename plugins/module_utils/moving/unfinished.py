# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a VM lives among the hosts of a declaration, and what a killed run left of a move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..engine import xmltree
from ..engine.errors import FleetError
from ..engine.plan import Have
from ..engine.secret_words import shown_name
from ..kinds.storage_volume.volumes import HALF_MADE, name_in_pool, pool_of
from ..kinds.vm.states import PAUSED, RUNNING
from .notes import ARRIVED, Note, note_of
from .options import OFFLINE
from .side import Side

# What there is to be done.
NOTHING = "nothing"  # it lives at the target
MOVE = "move"  # it lives at one other host; what the target has of it is a leftover
FINISH = "finish"  # it lives at the target, and an interrupted run did not clear up


class Whereabouts(NamedTuple):
    """Where a VM lives, and what there is to be done about that."""

    todo: str
    source: str = ""  # the host that it leaves or has left; empty where that is over
    note: Note | None = None
    marks: tuple[str, ...] = ()  # volumes at the target, POOL/NAME, that count as half-made

    @property
    def noted(self) -> Note:
        """What the run that was interrupted noted of itself, where one was."""
        if self.note is None:
            raise LookupError("no run was interrupted")
        return self.note


def whereabouts(
    sides: Mapping[str, Side], vm: str, host: str, unreachable: Mapping[str, FleetError]
) -> Whereabouts:
    """Where a VM lives. FleetError where that is for a person to say."""
    if host in unreachable:
        raise unreachable[host]
    there = {name: side.vm(vm) for name, side in sides.items() if side.vm(vm).exists}
    _check_twins(vm, sides, there)
    others = [name for name in there if name != host]
    if len(others) > 1 or not there:
        raise _unclear(vm, sides, there, unreachable)
    if not others:
        _check_halted(sides, sides[host], there[host])
        return _at_target(sides[host], there[host])
    source = others[0]
    if host not in there:
        _check_halted(sides, sides[source], there[source])
        return Whereabouts(MOVE, source, note_of(there[source].stored))
    return _on_both(vm, sides, there, source, host)


def _at_target(side: Side, have: Have) -> Whereabouts:
    """It is there alone: what is left of a move is a note, or marks beside its volumes."""
    note = note_of(have.stored)
    if note is None:
        return Whereabouts(NOTHING)
    if stands_in(note):
        raise FleetError(
            f"is at {note.target} only as what stands in for its memory, from an interrupted run; "
            f"the VM itself was at {note.source}: have that among hosts, and reachable, and run "
            f"again; or remove what stands in (virsh undefine --managed-save {have.name})",
            f"migration/{have.name}",
            "name",
        )
    return Whereabouts(FINISH, note=note, marks=marks_at(side, have))


def _check_halted(sides: Mapping[str, Side], side: Side, have: Have) -> None:
    """What libvirt stopped for a move goes on only where it is seen that the other one does not."""
    note = note_of(have.stored)
    if note is None or not is_halted(side, have):
        return
    other = note.source if note.target == side.name else note.target
    if other not in sides:
        raise FleetError(
            f"stands still at {side.name} since a move from {note.source} to {note.target} that "
            f"was cut off, and may run at {other}, which is not looked at: have {other} among "
            "hosts, and reachable, and run again",
            f"migration/{have.name}",
            "hosts",
        )


def is_halted(side: Side, have: Have) -> bool:
    """Whether a guest stands still because libvirt sends or takes it, or had begun to."""
    return have.facts.get("state") == PAUSED and side.moves.halted(have.name)


def stands_in(note: Note) -> bool:
    """Of a VM that is off nothing is at the target before it has arrived but what stands in for one
    that is saved."""
    return note.mode == OFFLINE and note.progress != ARRIVED


def _on_both(
    vm: str, sides: Mapping[str, Side], there: Mapping[str, Have], source: str, host: str
) -> Whereabouts:
    here, target = there[source], there[host]
    note = _note_between(here, target, source, host)
    if note is None:
        raise _unclear(vm, sides, there, {})
    if any(sides[name].moves.post_copy(vm) for name in (source, host)):
        raise in_halves(vm, sides[source], sides[host])
    if is_halted(sides[host], target):
        raise FleetError(
            f"is on its way from {source} to {host}: another run moves it, or libvirt has not yet "
            "noticed that one ended; wait for its end (virsh domjobinfo) and run again",
            f"migration/{vm}",
        )
    if note.progress == ARRIVED or (_runs(target) and not stands_in(note)):
        if here.facts.get("state") == RUNNING:
            raise _unclear(vm, sides, there, {})
        return Whereabouts(FINISH, source, note, marks_at(sides[host], target))
    if _runs(here) or stands_in(note):
        return Whereabouts(MOVE, source, note)
    raise _unclear(vm, sides, there, {})


def in_halves(vm: str, source: Side, target: Side) -> FleetError:
    """What a person has to decide where post-copy began and did not end."""
    return FleetError(
        f"is in halves: post-copy has begun and not ended, so that neither {source.name} nor "
        f"{target.name} has all of its memory. As long as QEMU runs on both, wait, or see that "
        f"they reach each other and have it go on: virsh -c {shown_name(source.uri)} migrate {vm} "
        f"{shown_name(target.migration_uri)} --live --postcopy --postcopy-resume (libvirt 8.5 on "
        f"both). Else its memory is lost: end it on both (virsh destroy), undefine it at "
        f"{source.name}, whose disks are older where they were copied, and start it at "
        f"{target.name}",
        f"migration/{vm}",
    )


def _note_between(here: Have, target: Have, source: str, host: str) -> Note | None:
    """What notes on both sides say of a move between them; the one at the target knows more."""
    if xmltree.get(here.definition, "uuid") != xmltree.get(target.definition, "uuid"):
        return None
    note = note_of(target.stored)
    return note if note is not None and (note.source, note.target) == (source, host) else None


def _runs(have: Have) -> bool:
    return have.facts.get("state") in (RUNNING, PAUSED)


def marks_at(side: Side, have: Have) -> tuple[str, ...]:
    """The volumes of a VM, POOL/NAME, beside which there is the mark of what is half-made."""
    found = []
    for disk in have.definition.findall("devices/disk/source"):
        name = disk.get("pool") and f"{disk.get('pool')}/{disk.get('volume')}"
        name = name or side.host.volume_at(disk.get("file") or disk.get("dev") or "")
        if name and side.volume(pool_of(name), name_in_pool(name)).facts.get(HALF_MADE):
            found.append(name)
    return tuple(found)


def _unclear(
    vm: str,
    sides: Mapping[str, Side],
    there: Mapping[str, Have],
    unreachable: Mapping[str, FleetError],
) -> FleetError:
    """What each host has, where that does not say where the VM lives."""
    said = [f"{name} has {_described(there[name])}" for name in there]
    missed = "".join(f"; {name} cannot be reached: {why}" for name, why in unreachable.items())
    if not there:
        hosts = ", ".join(sides) or "no host that could be reached"
        return FleetError(
            f"is on none of {hosts}{missed}; declare the VM where it is to live, or name the host "
            "that has it in hosts",
            f"migration/{vm}",
            "name",
        )
    return FleetError(
        f"is on several hosts: {', '.join(said)}{missed}; see which of them is the right one, and "
        "undefine it on the others (virsh undefine), or leave their hosts out of hosts",
        f"migration/{vm}",
        "name",
    )


def _check_twins(vm: str, sides: Mapping[str, Side], there: Mapping[str, Have]) -> None:
    """One host by two names has one VM, which would be taken for what is left of its move."""
    by_uuid: dict[str, list[str]] = {}
    for name in there if len(there) > 1 else ():
        identity = sides[name].moves.identity
        if identity is not None and identity.uuid:
            by_uuid.setdefault(identity.uuid, []).append(name)
    for uuid, names in by_uuid.items():
        if len(names) > 1:
            raise FleetError(
                f"is on {' and '.join(names)}, which both have the host UUID {uuid}: they are one "
                "host by two names, and then there is one VM; give each a uri of its own. Where "
                "they are two, give each its own UUID (host_uuid in libvirtd.conf)",
                f"migration/{vm}",
                "hosts",
            )


def _described(have: Have) -> str:
    kept = "" if have.facts.get("persistent", True) else ", not stored"
    note = note_of(have.stored)
    moving = f", noted as moving from {note.source} to {note.target}" if note else ""
    uuid = xmltree.get(have.definition, "uuid")
    return f"it {have.facts.get('state')}{kept} (UUID {uuid}{moving})"
