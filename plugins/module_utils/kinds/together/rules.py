# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules over all plans of a run: what no single resource can see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import DELETE, UPDATE, Have, Plan, Wanted
from ...engine.world import World
from ..images.chains import Chains
from ..storage_pool.used import disks_in, stops
from ..storage_volume.volumes import type_of
from ..vm.derived import derived_mac
from ..vm.snapshots import files_of_snapshots
from .references import files_of, names_of, uses_of


def unique_macs(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """No two VMs of a host may have one MAC address; asked only where a plan brings one."""
    brings = {plan.wanted.name: _new_macs(plan) for plan in plans if plan.wanted.kind == "vm"}
    if not any(brings.values()):
        return
    wanted = {plan.wanted.name: plan.wanted for plan in plans if plan.wanted.kind == "vm"}
    owners: dict[str, set[str]] = {}
    for name, have in world.everything("vm").items():
        for mac in _macs(have):
            owners.setdefault(mac, set()).add(name)
    for name, macs in brings.items():
        for mac in sorted(macs):
            others = sorted(owners.get(mac, set()) - {name})
            if others:
                yield _clash(name, mac, others, wanted[name])


def _clash(vm: str, mac: str, others: Sequence[str], wanted: Wanted) -> FleetError:
    """Two NICs with one MAC, be it declared or derived from the names of VM and NIC (24 bits)."""
    nics = {key[1] for key in wanted.values if key[0] == "nics" and len(key) > 1}
    derived = next((nic for nic in sorted(nics) if derived_mac(vm, nic) == mac), None)
    is_declared = mac in wanted.values.values()
    whose = f", which the names of VM and NIC give {derived}" if derived and not is_declared else ""
    return FleetError(
        f"{mac}{whose} is also the MAC address of {', '.join(others)}; "
        "set another mac of the NIC in one of them",
        f"vm/{vm}",
        f"nics.{derived}.mac" if whose else "nics",
    )


def _new_macs(plan: Plan) -> set[str]:
    return _macs(plan.after) - _macs(plan.have)


def _macs(have: Have) -> set[str]:
    if have.stored is None:
        return set()
    macs = (xmltree.get(nic, "mac/@address") for nic in have.stored.findall("devices/interface"))
    return {mac.lower() for mac in macs if mac}


def nothing_in_use_goes(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """A volume, vswitch or resource pool goes when no VM refers to it, a pool when none runs.

    A secret goes when no pool and no volume refers to it either.
    """
    goes = [plan for plan in plans if _takes_away(plan)]
    if not goes:
        return
    vms = world.everything("vm")
    uses = {name: uses_of(have) for name, have in vms.items()}
    files = _Files(world)
    for plan in goes:
        if plan.wanted.kind == "storage_pool":
            users = [name for name, have in vms.items() if _runs_from(plan.have, have)]
        else:
            users = [name for name, used in uses.items() if used & names_of(plan.have)]
            users += files.users_of(plan.have) - set(users)
            users += files.snapshots_with(plan.have)
            users += _inner_pools(plan.have, world)
            users += _storage_with(plan.have, world)
        if users:
            yield FleetError(_used(plan, ", ".join(sorted(users))), plan.resource)


def _inner_pools(have: Have, world: World) -> list[str]:
    """The resource pools that are in one."""
    if have.kind != "resource_pool":
        return []
    others = world.everything(have.kind).values()
    return [f"{one.kind}/{one.name}" for one in others if uses_of(one) & names_of(have)]


def _storage_with(have: Have, world: World) -> list[str]:
    """The pools and volumes that name a secret."""
    if have.kind != "secret":
        return []
    kinds = ("storage_pool", "storage_volume")
    others = [one for kind in kinds for one in world.everything(kind).values()]
    return [f"{one.kind}/{one.name}" for one in others if uses_of(one) & names_of(have)]


class _Files:
    """The files of VMs that are no disk's, which are what they are by any path."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.chains = Chains(world)

    def users_of(self, have: Have) -> set[str]:
        """The VMs that have a file which is this volume."""
        path = xmltree.get(have.stored, "target/path") if have.stored is not None else None
        if have.kind != "storage_volume" or not path:
            return set()
        return self._by_place.get(self.chains.place(path), set())

    def snapshots_with(self, have: Have) -> list[str]:
        """The snapshots, with their VMs, that cannot be gone back to without a volume."""
        path = xmltree.get(have.stored, "target/path") if have.stored is not None else None
        if have.kind != "storage_volume" or not path:
            return []
        return self._of_snapshots.get(path, [])

    @cached_property
    def _of_snapshots(self) -> dict[str, list[str]]:
        by_path: dict[str, list[str]] = {}
        for name, vm in self.world.everything("vm").items():
            for snapshot, files in files_of_snapshots(self.world.host, name) if vm.exists else ():
                for path in files:
                    by_path.setdefault(path, []).append(f"{name} (snapshot {snapshot})")
        return by_path

    @cached_property
    def _by_place(self) -> dict[str, set[str]]:
        by_place: dict[str, set[str]] = {}
        for name, have in self.world.everything("vm").items():
            for path in files_of(have):
                by_place.setdefault(self.chains.place(path), set()).add(name)
        return by_place


def _used(plan: Plan, users: str) -> str:
    if plan.wanted.pruned:
        return f"would go by prune and is used by {users}; declare it, and it stays"
    return f"is used by {users}; take it from them first, or remove them too"


def _takes_away(plan: Plan) -> bool:
    """Whether a VM may lose something. A directory that stops being a pool keeps its files."""
    if plan.wanted.kind == "storage_pool" and plan.action == UPDATE:
        return stops(plan) and type_of(plan.have) != "dir"
    return plan.action == DELETE and plan.wanted.kind != "vm"


def _runs_from(pool: Have, vm: Have) -> bool:
    return vm.live is not None and bool(disks_in(pool, vm.live))
