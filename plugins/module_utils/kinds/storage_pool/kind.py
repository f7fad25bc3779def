# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools: what a declaration does to one.

Nothing of a pool's definition can be changed while it is active: libvirt stores the new definition
and takes it up at the next start.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...engine import xmltree
from ...engine.changes import LIVE, RESTART, STORED, Change
from ...engine.codecs import Value
from ...engine.comparing import compare
from ...engine.comparing import waiting as differing
from ...engine.errors import FleetError, Mistakes
from ...engine.fields import edit, spec_of, want_of
from ...engine.keys import Values
from ...engine.plan import CREATE, DELETE, NONE, UPDATE, Have, Plan, Wanted
from ...engine.world import ACTIVE, GONE, INACTIVE, STATE_SPEC, World, state_after
from ...engine.xmltree import FLEET_NS, Element
from ...host import libvirt_parser
from ...host.connection import Host
from . import applier as appliers
from .ground import grounded
from .rules import check_name, check_needed, check_options, check_unbuilt, check_version
from .table import ROWS, TYPES, option_of, values_in
from .told import shown

if TYPE_CHECKING:
    from ...engine.accounting import Books

STATE, AUTOSTART, PERSISTENT, TYPE = ("state",), ("autostart",), ("persistent",), ("type",)
DEVICES = ("source", "devices")
LINKS = "/dev/disk/"  # where udev keeps lasting names of disks: by-id, by-path and the like


class StoragePool:
    """The kind `storage_pool`."""

    name = "storage_pool"

    @property
    def books(self) -> Books:
        """What an edit may change, and as what the plan shows it."""
        from .books import BOOKS

        return BOOKS

    def spec(self) -> dict[str, Any]:
        """The argument spec of one pool."""
        return {
            "name": {"type": "str", "required": True},
            "state": STATE_SPEC,
            "autostart": {"type": "bool"},
            "build": {"type": "bool", "default": True},
            "apply": {"type": "str", "choices": ["live", "restart"], "default": "live"},
            **spec_of(ROWS),
        }

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The pool that a user declared."""
        mistakes = Mistakes(f"{self.name}/{params['name']}")
        check_name(params["name"], mistakes)
        values = want_of(ROWS, params, mistakes)
        if TYPE in values:
            check_options(values[TYPE], values, mistakes)
        mistakes.raise_any()
        options = {option: params.get(option) for option in ("autostart", "build", "apply")}
        return [Wanted(self.name, params["name"], params["state"], values, options)]

    def read(self, host: Host, names: Iterable[str] | None) -> dict[str, Have]:
        """Pools as they are: the stored definition, what runs of it, and what is not in the XML."""
        return appliers.read_pools(host, names)

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one pool."""
        if wanted.state == GONE:
            return _removal(wanted, have)
        wanted = without_links(wanted, have, world.host)
        _check(wanted, have, world)
        plan = _update(wanted, have) if have.exists else _creation(wanted, have)
        libvirt_parser.check(plan, "storagePoolDefineXML", world.host)
        return grounded(plan, world, "start" in steps_of(plan))

    def apply(self, host: Host, plan: Plan) -> None:
        """Do what the plan says."""
        appliers.apply_pool(host, plan, steps_of(plan))

    def result(self, have: Have) -> dict[str, Any]:
        """A pool as a module returns it."""
        return shown(have)


KIND = StoragePool()


# ---- what other kinds ask of a pool


def holds(pool: Have, path: str) -> bool:
    """Whether a path on the host is that of a volume of this pool."""
    if pool.stored is None:
        return False
    below = xmltree.get(pool.stored, "target/path") or ""
    if pool.stored.get("type") == "disk":  # its volumes are the partitions of a disk: /dev/sdb1
        return path.startswith(xmltree.get(pool.stored, "source/device/@path") or below)
    return bool(below) and posixpath.dirname(path) == below


def disks_in(pool: Have, domain: Element) -> list[str]:
    """The disks of a VM, by target, whose storage is in this pool."""
    disks = xmltree.find_all(domain, "devices/disk")
    return [
        xmltree.get(disk, "target/@dev") or "?"
        for disk in disks
        if xmltree.get(disk, "source/@pool") == pool.name
        or any(holds(pool, xmltree.get(disk, f"source/@{at}") or "") for at in ("file", "dev"))
    ]


def stops(plan: Plan) -> bool:
    """Whether a plan stops a pool that is active, be it to start it again."""
    return "stop" in steps_of(plan)


