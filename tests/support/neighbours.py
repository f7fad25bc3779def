"""What is on a host beside the resource that is declared, and the plans that are made there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import Kind, World
from ansible_collections.kvm.fleet.plugins.module_utils.run.host_config import KINDS
from ansible_collections.kvm.fleet.plugins.module_utils.run.planning import plan_all
from support import worlds
from support.declarations import GOLD, POOL, VSWITCH, History
from support.strategies import Params

BY_NAME: dict[str, Kind] = {kind.name: kind for kind in KINDS}
ACTIVE = {"state": "active", "autostart": True, "persistent": True}
There = dict[str, dict[str, Have]]


def _have(kind: str, name: str, text: str, facts: Mapping[str, Any]) -> Have:
    tree = xmltree.parse(text)
    return Have(kind, name, tree, tree if facts is ACTIVE else None, facts)


def neighbours() -> There:
    """A pool, with volumes of the names that disks have, and a vswitch with port groups."""
    pool = f"<pool type='dir'><name>{POOL}</name><target><path>/{POOL}</path></target></pool>"
    groups = "".join(f"<portgroup name='{name}'/>" for name in ("slow", "fast"))
    network = f"<network><name>{VSWITCH}</name><bridge name='virbr9'/>{groups}</network>"
    volumes = {
        f"{POOL}/{name}.qcow2": "<volume type='file'>"
        f"<name>{name}.qcow2</name><capacity unit='bytes'>1048576</capacity><target>"
        f"<path>/{POOL}/{name}.qcow2</path><format type='qcow2'/></target></volume>"
        for name in "abc"
    }
    of_volume = {"pool_type": "dir", "state": "present"}
    of_slice = {"state": "present", "managed": True}
    return {
        "storage_pool": {POOL: _have("storage_pool", POOL, pool, ACTIVE)},
        "vswitch": {VSWITCH: _have("vswitch", VSWITCH, network, ACTIVE)},
        "storage_volume": {
            name: _have("storage_volume", name, text, of_volume) for name, text in volumes.items()
        },
        "vm": {},
        "secret": {},
        "resource_pool": {GOLD: _have("resource_pool", GOLD, "<unit/>", of_slice)},
    }


@dataclass
class Site:
    """A host on which declarations of one kind are planned, and done as it is predicted."""

    kind: str
    there: There = field(default_factory=neighbours)

    def world(self) -> World:
        if self.kind == "resource_pool":
            return worlds.world(self.there, worlds.HERE)
        return worlds.world({**self.there, "resource_pool": {}})  # which nobody sees from afar

    def plans(self, params: Params, world: World | None = None) -> list[Plan]:
        """The plans for one declaration, and for the volumes that it brings; none if refused.

        What is no mistake of the user fails.
        """
        kind = BY_NAME[self.kind]
        checked = ArgumentSpecValidator(deepcopy(kind.spec())).validate(deepcopy(params))
        if checked.error_messages:
            return []
        try:
            return plan_all(world or self.world(), kind.parse(checked.validated_parameters))
        except (FleetError, FleetErrors) as error:
            assert "fault of kvm.fleet" not in str(error), error
            return []

    def do(self, plans: list[Plan]) -> None:
        """As it will be once they are done."""
        for plan in plans:
            self.there[plan.wanted.kind][plan.wanted.name] = plan.after

    def steps(self, history: History) -> Iterator[tuple[Params, list[Plan]]]:
        """The declarations that are not refused, one after the other; then they are done."""
        for params in history:
            plans = self.plans(params)
            if plans:
                yield params, plans
                self.do(plans)
