# SPDX-License-Identifier: GPL-3.0-or-later
"""What is special about plans for VMs: power, disks, and what hangs together in a domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...engine import traits, xmltree
from ...engine.changes import RESTART, Change, Mended, Removed, Restarted, Stepped
from ...engine.codecs import Value
from ...engine.comparing import EffectOf
from ...engine.errors import FleetError
from ...engine.keys import ABSENT, PRESENT, Key, Values, is_of_any, within
from ...engine.plan import Have, Plan, Wanted
from ...engine.planner import Draft, Removal
from ...engine.traits import STATE
from ...engine.world import World
from ..together import taken_up
from . import (
    alike,
    awaited,
    in_pool,
    made_from,
    memory,
    nic_filters,
    nic_rules,
    nic_vlans,
    power,
    rules,
    said,
    video,
)
from .cpu_time import DEDICATED
from .definition import domain_values, live_values, restarting
from .needs import Needs
from .resolve import resolve
from .seeded import CLOUD_INIT, KEYS, VOLUME
from .states import PAUSED, RUNNING, SAVED, STOPPED
from .table import LISTS, RESERVATION, ROWS, TEMPLATE, TRAITS

if TYPE_CHECKING:
    from .cloud_init.going import Planned
    from .standing import Standing


class VmDraft(Draft):
    """A plan for one VM in the making."""

    rows = ROWS
    traits = TRAITS
    ours = KEYS
    restarts_as = power.POWER

    def __init__(self, wanted: Wanted, have: Have, world: World) -> None:
        super().__init__(wanted, have, world)
        self.is_now = have.facts.get("state", STOPPED)
        self.restarting = restarting(have.stored) if have.stored is not None else None
        self.target = power.target(self.is_now, wanted.state, self.restarting)
        self.seed: Planned | None = None
        self.obstacles: Mapping[Key, str] = {}  # why devices are not plugged in or out
        self.goes = wanted.state == ABSENT
        self.steps = power.steps(self.is_now, STOPPED if self.goes else self.target)
        power.check_free(self.is_now, have, self.steps)

    @cached_property
    def standing(self) -> Standing:
        """What its disks stand on, which few plans have to know."""
        from .standing import Standing

        return Standing(self.have, self.world, self.mistakes, self.warnings)

    @property
    def removal(self) -> Removal:
        from .removal import REMOVAL

        return REMOVAL

    # ---- what is there

    @cached_property
    def was(self) -> Values:
        was = traits.traits_of(self.traits, self.have.facts, self.have.exists)
        # A new one is off where nobody says what it is to be, and no plan says so.
        is_silent = not self.have.exists and self.target == power.PRESENT
        return {**was, STATE: STOPPED} if is_silent else was

    @cached_property
    def live(self) -> Values | None:
        """What runs, unless it is going to be stopped and so only the stored definition counts."""
        if self.have.live is None or power.SHUTDOWN in self.steps:
            return None
        values = live_values(self.have.live, self.stored, self.have.definition)
        return nic_vlans.seen(values, self.have, self.stored, self._network, self._ports)

    def _ports(self, of_linux: bool) -> Mapping[str, Any]:
        """The ports of a kind of bridge; asked of those alone that have VLANs."""
        return nic_vlans.ports_on(self.world.host, of_linux)

    @property
    def will_run(self) -> bool:
        return self.will[STATE] in (RUNNING, PAUSED)

    def values_in(self, definition: xmltree.Element) -> Values:
        try:
            return domain_values(definition)
        except ValueError as error:  # libvirt itself stores nothing that is none of the type
            message = f"says something that libvirt would not take, where an option stands: {error}"
            raise FleetError(message, self.wanted.resource, "extra_xml") from error

    def given(self) -> Values:
        return {**super().given(), STATE: self.target}

    # ---- what is wanted

    def resolve(self) -> Values:
        self._refuse_transient()
        alike.check_names(self.wanted.values, self.stored, self.mistakes)
        numbered, given = alike.is_any(self.stored), self.wanted.values
        values = alike.by_tree_names(given, self.stored) if numbered else given
        values = self._of_profile(values)
        values, warnings = in_pool.placed(values, self.stored, self.world, self.mistakes)
        needs = Needs(values, self.stored, self.world, self.mistakes)
        needs.check()
        self.warnings += [*warnings, *needs.warnings]
        name, options, world = self.wanted.name, self.wanted.options, self.world
        purged = [row for row in LISTS if options["purge"] and options.get(row) is not None]
        want = resolve(name, values, self.stored, world, purged, lambda: self.standing)
        nic_rules.follow(want, self.stored, self.world, self.mistakes)
        self._resolve_dedicated(want)
        if VOLUME in want:
            from .cloud_init.planned import planned

            self.seed = planned(self, want)
        needs.check_kept_formats(want)
        video.resolve(want, self.stored, self._arch(), self.world.host)
        if numbered:
            alike.check_going(want, self.stored, self.mistakes)
        self.warnings += taken_up.by_disks(self.wanted, want, self.stored, world, self.mistakes)
        return want

    def _of_profile(self, values: Mapping[Key, Value]) -> Mapping[Key, Value]:
        """What is said, and what a new VM gets by its profile where nothing is."""
        profile = self.wanted.options.get("profile")
        if profile in (None, "linux"):
            return values
        from . import profiles

        return profiles.completed(profile, values, self.stored, self.world.host)

    def _resolve_dedicated(self, want: dict[Key, Value]) -> None:
        """Choose the CPUs of a VM that has some of its own, or is no longer to have them."""
        if not (want.get(DEDICATED) or self.stored.get(DEDICATED)):
            return
        from . import dedicated

        stored = self.have.stored
        dedicated.resolve(self.wanted.name, want, self.stored, stored, self.world, self.mistakes)

    def _refuse_transient(self) -> None:
        if self.have.exists and not self.have.facts["persistent"]:
            store = f"virsh dumpxml {self.wanted.name} --inactive > FILE; virsh define FILE"
            why = "is transient: nothing is stored of it, and lost when it stops; store it first"
            raise FleetError(f"{why} ({store})", self.wanted.resource)

    def new(self) -> xmltree.Element:
        from .tree import new_domain

        return new_domain(self.wanted.name, self._arch())

    def edited(self, definition: xmltree.Element, want: Mapping[Key, Value]) -> xmltree.Element:
        from . import declared, tree

        after = tree.edited(definition, want, self.stored, self.wanted.values)
        if declared.takes_notes(definition):
            disks = self.wanted.options.get("disks") or ()
            own = [disk["name"] for disk in disks if disk.get("pool") and not disk.get("volume")]
            after = declared.note(after, want, self.stored, own)
        if self.seed is not None:
            self.seed.put(after)
        comes = [k for k, v in want.items() if v is PRESENT and k not in self.stored]
        if comes and self.have.live is not None:
            from .kept_places import keep

            keep(after, definition, self.have.live, want, comes)
        if not self.have.exists:
            tree.add_spare_ports(after)
        return after

    def _arch(self) -> str:
        if self.have.stored is None:
            return self.world.host.arch
        return xmltree.get(self.have.stored, "os/type/@arch") or "x86_64"

    # ---- what must hold

    def check(self) -> None:
        if self.live is not None and self.is_now in (RUNNING, PAUSED):
            waits = memory.why_not_plugged(self.have.running)
            self.warnings += [waits] if waits else []
        self._check_extra()
        rules.check_planned(self.after, self.stored, self.want, self.mistakes)
        if self.after[TEMPLATE]:
            from . import templates

            templates.check(self)
        self._check_unseen_template()
        awaited.check(self.wanted.options, self.will[STATE], self.after, self.mistakes)
        if self.definition is not self.have.stored and not self._only_says():
            self._check_host()

    def _check_unseen_template(self) -> None:
        """What may come of a template that check mode cannot see is no mistake."""
        unseen = self.wanted.options.get(made_from.UNSEEN)
        if unseen:
            self.warnings.append(unseen)
            found = self.mistakes.errors
            self.mistakes.errors = [one for one in found if one.field != "memory.size"]

    def _only_says(self) -> bool:
        """Whether what will be stored is about the same VM, of which something else is said."""
        if not self.have.exists or self.seed is not None:
            return False
        return said.only_differs(self.stored, self.after, self.want)

    def _check_host(self) -> None:
        """What a definition that is to be stored meets on its host."""
        from . import abilities, hardware, huge_pages, numa_placement, pinning, state_files

        host, before = self.world.host, self.have.stored
        self.warnings += state_files.found_again(host, before, self.definition)
        hardware.check(self.definition, before, self.mistakes)
        self.warnings += nic_rules.check(self.definition, before, self.world, self.mistakes)
        pinning.check(self.want, self.stored, host, self.mistakes)
        numa_placement.check(self.want, self.stored, self.after, host, self.mistakes)
        abilities.check(self.definition, before, host, self.mistakes)
        huge_pages.check(self.definition, before, host, self.mistakes)

    def _check_extra(self) -> None:
        key, has = ("extra_xml",), self.stored.get(("extra_xml",))
        if self.want[key] == has == self.after[key] if key in self.want else not has:
            return
        from . import extra_rules

        extra_rules.check(self)

    def check_waiting(self, pending: Sequence[Change]) -> None:
        """A start would lose what was written since; one that is asked for is not refused."""
        if not pending:
            return
        found = self.standing.left_behind(pending)
        if self.restarts:
            self.mistakes.extend(found)
        else:
            self.warnings += [f"{error.field}: {error.message}" for error in found]

    def foreseen(self, plan: Plan) -> Plan:
        if self.wanted.options.get(made_from.UNSEEN):
            return plan
        from . import judge

        refusal = self.world.host.refusal
        judged = judge.judged(plan, lambda one: refusal(xmltree.serialise(one)), self.world)
        if said.only_says(plan):
            return judged
        from . import surroundings

        return surroundings.surrounded(judged, self.world)

    # ---- what changes

    def asked(self) -> Mapping[Key, Value]:
        """What was asked for, and what changes with it because it hangs together."""
        was, after = self.stored, self.after
        if after is was or not self.have.exists:
            return self.want
        along = {k: v for k, v in after.items() if was.get(k) != v and (v or was.get(k))}
        return {**self._apart(along), **self.want}

    def _apart(self, values: Values) -> Values:
        """The values that are not of a thing which comes or goes as a whole."""
        things = [
            key
            for key, value in self.want.items()
            if value is ABSENT or (value is PRESENT and key not in self.stored)
        ]
        return {k: v for k, v in values.items() if not is_of_any(k, things)}

    def effects(self) -> EffectOf:
        from .effects import Effects
        from .port_groups import HOLDS_GROUPS

        want, live = self.want, self.have.running
        state = self.target if power.wakes(self.is_now, self.target) else self.is_now
        devices: Values = {k: v for k, v in want.items() if len(k) == 2 and k[0] in LISTS}
        holds = self.world.host.libvirt_version >= HOLDS_GROUPS
        runs, apply = self.live or {}, self._apply()
        is_here = self.world.host.is_this_machine
        of_host = (self._network, holds, self._controllers, is_here, self._ports)
        effects = Effects(live, self.definition, runs, state, apply, devices, *of_host)
        self.obstacles = effects.obstacles
        return effects.of

    def _controllers(self) -> list[str]:
        if self.is_now == SAVED:  # nobody can ask before it is woken; a host with KVM has them
            return ["cpu", "memory"]
        return self.world.host.controllers(self.wanted.name)

    def _network(self, vswitch: str) -> xmltree.Element | None:
        """What will run of a vswitch, for NICs that are told of it now."""
        have = self.world.will_be("vswitch", vswitch)
        return have.stored if have.live is None else have.live

    @property
    def changes_wait(self) -> bool:
        """Whether what runs is left as it is."""
        return self._apply() == "next_boot"

    def _apply(self) -> str:
        # Nothing can be changed in the image of a VM that stays saved.
        stays = self.is_now == SAVED and not power.wakes(self.is_now, self.target)
        return "next_boot" if stays else str(self.wanted.options["apply"])

    def runs_after(self, changes: Sequence[Change]) -> tuple[xmltree.Element, Values]:
        runs = dict(self.live or {})
        for change in changes:
            if change.at_once:
                for key in within(runs, change.field):
                    del runs[key]
                runs.update(within(self.after, change.field))
        return self.definition, runs

    # ---- its power

    def can_restart(self) -> bool:
        return bool(power.restart(self.is_now, self.target))

    def restarted(self, _pending: Sequence[Change], _changes: Sequence[Change]) -> list[Change]:
        why = "shut down and started again, so that what is stored takes effect"
        _shutdown, *aside = power.notes((power.SHUTDOWN,), self.have.live)
        note = "; ".join((why, *aside))
        return [Restarted(self.wanted.resource, power.POWER, self.is_now, note=note)]

    def beside(self) -> list[Change]:
        """What a start needs, and the mark of a restart that was interrupted, where nothing else
        comes of it."""
        grown: list[Change] = [*self._grown_pages(), *self._upheld(), *self._former_seeds()]
        resource = self.wanted.resource
        grown += [*made_from.told(self), *nic_filters.made(resource, self.definition, self.world)]
        if not self.restarting or self.restarts or self.was[STATE] != self.will[STATE]:
            return grown
        note = "a run that was interrupted while it restarted the VM had left this mark"
        mended = Mended(resource, power.POWER, "restarting", self.is_now, note=note)
        return [*grown, mended]

    def _former_seeds(self) -> Iterable[Change]:
        if self.seed is None:
            return []
        from .cloud_init import going

        return going.beside(self.wanted.resource, self.seed)

    def _upheld(self) -> Iterable[Change]:
        """What the kernel does not hold of what it was promised, if it runs on."""
        live = None if self.live is None or self.restarts else self.have.live
        if live is None or xmltree.find(live, RESERVATION) is None:
            return []
        from . import enforced

        if any(self.after.get(key) != self.stored.get(key) for key in enforced.PROMISES):
            return []  # to change it has all of it held
        return enforced.unheld(live, self.after, self.world, self.wanted.resource)

    def _grown_pages(self) -> Iterable[Change]:
        """What of the host's huge pages it needs to start."""
        if not (self.restarts or {power.START, power.START_PAUSED} & {*self.steps}):
            return []
        from . import huge_pages

        live = self.have.live
        starts = self.definition if live is None or self.is_now != SAVED else live
        return huge_pages.grown(starts, self.have, self.world, self.mistakes)

    def explained(self, change: Change) -> Change:
        if self.seed is not None and change.field[0] in (CLOUD_INIT, "cdroms"):
            from .cloud_init import planned

            return planned.explained(self.seed, change)
        if not isinstance(change, Stepped):
            why = self.obstacles.get(change.field) if change.effect == RESTART else None
            return replace(change, note=why) if why and not self.restarts else change
        if isinstance(change, Removed):
            from .removal import note_of

            return replace(change, note=note_of(self))
        note = "" if self.restarts else ", ".join(power.notes(self.steps, self.have.live))
        return replace(change, note=note, final=power.final(self.steps))
