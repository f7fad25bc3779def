# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for VMs that go. All that goes with one is in the plan, and so is what stays of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...engine.changes import LIVE, STAYS, STORED, Change
from ...engine.errors import FleetError
from ...engine.keys import ABSENT
from ...engine.plan import DELETE, NONE, Have, Plan, Wanted
from ...engine.world import World
from . import power, storage, tree
from .snapshots import snapshots_of
from .state_files import (
    StateFile,
    others_with,
    saved_memory_of,
    state_files_of,
)
from .states import SAVED, STOPPED


def removal(wanted: Wanted, have: Have, world: World) -> Plan:
    """The plan for a VM that is to go."""
    gone = Have("vm", wanted.name)
    if not have.exists:
        return Plan(wanted, NONE, have, gone)
    if tree.domain_values(have.definition)[("protected",)]:
        raise FleetError("is protected; set protected to false first", wanted.resource, "state")
    going = _Going(wanted, have, world)
    return Plan(wanted, DELETE, have, gone, (going.state(), *going.lines()))


@dataclass(frozen=True)
class _Going:
    """A VM that goes: what becomes of each thing that is its own."""

    wanted: Wanted
    have: Have
    world: World

    @property
    def _with_storage(self) -> bool:
        return bool(self.wanted.options["remove_storage"])

    def state(self) -> Change:
        disks = "its volumes go with it" if self._with_storage else "its disks stay"
        why = ("pruned",) if self.wanted.pruned else ()
        note = ", ".join((*why, *self._steps(), disks))
        now = self.have.facts["state"]
        return Change(self.wanted.resource, ("state",), now, ABSENT, LIVE, note=note)

    def _steps(self) -> tuple[str, ...]:
        """The way of its power to the end: what a guest holds in memory is not thrown away."""
        now = self.have.facts["state"]
        if now == SAVED and self._with_storage:
            return ()
        return tuple(power.notes(power.steps(now, STOPPED), self.have.live))

    def lines(self) -> Iterator[Change]:
        if self.have.facts["state"] == SAVED and self._with_storage:
            memory = saved_memory_of(self.world.host, self.have.definition)
            yield self._line("saved_memory", memory.path, ABSENT)
        for file in state_files_of(self.world.host, self.have.definition):
            there = self.world.host.exists(file.path)
            if there is not False:
                after, note = self._fate(file)
                unseen = "" if there else "where there is any"
                yield self._line(
                    file.field, file.path, after, ", ".join(filter(None, (note, unseen)))
                )
        yield from self._metadata()
        if self._with_storage:
            yield from self._disks_that_stay()

    def _line(self, field: str, before: Any, after: Any, note: str = "") -> Change:
        return Change(self.wanted.resource, (field,), before, after, STORED, note=note)

    def _fate(self, file: StateFile) -> tuple[Any, str]:
        """What becomes of a file with state, and why."""
        transient = not self.have.facts["persistent"]
        if file.field == "tpm_state" and (transient or not self.world.host.can_keep_tpm):
            keeps = self.have.definition.find("devices/tpm/backend[@persistent_state='yes']")
            if keeps is not None:
                return STAYS, "by its persistent_state"
            return ABSENT, "libvirt cannot keep it"
        if not self._with_storage:
            return STAYS, "removed with remove_storage"
        if transient or not file.removable:
            return STAYS, "libvirt cannot remove it"
        others = others_with(self.wanted.name, file, self.world)
        return (STAYS, f"{', '.join(others)} uses it too") if others else (ABSENT, "")

    def _metadata(self) -> Iterator[Change]:
        """What libvirt knows of snapshots and checkpoints goes in any case; images stay."""
        host, name = self.world.host, self.wanted.name
        snapshots = [one.name for one in snapshots_of(host, name)]
        checkpoints = host.checkpoints(name)
        for field, names in (("snapshots", snapshots), ("checkpoints", checkpoints)):
            if names:
                note = "what libvirt knows of them; what images hold of them is as their disk is"
                yield self._line(field, ", ".join(sorted(names)), ABSENT, note)

    def _disks_that_stay(self) -> Iterator[Change]:
        for target, path, why in storage.disks_that_stay(self.world, self.have):
            field = ("disks", target)
            yield Change(self.wanted.resource, field, path, STAYS, STORED, note=why)
