# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools: what a declaration does to one.

Nothing of a pool's definition can be changed while it is active: libvirt stores the new definition
and takes it up at the next start.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...engine import traits, xmltree
from ...engine.changes import Change, TakenUp
from ...engine.codecs import Value
from ...engine.errors import FleetError, Mistakes
from ...engine.host import HostFacts
from ...engine.keys import Key, Values, named, out_of_turn, parent
from ...engine.plan import Have, Plan, Wanted
from ...engine.planner import Draft, plan_resource
from ...engine.specs import spec_of, want_of
from ...engine.traits import OF_WHAT_RUNS
from ...engine.world import World
from ...engine.xmltree import FLEET_NS, Element
from .rules import (
    ADAPTER_TYPE,
    check_adapter,
    check_name,
    check_needed,
    check_options,
    check_unbuilt,
    check_version,
)
from .sources import shared, stand_of
from .table import ROWS, TYPES, option_of, values_in

if TYPE_CHECKING:
    from ...engine.accounting import Books
    from ...engine.facts import Reads

TYPE, DEVICES, AUTH = ("type",), ("source", "devices"), ("source", "auth")
SECRETS = {"chap": "iscsi", "ceph": "ceph"}  # of which type of secret each type of auth is
LINKS = "/dev/disk/"  # where udev keeps lasting names of disks: by-id, by-path and the like