# ---- checks


def _check(wanted: Wanted, have: Have, world: World) -> None:
    """Mistakes that show against what the pool is, and against other pools."""
    mistakes = Mistakes(wanted.resource)
    was = have.stored.get("type") if have.stored is not None else None
    kind = wanted.values.get(TYPE, was)
    if kind is None:
        mistakes.add(f"is needed for a new pool; one of {', '.join(TYPES)}", "type")
    elif was not in (None, kind):
        mistakes.add(
            f"is {was} and cannot become {kind}; declare a pool with another name, or remove this "
            "one first (its contents stay)",
            "type",
        )
    elif kind not in TYPES:
        for option in dict.fromkeys(option_of(key) for key in wanted.values if key != TYPE):
            mistakes.add(f"cannot be changed for a pool of type {kind}, which others made", option)
    else:
        if TYPE not in wanted.values:  # else it was done before there was a host to ask
            check_options(kind, wanted.values, mistakes)
        if not have.exists:
            check_needed(kind, wanted.values, mistakes)
        after = values_in(_edited(wanted, have))
        check_version(after, mistakes)
        unbuilt = kind == "dir" and not wanted.options.get("build")
        if unbuilt and world.host.is_local and state_after(wanted, have) == ACTIVE:
            check_unbuilt(after[("path",)], wanted.values, mistakes)
        _check_source(wanted, have, world, mistakes)
    mistakes.raise_any()


def _check_source(wanted: Wanted, have: Have, world: World, mistakes: Mistakes) -> None:
    """libvirt refuses two pools on one directory or device, but only when it defines the second."""
    mine = _sources(_edited(wanted, have))
    if have.stored is not None and mine == _sources(have.stored):
        return
    for other in world.everything("storage_pool").values():
        both = mine & _sources(other.stored) if other.name != wanted.name else None
        if both:
            option, value = sorted(both)[0]
            mistakes.add(f"{value} is already that of pool {other.name}", option)


def _sources(pool: Element | None) -> set[tuple[str, str]]:
    """What only one pool can stand on, by option."""
    if pool is None:
        return set()
    kind, values = pool.get("type", ""), values_in(pool)
    found = {("source.devices", key[2]) for key in values if key[:2] == ("source", "devices")}
    if kind in ("fs", "disk"):  # the device of an iscsi pool is a target on a server
        found.add(("source.device", values[("source", "device")]))
    if kind in ("dir", "fs", "netfs"):
        found.add(("path", values[("path",)]))
    return found


def without_links(wanted: Wanted, have: Have, host: Host) -> Wanted:
    """A volume group's devices by the names that LVM calls them, so that libvirt finds them.

    It compares the declared paths with those of `pvs` as text (up to at least libvirt 11.3).
    """
    kind = wanted.values.get(TYPE) or (have.exists and have.definition.get("type"))
    stored = values_in(have.definition) if have.exists else {}
    links = [
        key
        for key in wanted.values
        if key[:2] == DEVICES and key[-1].startswith(LINKS) and key not in stored
    ]
    if kind != "logical" or not links:
        return wanted
    if not host.is_local:
        raise FleetError(
            f"{links[0][2]} is a link, which only the machine itself can follow, and libvirt does "
            "not; write the device as pvs calls it, such as /dev/sdb",
            wanted.resource,
            "source.devices",
        )
    values = {
        (*DEVICES, posixpath.realpath(key[-1])) if key in links else key: value
        for key, value in wanted.values.items()
    }
    return replace(wanted, values=values)


# ---- plans


def _removal(wanted: Wanted, have: Have) -> Plan:
    after = Have(have.kind, have.name)
    if not have.exists:
        return Plan(wanted, NONE, have, after)
    change = Change(wanted.resource, STATE, have.facts["state"], GONE, LIVE)
    return Plan(wanted, DELETE, have, after, (change,))


def _creation(wanted: Wanted, have: Have) -> Plan:
    tree = _edited(wanted, have)
    state, autostart = state_after(wanted, have), wanted.options.get("autostart")
    if autostart is None:
        autostart = state == ACTIVE
    facts = {"state": state, "autostart": autostart, "persistent": True}
    values = {**_defaults(wanted), **wanted.values}
    changes = [Change(wanted.resource, key, None, value, STORED) for key, value in values.items()]
    changes.append(Change(wanted.resource, AUTOSTART, None, facts["autostart"], STORED))
    changes.append(Change(wanted.resource, STATE, GONE, facts["state"], LIVE))
    after = Have(have.kind, have.name, tree, tree if facts["state"] == ACTIVE else None, facts)
    return Plan(wanted, CREATE, have, after, tuple(changes))


