# SPDX-License-Identifier: GPL-3.0-or-later
"""What is special about plans for vswitches: what they do to the VMs that are on one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial

from ...engine import vlans, xmltree
from ...engine.changes import LIVE, RESTART, Change, Lost, Made, Restarted, Stepped
from ...engine.codecs import Value
from ...engine.comparing import EffectOf
from ...engine.errors import FleetError
from ...engine.host import TEST
from ...engine.keys import ABSENT, PRESENT, Key, Values, beside, is_of_any, named, parent
from ...engine.plan import Plan
from ...engine.planner import Draft, Removal
from ...engine.traits import ACTIVE, GONE, OF_WHAT_RUNS, STATE
from ...engine.vlan_ports import Port
from ...engine.xmltree import Element
from . import checks, connections, filtering, ports, reserved_nics, rules, table, tree
from .attached import Nic
from .changes import Connected, MadeUnderVms, Retagged, StartedUnderVms
from .leftovers import Left
from .noted_vlans import ISOLATION
from .surroundings import (
    attached_to,
    left_of,
    leftovers,
    named_nics,
    refuse_while_in_use,
)
from .switch import leaving, options
from .switch.planned import Beneath
from .table import (
    BRIDGE,
    BRIDGE_NAME,
    FAMILIES,
    FORWARD_DELAY,
    HOSTDEV,
    NAT,
    ON_DEVICE,
    ON_HOST_BRIDGE,
    OPENVSWITCH,
    OURS,
    PROTECTED,
    STP,
    SWITCHED,
    TYPE,
)
from .tree import values_of

CONNECTIONS: Key = ("connections",)


# ---- what goes


def _used_by(draft: VswitchDraft) -> None:
    nics = attached_to(draft.have, draft.world)
    refuse_while_in_use(draft.wanted, [nic for nic in nics if nic.running])
    idle = sorted({nic.vm for nic in nics})
    if idle:
        draft.warnings.append(f"goes, and {', '.join(idle)} cannot start without it")


def _left(draft: VswitchDraft) -> Iterable[Change]:
    left = left_of(draft.have, draft.have.definition, draft.world, False)
    return leftovers(draft.wanted.resource, left)


def _leases(draft: VswitchDraft) -> Iterable[Change]:
    """What DHCP gave to whom, which libvirt forgets with a network."""
    have, host = draft.have, draft.world.host
    leases = host.leases(have.name) if have.live is not None else ()
    given = ", ".join(sorted(f"{lease['mac']} {lease['ipaddr']}" for lease in leases))
    note = "who asks again may get another address"
    return [Lost(draft.wanted.resource, ("leases",), given, note=note)] if given else []


# ---- what comes, changes or stays


def _sides(found: list[ports.Astray]) -> list[list[tuple[ports.Astray, Port]]]:
    """The ports as they are, and as they are to be."""
    return [[(one, one.now) for one in found], [(one, one.will) for one in found]]


GOES_WITH = (_leases, leaving.gone_with, filtering.freed)


class VswitchDraft(Draft):
    """A plan for one vswitch in the making."""

    traits = OF_WHAT_RUNS
    ours = OURS
    removal = Removal(PROTECTED, _used_by, clears=(_left,), goes_with=GOES_WITH)

    def values_in(self, definition: Element) -> Values:
        return values_of(definition)

    def edited(self, definition: Element, want: Mapping[Key, Value]) -> Element:
        return tree.edited(definition, want)

    def new(self) -> Element:
        network = tree.new_network(self.wanted.name)
        kind = self.wanted.values.get(TYPE)
        if kind not in (*ON_HOST_BRIDGE, *ON_DEVICE):
            xmltree.put(network, "mac/@address", tree.derived_mac(self.wanted.name))
        if kind == HOSTDEV:  # libvirt takes the functions from the host, and gives them back
            xmltree.put(network, "forward/@managed", "yes")
        return network

    def check(self) -> None:
        checks.check(self)

    def facts(self) -> Mapping[str, Value]:
        return {**super().facts(), **self.beneath.facts}

    # ---- what is wanted, with what follows from it

    def resolve(self) -> Values:
        self.wanted, warnings = reserved_nics.with_macs(self.wanted, self.world)
        self.warnings += warnings
        want = {**self._defaults(), **self.wanted.values}
        if want.get(TYPE) == BRIDGE and self.stored.get(TYPE) == OPENVSWITCH:
            want[TYPE] = OPENVSWITCH  # which is a bridge of the host as well
        has_switch = want.get(TYPE, self.stored.get(TYPE)) in SWITCHED
        self.beneath = Beneath(self, options.taken_out(want, has_switch))
        for group in table.things_of(want, ("port_groups",)):
            want.update(vlans.settled(want, self.stored, group))
        return {**self._consequences(want), **want}

    def _consequences(self, want: Values) -> Values:
        """What goes along: things to purge, DHCP with its address, a peak with its average."""
        goes: Values = {}
        for key in self._things():
            above = parent(key)
            purged = self.wanted.options["purge"] and above in self.wanted.options["lists"]
            if purged or any(want.get(f.key) == "" and above[0] == f.dhcp for f in FAMILIES):
                goes[key] = ABSENT
        for key, value in want.items():
            if key[-1] == "average" and value == "0B":
                goes.update({beside(key, limit): "0B" for limit in ("peak", "burst")})
        return goes

    def _things(self) -> list[Key]:
        """Every thing in a list that is stored or runs."""
        there = {**self.stored, **(self.live or {})}
        return [key for key, value in there.items() if value is PRESENT]

    def _defaults(self) -> Values:
        kind, bridge = self.wanted.values.get(TYPE, NAT), tree.derived_bridge(self.wanted.name)
        if not self.have.exists and kind in SWITCHED:
            return {TYPE: kind, BRIDGE_NAME: bridge}
        if self.have.exists or kind in (*ON_HOST_BRIDGE, *ON_DEVICE):
            return {}
        return {TYPE: NAT, BRIDGE_NAME: bridge, STP: True, FORWARD_DELAY: 0}

    # ---- what is around it

    @cached_property
    def base(self) -> Element:
        """What the plan begins with: what is stored, or a bare network."""
        return self.new() if self.have.stored is None else self.have.stored

    @cached_property
    def left(self) -> Left:
        """What is in the way of its next start."""
        return left_of(self.have, self.base, self.world, self.will_run)

    @cached_property
    def running(self) -> list[Nic]:
        """The NICs of running VMs on this vswitch, read only when they matter: it takes all VMs."""
        return [nic for nic in attached_to(self.have, self.world) if nic.running]

    # ---- what changes

    @property
    def changes_wait(self) -> bool:
        """Whether what runs is left as it is."""
        return bool(self.wanted.options["apply"] == "next_boot")

    def effects(self) -> EffectOf:
        updatable = self._updatable()

        def effect(key: Key, *_: Value) -> str:
            return LIVE if is_of_any(key, updatable) or self._is_noted(key) else RESTART

        return effect

    def _is_noted(self, key: Key) -> bool:
        """Whether it is of the VLANs that libvirt's hook sets, which reads what is stored; or what
        NICs follow, whatever runs of the network."""
        host = self.world.host
        if filtering.is_followed(key):
            return True
        if key[0] != "port_groups" or len(key) != 3 or key[-1] not in vlans.NAMES:
            return False
        return host.driver != TEST and vlans.by_hook(self.definition, None, host.libvirt_version)

    def _updatable(self) -> set[Key]:
        """What libvirt is to change in place: lists, where what they will hold can run by itself.

        It cannot on an address that will be another, or beside things that run and are stored no
        more: a reservation, say, of an address that is still another's.
        """
        if self.live is None or self.wanted.options["apply"] == "next_boot":
            return set()
        after = self.after
        stay = {(f.dhcp,) for f in FAMILIES if after[f.key] and after[f.key] == self.live[f.key]}
        lists = {("port_groups",), ("dns", "hosts"), *stay}
        made = {k: v for k, v in self.want.items() if k[:1] in lists or k[:2] in lists}
        live = values_of(self.edited(self.have.running, made))
        live.update({key: value for key, value in made.items() if value is not ABSENT})
        clash = {error.field.split(".")[0] for error in rules.check(live)}
        return {key for key in lists if key[0] not in clash}

    def restarted(self, pending: Sequence[Change], _changes: Sequence[Change]) -> list[Change]:
        if self._is_open_vswitch and self.running:
            raise FleetError(
                f"cannot be restarted under running VMs: {named_nics(self.running)}; their ports "
                "stay in the switch that they are in; shut them down first",
                self.wanted.resource,
                "apply",
            )
        if self.running and not self.after[BRIDGE_NAME]:
            raise FleetError(
                f"cannot be restarted under running VMs: {named_nics(self.running)}; their NICs "
                "stay on the devices of the host that they have; shut them down first",
                self.wanted.resource,
                "apply",
            )
        stays = checks.runs(self, BRIDGE_NAME, self.after)
        lost = [nic for nic in self.running if not nic.by_name and not stays]
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
        return [Restarted(self.wanted.resource, STATE, ACTIVE, note=note)]

    def beside(self) -> list[Change]:
        left = leftovers(self.wanted.resource, self.left)
        connected = self._left_to_connect()
        followers = filtering.changes(self)
        return [*self.beneath.changes(), *connected, *left, *self._ports_astray(), *followers]

    @property
    def _is_open_vswitch(self) -> bool:
        """Whether its ports are Open vSwitch's, which stay where they are whatever libvirt does."""
        return bool(self.after[TYPE] == OPENVSWITCH)

    def _ports_astray(self) -> list[Change]:
        """The ports of running NICs that are to be others, or were left so by a run."""
        waits = self.wanted.options["apply"] == "next_boot"
        if not self._has_ports or not self.will_run or waits or not self.running:
            return []
        there, network = self._ports, self._network_that_runs()
        if there.error and self._changes_ports():
            self.warnings.append(
                f"{there.error}; ports of running VMs stay as they are until these start again: "
                f"{named_nics(self.running)}"
            )
        vms = self.world.everything("vm") if there.ports else {}
        found = list(ports.astray(self.have.name, network, vms, there, self.have.stored))
        if not found:
            return []
        before, after = ({str(one): str(of) for one, of in pairs} for pairs in _sides(found))
        note = f"the ports of NICs that run; {ports.meaning(found)}"
        return [Retagged(self.wanted.resource, ("ports",), before, after, LIVE, note=note)]

    @cached_property
    def _ports(self) -> ports.There:
        """The ports that NICs have on its switch, as far as they can be seen from here."""
        if self._is_open_vswitch:
            return ports.on_open_vswitch(self.world.host)
        bridge = xmltree.get(self.base, "bridge/@name") or ""
        return ports.on_linux_bridge(self.world.host, bridge, self._groups_with_vlans)

    @cached_property
    def _groups_with_vlans(self) -> set[str]:
        """The port groups that have VLANs, had some until now, or are declared with or without."""
        there = (self.stored, self.live or {}, self.after)
        said = {key for values in there for key, value in values.items() if value} | {*self.want}
        return {key[1] for key in said if key[0] == "port_groups" and key[-1] in vlans.NAMES}

    @property
    def _has_ports(self) -> bool:
        """Whether VLANs of ports are to be looked at, which are nobody's business where none are
        said."""
        is_on_bridge = vlans.is_on_linux_bridge(self.definition)
        return self._is_open_vswitch or (is_on_bridge and bool(self._groups_with_vlans))

    def _network_that_runs(self) -> Element:
        """What runs once the plan is done: libvirt changes port groups in place."""
        groups = {key: value for key, value in self.want.items() if key[0] == "port_groups"}
        runs = self.have.live
        return self.definition if runs is None else self.edited(runs, groups)

    def _changes_ports(self) -> bool:
        of_ports = {*vlans.NAMES, *([ISOLATION] if self._is_open_vswitch else [])}
        return any(
            key[-1] in of_ports and self.after.get(key) != value
            for key, value in (self.live or {}).items()
        )

    def _left_to_connect(self) -> list[Change]:
        """What a run left that was interrupted while it connected NICs again."""
        waits = self.wanted.options["apply"] == "next_boot"
        if self.restarts or self.live is None or waits or self._is_open_vswitch:
            return []
        left = self._left_by_others()
        before = {str(connection): "not connected" for connection in left.connections}
        after: dict[str, str] = dict.fromkeys(before, "connected")
        if left.detour:
            before["detour"], after["detour"] = "left", GONE
        note = "as a run left them that was interrupted, or somebody else"
        change = Connected(self.wanted.resource, CONNECTIONS, before, after, LIVE, note=note)
        return [change] if before else []

    def _left_by_others(self) -> connections.Left:
        vms = partial(self.world.everything, "vm")
        detour = self.world.will_be(self.have.kind, connections.detour_of(self.have.name))
        return connections.left_by_interrupted_run(
            self.world.host, self.have, self.definition, detour, vms
        )

    def explained(self, change: Change) -> Change:
        if filtering.is_followed(change.field) and self.changes_wait:
            note = "NICs that run keep what they have until a run without apply: next_boot"
            return replace(change, note=note)
        if change.at_once and "bandwidth" in change.field:
            note = "NICs that are connected keep their limits until they connect again"
            return replace(change, note=note)
        of_nics = change.field[0] == "port_groups" and change.field[-1] in vlans.NAMES
        if change.at_once and of_nics and self.wanted.options["apply"] == "next_boot":
            note = (
                "VMs that start get it from then on, by libvirt's hook, which reads what is "
                "stored; NICs that are connected keep their VLANs until a run without "
                "apply: next_boot"
            )
            return replace(change, note=note)
        if change.at_once and of_nics and not self._has_ports:
            note = "NICs that are connected keep their VLANs until they connect again"
            return replace(change, note=note)
        if isinstance(change, Stepped) and change.after == ACTIVE and not self._is_open_vswitch:
            return self._connecting(change)
        return change

    def _connecting(self, change: Stepped) -> Change:
        """The start of one that was stopped, or went, under running VMs: it takes their NICs up."""
        if self.have.exists:
            nics = named_nics(self.running)
        else:  # running VMs that were on one of this name, and are on no bridge
            nics = ", ".join(map(str, self._left_by_others().connections))
        if not nics:
            return change
        step = MadeUnderVms if isinstance(change, Made) else StartedUnderVms
        note = f"these are connected again: {nics}"
        return step(change.resource, STATE, change.before, change.after, LIVE, note=note)

    def foreseen(self, plan: Plan) -> Plan:
        from ..together import parser

        parser.check(plan, self.world.host)
        return plan
