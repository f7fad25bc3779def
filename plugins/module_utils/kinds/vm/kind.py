# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind `vm`: declarations, plans and results of virtual machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.appliers import vm as appliers
from ansible_collections.kvm.fleet.plugins.module_utils.codecs import Value, mac
from ansible_collections.kvm.fleet.plugins.module_utils.connection import Host
from ansible_collections.kvm.fleet.plugins.module_utils.domains import (
    PAUSED,
    RUNNING,
    SAVED,
    STOPPED,
    read_domains,
)
from ansible_collections.kvm.fleet.plugins.module_utils.errors import (
    FleetError,
    FleetErrors,
    Mistakes,
)
from ansible_collections.kvm.fleet.plugins.module_utils.fields import (
    ABSENT,
    PRESENT,
    Key,
    Values,
    named,
    spec_of,
    want_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds import storage_volume
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.base import World
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import extra, power, rules, tree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.effects import Effects
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.resolve import LISTS, resolve
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.table import AGENT_CHANNEL, ROWS
from ansible_collections.kvm.fleet.plugins.module_utils.plan import (
    CREATE,
    DELETE,
    HOTPLUG,
    LIVE,
    NONE,
    RESTART,
    STORED,
    UPDATE,
    Change,
    EffectOf,
    Have,
    Plan,
    Wanted,
    compare,
    nested,
    waiting,
)

STATES = ("present", "running", "stopped", "paused", "saved", "absent")

# Options of a disk that make its volume; they mean what they mean for a storage_volume.
VOLUME_OPTIONS = ("capacity", "provisioning", "copy_of", "backing", "image", "checksum")

OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "autostart": {"type": "bool"},
    "agent": {"type": "bool"},
    "extra_xml": {"type": "str"},
    "apply": {"type": "str", "choices": ["live", "next_boot", "restart"], "default": "live"},
    "purge": {"type": "bool", "default": False},
    "remove_storage": {"type": "bool", "default": False},
    "shutdown": {
        "type": "dict",
        "default": {},
        "options": {
            "timeout_s": {"type": "int", "default": 120},
            "on_timeout": {"type": "str", "choices": ["fail", "power_off"], "default": "fail"},
        },
    },
}


class Vm:
    """Virtual machines, as domains of libvirt."""

    name = "vm"

    def spec(self) -> dict[str, Any]:
        """The options of the table, those beside it, and those that make a disk's volume."""
        spec = {**spec_of(ROWS), **OPTIONS}
        of_volume = storage_volume.KIND.spec()
        disk = spec["disks"]["options"]
        disk.update({name: of_volume[name] for name in VOLUME_OPTIONS if name in of_volume})
        return spec

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The VM that is declared, and the volumes that its disks bring with them."""
        name = params["name"]
        mistakes = Mistakes(f"vm/{name}")
        rules.check_name(name, mistakes)
        if params["state"] == ABSENT:
            mistakes.raise_any()
            return [Wanted("vm", name, ABSENT, options=params)]
        volumes, disks = _volumes(name, params.get("disks") or [], mistakes)
        want = want_of(ROWS, {**params, "disks": disks}, mistakes)
        _macs_of_absent(want, params.get("nics") or [], mistakes)
        _agent(want, params.get("agent"))
        _extra(want, params.get("extra_xml"), mistakes)
        rules.check_declared(want, mistakes)
        mistakes.raise_any()
        return [*volumes, Wanted("vm", name, params["state"], want, params, _needs(want))]

    def read(self, host: Host, names: Iterable[str] | None) -> dict[str, Have]:
        """The domains with these names."""
        return read_domains(host, names)

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one VM."""
        if have.exists and not have.facts["persistent"]:
            raise FleetError(
                "is transient: it has no stored definition; stop it first", wanted.resource
            )
        if wanted.state == ABSENT:
            return _plan_absent(wanted, have)
        return Planner(wanted, have, world).plan()

    def apply(self, host: Host, plan: Plan) -> None:
        """Define, change what runs, then the power."""
        appliers.apply(host, plan)

    def result(self, have: Have) -> dict[str, Any]:
        """The VM with every option as it is stored, and its state."""
        if have.stored is None:
            return {"name": have.name, "state": "absent"}
        uuid = xmltree.get(have.stored, "uuid")
        options = shown(tree.domain_values(have.stored))
        return {"name": have.name, "uuid": uuid, **have.facts, **options}