def _update(wanted: Wanted, have: Have) -> Plan:
    facts = {**have.facts, "state": state_after(wanted, have), "persistent": True}
    if wanted.options.get("autostart") is not None:
        facts["autostart"] = wanted.options["autostart"]
    tree = _edited(wanted, have)
    goes_on = have.live is not None and facts["state"] == ACTIVE
    changes = _changed_fields(wanted, have, goes_on)
    waiting = _waiting(wanted.resource, tree, have.live) if goes_on else []
    restarts = wanted.options.get("apply") == "restart" and bool(waiting)
    if restarts:
        changes += [c for c in waiting if c.field not in {change.field for change in changes}]
    changes += _changed_facts(wanted.resource, have.facts, facts)
    live = tree if restarts or have.live is None else have.live
    after = Have(have.kind, have.name, tree, live if facts["state"] == ACTIVE else None, facts)
    pending = () if restarts else tuple(waiting)
    return Plan(wanted, UPDATE if changes else NONE, have, after, tuple(changes), pending)


def _changed_fields(wanted: Wanted, have: Have, goes_on: bool) -> list[Change]:
    stored = values_in(have.stored) if have.stored is not None else {}
    live = values_in(have.live) if goes_on and have.live is not None else None
    return compare(wanted.resource, wanted.values, stored, live, lambda *_: (RESTART, ""))


def _waiting(resource: str, tree: Element, live: Element | None) -> list[Change]:
    """What the stored definition says, or says no more, and the active pool does not yet do.

    Where it says nothing, libvirt tells of an active pool what it found there, such as the owner of
    a directory; but never where the pool comes from.
    """
    if live is None:
        return []
    now = values_in(live)
    said = {k: v for k, v in values_in(tree).items() if _says(v) or (k[0] == "source" and k in now)}
    return differing(resource, said, now)


def _says(value: Value) -> bool:
    return value not in (None, "")


def _changed_facts(
    resource: str, before: Mapping[str, Value], after: Mapping[str, Value]
) -> list[Change]:
    effects = {STATE: LIVE, AUTOSTART: STORED, PERSISTENT: STORED}
    return [
        Change(resource, key, before[key[0]], after[key[0]], effect)
        for key, effect in effects.items()
        if before[key[0]] != after[key[0]]
    ]


def _defaults(wanted: Wanted) -> Values:
    directory = TYPES[wanted.values[TYPE]].path
    return {("path",): directory} if directory else {}


def _edited(wanted: Wanted, have: Have) -> Element:
    """The definition as it will be stored."""
    if have.stored is not None:
        tree = xmltree.clone(have.stored)
        edit(ROWS, tree, wanted.values)
    else:
        tree = Element("pool")
        xmltree.put(tree, "name", wanted.name)
        xmltree.put(tree, "uuid", derived_uuid(wanted.name))
        edit(ROWS, tree, {**_defaults(wanted), **wanted.values})
    if ("source", "auth", "secret") in wanted.values:
        xmltree.put(tree, "source/auth/secret/@uuid", None)  # libvirt refuses both ways at once
    return tree


def derived_uuid(name: str) -> str:
    """The UUID of a new pool: the same for the same name, so that it stays the same pool."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{FLEET_NS}:storage_pool/{name}"))


# ---- steps


def steps_of(plan: Plan) -> list[str]:
    """What is to be called for a plan, in order; the appliers have a function of each name."""
    was, will = plan.have.facts.get("state"), plan.after.facts.get("state")
    if plan.action == DELETE:
        stop = ["stop"] if was == ACTIVE else []
        return stop + (["undefine"] if plan.have.facts["persistent"] else [])
    fields = {change.field for change in plan.changes}
    steps = ["define"] if fields - {STATE, AUTOSTART} else []
    steps += ["autostart"] if AUTOSTART in fields else []
    restarts = was == will == ACTIVE and plan.after.live is not plan.have.live  # see _update
    if was == ACTIVE and (restarts or will == INACTIVE):
        steps.append("stop")
    if will == ACTIVE and (restarts or was != ACTIVE):
        steps += (["build"] if plan.wanted.options.get("build") else []) + ["start"]
    return steps
