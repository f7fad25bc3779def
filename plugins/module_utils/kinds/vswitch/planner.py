# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for vswitches: what a declaration does to one, and to the VMs that are on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from ...engine import xmltree
from ...engine.changes import LIVE, RESTART, STORED, Change
from ...engine.codecs import Value
from ...engine.comparing import compare
from ...engine.comparing import waiting as differing
from ...engine.errors import FleetError, Mistakes
from ...engine.keys import ABSENT, PRESENT, Key, Values, fits_several, is_of_any, named, within
from ...engine.plan import CREATE, NONE, UPDATE, Have, Plan, Wanted
from ...engine.world import ACTIVE, GONE, World, state_after
from ...engine.xmltree import Element
from ...host import interfaces
from . import applier_nics as reconnect
from . import rules, tree
from .attached import Nic
from .leftovers import Left
from .surroundings import (
    attached_to,
    has_bridge,
    left_of,
    leftovers,
    named_nics,
    refuse_while_in_use,
)
from .table import (
    BRIDGE,
    BRIDGE_NAME,
    FAMILIES,
    FORWARD_DELAY,
    NAT,
    OURS,
    RUN_BY_LIBVIRT,
    STP,
    TYPE,
)
from .tree import values_of

CONNECT, RESTARTED = "connect", "restarted"
STATE, AUTOSTART, PERSISTENT = ("state",), ("autostart",), ("persistent",)
CONNECTIONS = ("connections",)


def waiting(resource: str, stored: Values, live: Values) -> list[Change]:
    """The fields that wait for a restart; what is for us alone takes effect at once."""
    return [change for change in differing(resource, stored, live) if change.field not in OURS]


