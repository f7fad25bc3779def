# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for VMs: what a declaration does to one, now and at its next start."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine import xmltree
from ...engine.changes import HOTPLUG, LIVE, RESTART, STORED, Change
from ...engine.codecs import Value
from ...engine.comparing import EffectOf, compare, waiting
from ...engine.errors import Mistakes
from ...engine.keys import ABSENT, PRESENT, Key, Values, is_of_any, within
from ...engine.plan import CREATE, NONE, UPDATE, Have, Plan, Wanted
from ...engine.world import World
from ..together import taken_up
from . import alike, declared, port_groups, power, rules, tree, video
from .resolve import LISTS, resolve
from .standing import Standing
from .states import PAUSED, RUNNING, SAVED, STOPPED


class Planner:
    """Makes the plan for one VM that is to be there."""

    def __init__(self, wanted: Wanted, have: Have, world: World) -> None:
        self.wanted = wanted
        self.have = have
        self.world = world
        self.mistakes = Mistakes(wanted.resource)
        self.standing = Standing(have, world, self.mistakes)
        self.now = have.facts.get("state", STOPPED)
        self.restarting = tree.restarting(have.stored) if have.stored is not None else None
        self.target = power.target(self.now, wanted.state, self.restarting)
        self.steps = power.steps(self.now, self.target)
        self.stored: Values = tree.domain_values(have.stored) if have.stored is not None else {}
        self.live = self._live()

    def _live(self) -> Values | None:
        """What runs, unless it is going to be stopped and so only the stored definition counts."""
        if self.have.live is None or power.SHUTDOWN in self.steps:
            return None
        values = tree.live_values(self.have.live, self.stored, self.have.definition)
        return port_groups.see_through(values, self.have.live, self.stored, self._network)

    def plan(self) -> Plan:
        """The plan, or every mistake in the declaration."""
        want = self._want()
        definition = self._definition(want)
        after = self.stored if definition is self.have.stored else tree.domain_values(definition)
        self._check_extra(want, definition)
        rules.check_planned(after, self.stored, want, self.mistakes)
        if definition is not self.have.stored:
            self._check_host(definition)
        self.mistakes.raise_any()
        changes = self._changes(want, after, self._effects(want, definition))
        changes += self._autostart()
        runs = self._predicted_live(changes, after)
        pending = self._pending(after, runs)
        restarts = bool(pending) and self._restarts()
        self._check_left_behind(pending, restarts)
        changes += self._power(restarts)
        if restarts:
            pending = []
        action = CREATE if not self.have.exists else UPDATE if changes else NONE
        return Plan(
            self.wanted,
            action,
            self.have,
            self._predicted(definition),
            tuple(changes),
            tuple(pending),
            tuple(self.warnings),
        )

    def _check_host(self, definition: xmltree.Element) -> None:
        """What a definition that is to be stored meets on its host."""
        from . import abilities, hardware, state_files

        host, before = self.world.host, self.have.stored
        self.warnings += state_files.found_again(host, before, definition)
        hardware.check(definition, before, self.mistakes)
        abilities.check(definition, before, host, self.mistakes)

    def _check_extra(self, want: Mapping[Key, Value], definition: xmltree.Element) -> None:
        key = ("extra_xml",)
        if key not in want or want[key] == self.stored.get(key):
            return
        from . import extra_rules

        self.warnings += extra_rules.warnings(self.have.stored, definition)
        if want[key]:
            for message in extra_rules.mistakes(definition, want, self.world.host):
                self.mistakes.add(message, "extra_xml")

    def _want(self) -> dict[Key, Value]:
        alike.check_names(self.wanted.values, self.stored, self.mistakes)
        values = alike.by_tree_names(self.wanted.values, self.stored)
        needs = rules.Needs(values, self.stored, self.world, self.mistakes)
        needs.check()
        self.warnings = needs.warnings
        options = self.wanted.options
        purged = [name for name in LISTS if options["purge"] and options.get(name) is not None]
        want = resolve(self.wanted.name, values, self.stored, self.world, purged, self.standing)
        needs.check_kept_formats(want)
        video.resolve(want, self.stored, self._arch(), self.world.host)
        alike.check_going(want, self.stored, self.mistakes)
        self.warnings += self.standing.warnings
        self.warnings += taken_up.by_disks(
            self.wanted, want, self.stored, self.world, self.mistakes
        )
        return want

    def _definition(self, want: Mapping[Key, Value]) -> xmltree.Element:
        if self.have.stored is not None:
            as_is = not compare(
                self.wanted.resource, want, self.stored, None, lambda *_: (STORED, "")
            )
            return self.have.stored if as_is else self._edited(self.have.stored, want)
        definition = self._edited(tree.new_domain(self.wanted.name, self._arch()), want)
        tree.add_spare_ports(definition)
        return definition

    def _edited(self, domain: xmltree.Element, want: Mapping[Key, Value]) -> xmltree.Element:
        after = tree.edited(domain, want)
        if not declared.takes_notes(domain):
            return after
        disks = self.wanted.options.get("disks") or ()
        own = [disk["name"] for disk in disks if disk.get("pool") and not disk.get("volume")]
        return declared.note(after, want, self.stored, own)

    def _arch(self) -> str:
        if self.have.stored is None:
            return self.world.host.arch
        return xmltree.get(self.have.stored, "os/type/@arch") or "x86_64"

    def _changes(
        self, want: Mapping[Key, Value], after: Values, effect_of: EffectOf
    ) -> list[Change]:
        """What was asked for, and what changes with it because it hangs together."""
        was = self.stored
        along = {k: v for k, v in after.items() if was.get(k) != v and (v or was.get(k))}
        asked = dict(want) if not self.have.exists else {**self._apart(along, want), **want}
        return compare(self.wanted.resource, asked, self.stored, self.live, effect_of)

    def _apart(self, values: Values, want: Mapping[Key, Value]) -> Values:
        """The values that are not of a thing which comes or goes as a whole."""
        things = [
            key
            for key, value in want.items()
            if value is ABSENT or (value is PRESENT and key not in self.stored)
        ]
        return {k: v for k, v in values.items() if not is_of_any(k, things)}

    def _effects(self, want: Mapping[Key, Value], definition: xmltree.Element) -> EffectOf:
        """What a change has, asked first where something differs."""
        live, runs = self.have.live, self.live
        if live is None or runs is None:
            return lambda *_: (STORED, "")
        made: list[EffectOf] = []

        def effect_of(key: Key, now: Value, after: Value) -> tuple[str, str]:
            if not made:
                made.append(self._live_effects(want, definition, live, runs))
            return made[0](key, now, after)

        return effect_of

    def _live_effects(
        self,
        want: Mapping[Key, Value],
        definition: xmltree.Element,
        live: xmltree.Element,
        runs: Values,
    ) -> EffectOf:
        from .effects import Effects

        state = self.target if power.wakes(self.now, self.target) else self.now
        leaving = [k for k, v in want.items() if v is ABSENT and len(k) == 2 and k[0] in LISTS]
        holds = self.world.host.libvirt_version >= port_groups.HOLDS_GROUPS
        apply = self._apply()
        return Effects(live, definition, runs, state, apply, leaving, self._network, holds).of

    def _network(self, vswitch: str) -> xmltree.Element | None:
        """What will run of a vswitch, for NICs that are told of it now."""
        have = self.world.will_be("vswitch", vswitch)
        return have.stored if have.live is None else have.live

    def _apply(self) -> str:
        # Nothing can be changed in the image of a VM that stays saved.
        stays = self.now == SAVED and not power.wakes(self.now, self.target)
        return "next_boot" if stays else str(self.wanted.options["apply"])

    def _autostart(self) -> list[Change]:
        want, has = self.wanted.options["autostart"], self.have.facts.get("autostart", False)
        if want is None or want == has:
            return []
        return [Change(self.wanted.resource, ("autostart",), has, want, STORED)]

    def _predicted_live(self, changes: list[Change], after: Values) -> Values | None:
        """What will run once the live changes are made."""
        if self.live is None:
            return None
        runs = dict(self.live)
        for change in changes:
            if change.effect in (LIVE, HOTPLUG):
                for key in within(runs, change.field):
                    del runs[key]
                runs.update(within(after, change.field))
        return runs

    def _pending(self, after: Values, runs: Values | None) -> list[Change]:
        """Every field in which what is stored will differ from what runs, whoever changed it."""
        return [] if runs is None else waiting(self.wanted.resource, after, runs)

    def _check_left_behind(self, pending: list[Change], restarts: bool) -> None:
        """A start would lose what was written since; one that is asked for is not refused."""
        found = self.standing.left_behind(pending)
        if restarts:
            self.mistakes.extend(found)
            self.mistakes.raise_any()
        self.warnings += [f"{error.field}: {error.message}" for error in found]

    def _restarts(self) -> bool:
        """Whether the VM is restarted where something stored waits for it."""
        asked = self.wanted.options["apply"] == RESTART
        return asked and bool(power.restart(self.now, self.target))

    def _power(self, restarts: bool) -> list[Change]:
        resource, after = self.wanted.resource, self.target
        changes = []
        if self.steps or (not self.have.exists and after != PRESENT):
            before = self.now if self.have.exists else "absent"
            note = "" if restarts else ", ".join(power.notes(self.steps, self.have.live))
            changes.append(Change(resource, ("state",), before, after, LIVE, note=note))
        if restarts:
            why = "shut down and started again, so that what is stored takes effect"
            _shutdown, *aside = power.notes((power.SHUTDOWN,), self.have.live)
            note = "; ".join((why, *aside))
            changes.append(Change(resource, ("power",), self.now, "restarted", RESTART, note=note))
        if not changes and self.restarting:
            note = "a run that was interrupted while it restarted the VM had left this mark"
            changes.append(Change(resource, ("power",), "restarting", self.now, STORED, note=note))
        return changes

    def _predicted(self, definition: xmltree.Element) -> Have:
        state = self.now if self.target == PRESENT else self.target
        autostart = self.wanted.options["autostart"]
        facts = {
            "state": state,
            "autostart": self.have.facts.get("autostart", False)
            if autostart is None
            else autostart,
            "persistent": True,
        }
        live = definition if state in (RUNNING, PAUSED) else None
        return Have("vm", self.wanted.name, definition, live, facts)