KIND = Vm()


# ---- declarations


def _volumes(
    vm: str, disks: list[Mapping[str, Any]], mistakes: Mistakes
) -> tuple[list[Wanted], list[dict[str, Any]]]:
    """The volumes that disks bring, and the disks with the names of these volumes."""
    wanted: list[Wanted] = []
    named_disks = []
    for disk in disks:
        options = {name: disk[name] for name in VOLUME_OPTIONS if disk.get(name) is not None}
        item = dict(disk)
        if options and disk.get("state") != ABSENT:
            ending = disk.get("format") or "qcow2"
            item["volume"] = disk.get("volume") or f"{vm}-{disk['name']}.{ending}"
            wanted += _volume(item, options, mistakes)
        named_disks.append(item)
    return wanted, named_disks


def _volume(
    disk: Mapping[str, Any], options: Mapping[str, Any], mistakes: Mistakes
) -> list[Wanted]:
    field = f"disks.{disk['name']}"
    if not disk.get("pool"):
        mistakes.add(f"{', '.join(options)} needs a pool for the volume to be made in", field)
        return []
    spec = storage_volume.KIND.spec()
    params = {name: option.get("default") for name, option in spec.items()}
    params.update(
        options, name=disk["volume"], pool=disk["pool"], format=disk.get("format"), state="present"
    )
    try:
        return storage_volume.KIND.parse(params)
    except FleetErrors as errors:
        for error in errors.errors:
            mistakes.add(error.message, f"{field}.{error.field}" if error.field else field)
        return []


def _macs_of_absent(want: Values, nics: list[Mapping[str, Any]], mistakes: Mistakes) -> None:
    """A NIC that others made has no name but its MAC, by which it can go too."""
    for nic in nics:
        if nic.get("state") != ABSENT or not nic.get("mac"):
            continue
        at = ("nics", nic["name"], "mac")
        try:
            want[at] = mac().parse(nic["mac"])
        except ValueError as error:
            mistakes.add(str(error), named(at))


def _agent(want: Values, agent: bool | None) -> None:
    if agent is not None:
        want[("channels", AGENT_CHANNEL)] = PRESENT if agent else ABSENT


def _extra(want: Values, text: str | None, mistakes: Mistakes) -> None:
    if text is None:
        return
    try:
        want[("extra_xml",)] = extra.canonical(text)
    except ValueError as error:
        mistakes.add(f"{error}; write elements as they stand below <domain>", "extra_xml")


def _needs(want: Mapping[Key, Value]) -> frozenset[tuple[str, str]]:
    needs = set()
    for source in (value for key, value in want.items() if key[-1] == "source"):
        if "vswitch" in source:
            needs.add(("vswitch", source["vswitch"]))
        if "pool" in source:
            needs.add(("storage_pool", source["pool"]))
            needs.add(("storage_volume", f"{source['pool']}/{source['volume']}"))
    return frozenset(needs)


# ---- plans


def _plan_absent(wanted: Wanted, have: Have) -> Plan:
    gone = Have("vm", wanted.name)
    if not have.exists:
        return Plan(wanted, NONE, have, gone)
    if tree.domain_values(have.definition)[("protected",)]:
        raise FleetError("is protected; set protected to false first", wanted.resource, "state")
    disks = "its volumes go with it" if wanted.options["remove_storage"] else "its disks stay"
    change = Change(wanted.resource, ("state",), have.facts["state"], ABSENT, LIVE, note=disks)
    return Plan(wanted, DELETE, have, gone, (change,))


