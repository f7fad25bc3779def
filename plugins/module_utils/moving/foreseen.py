# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of a move as they will be once a step of it is done, for the plan of the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..engine import xmltree
from ..engine.facts import ALL, Fact, Facts, NotRecorded
from ..engine.move_facts import HALTED, NOT_NOW
from ..engine.plan import Have
from ..engine.world import World
from .fate import DiskFate
from .move import Move
from .side import Side


@dataclass(frozen=True)
class Foreseen:
    """Answers of a host, but for what will be otherwise."""

    base: Facts
    haves: Mapping[tuple[str, str], Have]
    answers: Mapping[Fact, Any] = field(default_factory=dict)
    moved: str = ""  # a VM of which another host knows by now what is asked
    other: Facts | None = None

    def read(self, fact: Fact) -> Any:
        """The answer to one question."""
        if fact in self.answers:
            return self.answers[fact]
        is_moved = self.other is not None and len(fact) > 1 and fact[1] == self.moved
        asked = self.other if is_moved and self.other is not None else self.base
        answer = asked.ask(*fact)
        if fact in asked.missing:
            raise NotRecorded(fact)
        return answer

    def resources(self, kind: str, names: Sequence[str] | None) -> dict[str, Have]:
        """Resources of a kind, with those that will be there."""
        will = {name: have for (of, name), have in self.haves.items() if of == kind}
        if names is None:
            if (ALL, kind) in self.base.missing:
                raise NotRecorded((ALL, kind))
            return {**self.base.everything(kind), **will}
        rest = self.base.resources(kind, [name for name in names if name not in will])
        return {name: will.get(name) or rest[name] for name in names}


def after_leaving(side: Side, vm: Have) -> Side:
    """The source once something was taken out of the VM."""
    texts = {"stored": vm.stored, "live": vm.live}
    sent = {name: xmltree.serialise(tree) for name, tree in texts.items() if tree is not None}
    said = side.moves.migratable(vm.name)
    sent.update({name: said[name] for name in (NOT_NOW, HALTED) if name in said})
    answers: dict[Fact, Any] = {("migratable", vm.name): sent}
    return _side(side, Foreseen(side.world.facts, {("vm", vm.name): vm}, answers))


def after_moving(move: Move, vm: Have, fates: Sequence[DiskFate]) -> Side:
    """The target once the VM is there, with the disks that are copied."""
    haves = {("vm", vm.name): vm}
    for fate in fates:
        if fate.is_copied and fate.volume:
            name = f"{fate.pool_there}/{fate.volume_there}"
            haves[("storage_volume", name)] = _copy(move, fate, name)
    facts = move.target.world.facts
    return _side(move.target, Foreseen(facts, haves, {}, vm.name, move.source.world.facts))


def _copy(move: Move, fate: DiskFate, name: str) -> Have:
    have = move.source.volume(fate.pool, fate.volume)
    if have.stored is None:
        return Have("storage_volume", name)
    tree = xmltree.clone(have.stored)
    xmltree.put(tree, "name", fate.volume_there)
    xmltree.put(tree, "target/path", fate.there)
    if not fate.backing:
        for below in tree.findall("backingStore"):
            tree.remove(below)
    pool_type = move.target.pool(fate.pool_there).definition.get("type", "dir")
    return Have("storage_volume", name, tree, facts={**have.facts, "pool_type": pool_type})


def _side(side: Side, foreseen: Foreseen) -> Side:
    return side._replace(world=World(Facts(foreseen), side.world.kinds))