class Planner:
    """Makes the plan for one vswitch that is to be there."""

    def __init__(self, wanted: Wanted, have: Have, world: World) -> None:
        self.wanted = wanted
        self.have = have
        self.world = world
        self.mistakes = Mistakes(wanted.resource)
        self.warnings: list[str] = []
        self.state = state_after(wanted, have)
        self.will_run = self.state == ACTIVE
        self.stored: Values = {} if have.stored is None else values_of(have.stored)
        self.now: Values | None = None if have.live is None else values_of(have.live)
        self.live = self.now if self.will_run else None

    def plan(self) -> Plan:
        """The plan, or every mistake in the declaration."""
        want = self._want()
        definition = tree.edited(self._definition(), want)
        after = values_of(definition)
        # What has no place in the tree, such as DHCP without an address, is a mistake too.
        self._check({**after, **{key: value for key, value in want.items() if value is not ABSENT}})
        self.mistakes.extend(rules.dns_of_others(definition))
        self._check_addresses(definition, after)
        changes = self._changed_fields(want, after)
        live = self._updated(want, changes)
        pending = [] if live is None else waiting(self.wanted.resource, after, values_of(live))
        if pending and self.wanted.options["apply"] == RESTART:
            changes.append(self._restart(after, pending))
            live, pending = definition, []
        else:
            changes += self._left_to_connect(definition)
        facts = self._facts()
        changes += [
            *leftovers(self.wanted.resource, self.left),
            *self._changed_facts(facts, definition),
        ]
        runs = (definition if live is None else live) if self.will_run else None
        action = CREATE if not self.have.exists else UPDATE if changes else NONE
        return Plan(
            self.wanted,
            action,
            self.have,
            Have(self.have.kind, self.have.name, definition, runs, facts),
            tuple(changes),
            tuple(pending),
            tuple(self.warnings),
        )

    # ---- what is wanted, with what follows from it

    def _want(self) -> Values:
        want = {**self._defaults(), **self.wanted.values}
        return {**self._consequences(want), **want}

    def _consequences(self, want: Values) -> Values:
        """What goes along: things to purge, DHCP with its address, a peak with its average."""
        goes: Values = {}
        for key in self._things():
            above = key[:-1]
            purged = self.wanted.options["purge"] and above in self.wanted.options["lists"]
            if purged or any(want.get(f.key) == "" and above[0] == f.dhcp for f in FAMILIES):
                goes[key] = ABSENT
        for key, value in want.items():
            if key[-1] == "average" and value == "0B":
                goes.update({(*key[:-1], limit): "0B" for limit in ("peak", "burst")})
        return goes

    def _things(self) -> list[Key]:
        """Every thing in a list that is stored or runs."""
        there = {**self.stored, **(self.live or {})}
        return [key for key, value in there.items() if value is PRESENT]

    def _defaults(self) -> Values:
        if self.have.exists or self.wanted.values.get(TYPE, NAT) == BRIDGE:
            return {}
        bridge = tree.derived_bridge(self.wanted.name)
        return {TYPE: NAT, BRIDGE_NAME: bridge, STP: True, FORWARD_DELAY: 0}

    def _definition(self) -> Element:
        if self.have.stored is not None:
            return self.have.stored
        network = tree.new_network(self.wanted.name)
        if self.wanted.values.get(TYPE) != BRIDGE:
            xmltree.put(network, "mac/@address", tree.derived_mac(self.wanted.name))
        return network

    # ---- checks

    def _check(self, after: Values) -> None:
        self._check_type(after)
        self._check_names()
        self.mistakes.raise_any()
        # What others made may break a rule, and is nobody's mistake as long as it stays so.
        known = {(e.field, e.message) for e in (rules.check(self.stored) if self.stored else ())}
        found = (e for e in rules.check(after) if (e.field, e.message) not in known)
        self.mistakes.extend(found)
        self.mistakes.raise_any()
        self._check_beside_others(after)
        self._check_bridge(after)
        if self.have.live is not None and not self.will_run:
            refuse_while_in_use(self.wanted, self.running)
        self.mistakes.raise_any()

    def _check_type(self, after: Values) -> None:
        is_on_device = self.stored.get(TYPE) == BRIDGE and not self.stored.get(BRIDGE_NAME)
        if is_on_device and after[BRIDGE_NAME]:
            message = "means nothing for a vswitch that is on a device of the host"
            self.mistakes.add(message, "bridge")
        was = self.stored.get(TYPE, after[TYPE])
        if was != after[TYPE] and not {was, after[TYPE]} <= set(RUN_BY_LIBVIRT):
            self.mistakes.add(
                f"is {was} and cannot become {after[TYPE]}; declare a vswitch with another name, "
                "or remove this one first",
                "type",
            )

    def _check_addresses(self, definition: Element, after: Values) -> None:
        """Of several addresses of a family the one with DHCP counts, as long as it has some."""
        settled = values_of(tree.without_empty_dhcp(definition))
        for family in FAMILIES:
            if self.wanted.values.get(family.key) == "" and after[family.key]:
                self.mistakes.add(
                    f"cannot go: the vswitch has others, of which {after[family.key]} would take "
                    "its place; remove those first (virsh net-edit)",
                    family.address,
                )
            if settled[family.key] != after[family.key]:
                self.mistakes.add(
                    "cannot go: by DHCP this address is told from others that the vswitch has; "
                    "remove the others first (virsh net-edit)",
                    family.dhcp,
                )
        self.mistakes.raise_any()

    def _check_names(self) -> None:
        """Names of several things, where one of these is to change."""
        for key in (k for k, v in self.wanted.values.items() if v in (PRESENT, ABSENT)):
            said = within(self.wanted.values, key)
            changes = any(self.stored.get(k) != v for k, v in said.items())
            if changes and fits_several(self.stored, key):
                self.mistakes.add(
                    "is the name of several, and nobody knows which is meant; make them differ "
                    "by virsh net-edit, or list all and purge",
                    named(key),
                )

    def _check_beside_others(self, after: Values) -> None:
        """Against other vswitches and the host's networks; not again for what runs so already."""
        new = {f.key: after[f.key] for f in FAMILIES if not self._runs(f.key, after)}
        if not any(new.values()) and self._runs(BRIDGE_NAME, after):
            return
        others = {
            name: values_of(have.stored)
            for name, have in self.world.everything("vswitch").items()
            if name != self.wanted.name and have.stored is not None
        }
        taken = {f"vswitch/{name}": rules.networks_in(values) for name, values in others.items()}
        mine = (after, self.now or after, self.stored or after)
        bridges = {values[BRIDGE_NAME] for values in (*mine, *others.values())}
        for interface, network in interfaces.host_networks(self.world.host):
            if interface not in bridges:
                taken.setdefault(f"the host's interface {interface}", []).append(network)
        self.mistakes.extend(rules.overlapping(new, taken))
        if not self._runs(BRIDGE_NAME, after):
            self.mistakes.extend(rules.shared_bridge(after, others))

    def _check_bridge(self, after: Values) -> None:
        name, host = after[BRIDGE_NAME], self.world.host
        stays = not self.will_run and self.stored.get(BRIDGE_NAME) == name
        if stays or self._runs(BRIDGE_NAME, after):
            return
        if after[TYPE] in RUN_BY_LIBVIRT:
            if name != self.left.bridge and interfaces.has_interface(host, name):
                self.mistakes.add(
                    f"the host has an interface {name} already; name another bridge", "bridge"
                )
            return
        there = has_bridge(self._definition(), name, host)
        if there is False and self.world.assume_on_host:
            self.warnings.append(f"the bridge {name} is not there; taken to be made before the run")
        elif there is False:
            self.mistakes.add(f"the host has no bridge {name}; make it first", "bridge")
        elif there is None:
            self.warnings.append(f"cannot see whether the host has a bridge {name}")

    def _runs(self, key: Key, after: Values) -> bool:
        return self.now is not None and self.now[key] == after[key]

    @cached_property
    def left(self) -> Left:
        """What is in the way of its next start."""
        return left_of(self.have, self._definition(), self.world, self.will_run)

    @cached_property
    def running(self) -> list[Nic]:
        """The NICs of running VMs on this vswitch, read only when they matter: it takes all VMs."""
        return [nic for nic in attached_to(self.have, self.world) if nic.running]

    # ---- changes

    def _changed_fields(self, want: Values, after: Values) -> list[Change]:
        updatable = self._updatable(want, after)

        def effect_of(key: Key, _now: Value, _after: Value) -> tuple[str, str]:
            in_place = is_of_any(key, updatable)
            return (LIVE if in_place else RESTART), ""

        # Who owns it says nothing about what runs, so what runs has no say in it.
        owned: Values = {key: value for key, value in want.items() if key in OURS}
        rest: Values = {key: value for key, value in want.items() if key not in OURS}
        resource = self.wanted.resource
        return [
            *(_explained(c) for c in compare(resource, rest, self.stored, self.live, effect_of)),
            *compare(resource, owned, self.stored, None, effect_of),
        ]

    def _updatable(self, want: Values, after: Values) -> set[Key]:
        """What libvirt is to change in place: lists, where what they will hold can run by itself.

        It cannot on an address that will be another, or beside things that run and are stored no
        more: a reservation, say, of an address that is still another's.
        """
        if self.live is None or self.wanted.options["apply"] == "next_boot":
            return set()
        stay = {(f.dhcp,) for f in FAMILIES if after[f.key] and after[f.key] == self.live[f.key]}
        lists = {("port_groups",), ("dns", "hosts"), *stay}
        made = {k: v for k, v in want.items() if k[:1] in lists or k[:2] in lists}
        live = values_of(self._live_with(made))
        live.update({key: value for key, value in made.items() if value is not ABSENT})
        clash = {error.field.split(".")[0] for error in rules.check(live)}
        return {key for key in lists if key[0] not in clash}

    def _live_with(self, values: Values) -> Element:
        return tree.edited(self.have.running, values)

    def _updated(self, want: Values, changes: Iterable[Change]) -> Element | None:
        """What runs, with the changes that are made in place."""
        if self.live is None:
            return None
        in_place = tuple(change.field for change in changes if change.effect == LIVE)
        made = {k: v for k, v in want.items() if is_of_any(k, in_place)}
        return self._live_with(made)

    def _restart(self, after: Values, pending: Iterable[Change]) -> Change:
        lost = [
            nic for nic in self.running if not nic.by_name and not self._runs(BRIDGE_NAME, after)
        ]
        if lost:
            raise FleetError(
                "cannot be restarted on another bridge under NICs that name the bridge it has: "
                f"{named_nics(lost)}; shut their VMs down, or connect them to the vswitch by name",
                self.wanted.resource,
                "bridge",
            )
        fields = ", ".join(named(change.field) for change in pending)
        note = f"stopped and started again, so that it takes up {fields}"
        if self.running:
            nics = named_nics(self.running)
            note += f"; these lose it for some seconds and are connected again: {nics}"
        return Change(self.wanted.resource, STATE, ACTIVE, RESTARTED, RESTART, note=note)

    def _left_to_connect(self, definition: Element) -> list[Change]:
        """What a run left that was interrupted while it connected NICs again."""
        if self.live is None or self.wanted.options["apply"] == "next_boot":
            return []
        left = self._left_by_others(definition)
        before = {str(connection): "not connected" for connection in left.connections}
        after: dict[str, str] = dict.fromkeys(before, "connected")
        if left.detour:
            before["detour"], after["detour"] = "left", GONE
        note = "as a run left them that was interrupted, or somebody else"
        change = Change(
            self.wanted.resource, CONNECTIONS, before, after, LIVE, applier=CONNECT, note=note
        )
        return [change] if before else []

    # ---- what is not in the XML

    def _facts(self) -> dict[str, Any]:
        autostart = self.wanted.options["autostart"]
        if autostart is None:
            autostart = self.have.facts.get("autostart", self.will_run)
        return {"state": self.state, "autostart": autostart, "persistent": True}

    def _changed_facts(self, after: Mapping[str, Value], definition: Element) -> list[Change]:
        before = self.have.facts or {"state": GONE, "autostart": None, "persistent": True}
        effects = {PERSISTENT: STORED, AUTOSTART: STORED, STATE: LIVE}
        changes = [
            Change(self.wanted.resource, key, before[key[0]], after[key[0]], effect)
            for key, effect in effects.items()
            if before[key[0]] != after[key[0]]
        ]
        return [self._connecting(change, definition) for change in changes]

    def _connecting(self, change: Change, definition: Element) -> Change:
        """The start of one that was stopped, or went, under running VMs: it takes their NICs up."""
        if change.field != STATE or change.after != ACTIVE:
            return change
        nics = named_nics(self.running) if self.have.exists else self._cut_off(definition)
        if not nics:
            return change
        return replace(change, applier=CONNECT, note=f"these are connected again: {nics}")

    def _cut_off(self, definition: Element) -> str:
        """The NICs of running VMs that were on a vswitch of this name, and are on no bridge."""
        return ", ".join(map(str, self._left_by_others(definition).connections))

    def _left_by_others(self, definition: Element) -> reconnect.Left:
        vms = partial(self.world.everything, "vm")
        return reconnect.left_by_interrupted_run(self.world.host, self.have, definition, vms)


def _explained(change: Change) -> Change:
    """A change of limits does not reach NICs that are connected already."""
    if change.effect != LIVE or "bandwidth" not in change.field:
        return change
    return replace(
        change, note="NICs that are connected keep their limits until they connect again"
    )