class Planner:
    """Makes the plan for one VM that is to be there."""

    def __init__(self, wanted: Wanted, have: Have, world: World) -> None:
        self.wanted = wanted
        self.have = have
        self.world = world
        self.mistakes = Mistakes(wanted.resource)
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
        return tree.live_values(self.have.live, self.stored)

    def plan(self) -> Plan:
        """The plan, or every mistake in the declaration."""
        want = self._want()
        definition = self._definition(want)
        after = self.stored if definition is self.have.stored else tree.domain_values(definition)
        rules.check_planned(after, not self.have.exists, want, self.mistakes)
        self.mistakes.raise_any()
        changes = self._changes(want, after, self._effects(want, definition))
        changes += self._autostart()
        runs = self._predicted_live(changes, after)
        pending = self._pending(after, runs)
        restarts = bool(pending) and self._restarts()
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

    def _want(self) -> dict[Key, Value]:
        needs = rules.Needs(self.wanted.values, self.world, self.mistakes)
        needs.check()
        self.warnings = needs.warnings
        options = self.wanted.options
        purged = [name for name in LISTS if options["purge"] and options.get(name) is not None]
        return resolve(self.wanted.name, self.wanted.values, self.stored, self.world, purged)

    def _definition(self, want: Mapping[Key, Value]) -> xmltree.Element:
        if self.have.stored is not None:
            as_is = not compare(
                self.wanted.resource, want, self.stored, None, lambda *_: (STORED, "")
            )
            return self.have.stored if as_is else tree.edited(self.have.stored, want)
        arch = xmltree.get(self.world.host.capabilities, "host/cpu/arch") or "x86_64"
        definition = tree.edited(tree.new_domain(self.wanted.name, arch), want)
        tree.add_spare_ports(definition)
        return definition

    def _changes(
        self, want: Mapping[Key, Value], after: Values, effect_of: EffectOf
    ) -> list[Change]:
        """What was asked for, and what changes with it because it hangs together."""
        along = {key: value for key, value in after.items() if self.stored.get(key) != value}
        asked = dict(want) if not self.have.exists else {**self._apart(along, want), **want}
        return compare(self.wanted.resource, asked, self.stored, self.live, effect_of)

    def _apart(self, values: Values, want: Mapping[Key, Value]) -> Values:
        """The values that are not of a thing which comes or goes as a whole."""
        things = [
            key
            for key, value in want.items()
            if value is ABSENT or (value is PRESENT and key not in self.stored)
        ]
        return {
            k: v for k, v in values.items() if not any(k[: len(thing)] == thing for thing in things)
        }

    def _effects(self, want: Mapping[Key, Value], definition: xmltree.Element) -> EffectOf:
        if self.live is None or self.have.live is None:
            return lambda *_: (STORED, "")
        state = self.target if power.wakes(self.now, self.target) else self.now
        leaving = [k for k, v in want.items() if v is ABSENT and len(k) == 2 and k[0] in LISTS]
        return Effects(self.have.live, definition, self.live, state, self._apply(), leaving).of

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
                size = len(change.field)
                for key in [key for key in runs if key[:size] == change.field]:
                    del runs[key]
                runs.update({k: v for k, v in after.items() if k[:size] == change.field})
        return runs

    def _pending(self, after: Values, runs: Values | None) -> list[Change]:
        """Every field in which what is stored will differ from what runs, whoever changed it."""
        return [] if runs is None else waiting(self.wanted.resource, after, runs)

    def _restarts(self) -> bool:
        """Whether the VM is restarted where something stored waits for it."""
        asked = self.wanted.options["apply"] == RESTART
        return asked and bool(power.restart(self.now, self.target))

    def _power(self, restarts: bool) -> list[Change]:
        resource, after = self.wanted.resource, self.target
        changes = []
        if self.steps or (not self.have.exists and after != PRESENT):
            before = self.now if self.have.exists else "absent"
            note = "" if restarts else ", ".join(self.steps)
            changes.append(Change(resource, ("state",), before, after, LIVE, note=note))
        if restarts:
            note = "shut down and started again, so that what is stored takes effect"
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


def shown(values: Values) -> dict[str, Any]:
    """Values as the options that a user would write, without those that say nothing."""
    options = nested({key: value for key, value in values.items() if value not in (None, "", {})})
    for name in LISTS:
        options[name] = _listed(options.get(name, {}))
    cpu = options.get("cpu", {})
    if "features" in cpu:
        cpu["features"] = _listed(cpu["features"])
    return options


def _listed(things: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Things by name as a list; what each stands on is an option of it like the others."""
    listed = []
    for name, thing in things.items():
        fields = dict(thing) if isinstance(thing, dict) else {}
        listed.append({"name": name, **fields.pop("source", {}), **fields})
    return listed