class StoragePool:
    """The kind `storage_pool`."""

    name = "storage_pool"

    @property
    def reads(self) -> Sequence[Reads]:
        """What its plans, and the rules about them, read of a host."""
        from .readers import FOR_PLANS

        return FOR_PLANS

    @property
    def books(self) -> Books:
        """What an edit may change, and as what the plan shows it."""
        from .books import BOOKS

        return BOOKS

    def spec(self) -> dict[str, Any]:
        """The argument spec of one pool."""
        return {
            "name": {"type": "str", "required": True},
            **traits.spec_of(OF_WHAT_RUNS),
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
        needs = _secrets_for(values)
        return [Wanted(self.name, params["name"], params["state"], values, options, needs)]

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one pool."""
        return plan_resource(PoolDraft(wanted, have, world))

    def apply(self, host: Any, plan: Plan) -> None:
        """Do what the plan says."""
        from .applier import apply_pool
        from .used import steps_of

        apply_pool(host, plan, steps_of(plan))

    def result(self, have: Have) -> dict[str, Any]:
        """A pool as a module returns it."""
        from .told import shown

        return shown(have)


KIND = StoragePool()


# ---- plans


class PoolDraft(Draft):
    """A plan for one pool in the making."""

    rows = ROWS
    traits = OF_WHAT_RUNS
    shows_things = False

    def values_in(self, definition: Element) -> Values:
        return values_in(definition)

    @cached_property
    def type(self) -> str | None:
        """Its type, as it is declared or as it is."""
        said: str | None = self.wanted.values.get(TYPE, self.stored.get(TYPE))
        return said

    def resolve(self) -> Values:
        self.wanted = without_links(self.wanted, self.have, self.world.host)
        self._check_type()
        if self.have.exists:
            return self.wanted.values
        of_type = TYPES[str(self.type)]
        usual = {("path",): of_type.path, ("source", "format"): of_type.format}
        return {**{key: value for key, value in usual.items() if value}, **self.wanted.values}

    def new(self) -> Element:
        tree = Element("pool")
        xmltree.put(tree, "name", self.wanted.name)
        xmltree.put(tree, "uuid", derived_uuid(self.wanted.name))
        return tree

    def edited(self, definition: Element, want: Mapping[Key, Value]) -> Element:
        after = super().edited(definition, want)
        if ("source", "auth", "secret") in want:
            # libvirt refuses both ways at once
            xmltree.put(after, "source/auth/secret/@uuid", None)
        return after

    def check(self) -> None:
        check_version(self.after, self.mistakes)
        for going, _first, last in out_of_turn(self.want, self.stored):
            self.mistakes.add(
                f"is to go, but {last[-1]} is called so as well, stays, and would then have its "
                "name; take away the last of them, or this one by virsh pool-edit",
                named(going),
            )
        check_adapter(self.after, self.stored.get(ADAPTER_TYPE), self.mistakes)
        unbuilt = self.type == "dir" and not self.wanted.options.get("build")
        if unbuilt and self.world.host.is_local and self.will_run:
            check_unbuilt(
                self.world.host.file(self.after[("path",)]), self.wanted.values, self.mistakes
            )
        self._check_source()

    @staticmethod
    def said(stored: Values, runs: Values) -> Values:
        """Where it says nothing, libvirt tells of an active pool what it found there, such as the
        owner of a directory; but never where the pool comes from."""
        return {k: v for k, v in stored.items() if _says(v) or (k[0] == "source" and k in runs)}

    def restarted(self, pending: Sequence[Change], changes: Sequence[Change]) -> list[Change]:
        told = {change.field for change in changes}
        return [
            TakenUp(self.wanted.resource, one.field, one.before, one.after)
            for one in pending
            if one.field not in told
        ]

    def foreseen(self, plan: Plan) -> Plan:
        from ..together import parser
        from .ground import grounded
        from .used import steps_of

        if not plan.after.exists:
            return plan
        parser.check(plan, self.world.host)
        return grounded(plan, self.world, "start" in steps_of(plan))

    def _check_type(self) -> None:
        """What shows before there is anything to be edited."""
        kind, was, values = self.type, self.stored.get(TYPE), self.wanted.values
        if kind is None:
            self.mistakes.add(f"is needed for a new pool; one of {', '.join(TYPES)}", "type")
        elif was not in (None, kind):
            self.mistakes.add(
                f"is {was} and cannot become {kind}; declare a pool with another name, or remove "
                "this one first (its contents stay)",
                "type",
            )
        elif kind not in TYPES:
            for option in dict.fromkeys(option_of(key) for key in values if key != TYPE):
                message = f"cannot be changed for a pool of type {kind}, which others made"
                self.mistakes.add(message, option)
        self.mistakes.raise_any()
        if kind not in TYPES:
            return
        if TYPE not in values:  # else it was done before there was a host to ask
            check_options(str(kind), values, self.mistakes)
        if not self.have.exists:
            check_needed(str(kind), values, self.mistakes)

    def _check_source(self) -> None:
        """libvirt refuses two pools on one directory or device, but only at the second define."""
        mine = stand_of(self.definition)
        if mine == stand_of(self.have.stored):
            return
        for other in self.world.everything(KIND.name).values():
            if other.name == self.wanted.name:
                continue
            if both := shared(mine, stand_of(other.stored)):
                option, value = both
                self.mistakes.add(f"{value} is already that of pool {other.name}", option)


def _secrets_for(values: Values) -> frozenset[tuple[str, str]]:
    """The secret that has to be there first, where a declaration says all of it."""
    usage, secret = values.get((*AUTH, "type")), values.get((*AUTH, "secret"))
    if usage not in SECRETS or not secret:
        return frozenset()
    return frozenset({("secret", f"{SECRETS[usage]}/{secret}")})


def _says(value: Value) -> bool:
    return value not in (None, "")


def without_links(wanted: Wanted, have: Have, host: HostFacts) -> Wanted:
    """A volume group's devices by the names that LVM calls them, so that libvirt finds them.

    It compares the declared paths with those of `pvs` as text (up to at least libvirt 11.3).
    """
    kind = wanted.values.get(TYPE) or (have.exists and have.definition.get("type"))
    stored = values_in(have.definition) if have.exists else {}
    links = [
        key
        for key in wanted.values
        if parent(key) == DEVICES and key[-1].startswith(LINKS) and key not in stored
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
        (*DEVICES, host.real_path(key[-1])) if key in links else key: value
        for key, value in wanted.values.items()
    }
    return replace(wanted, values=values)


def derived_uuid(name: str) -> str:
    """The UUID of a new pool: the same for the same name, so that it stays the same pool."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{FLEET_NS}:storage_pool/{name}"))
