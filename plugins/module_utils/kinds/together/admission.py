# SPDX-License-Identifier: GPL-3.0-or-later
"""Admission: nothing is promised twice, over all plans of a run together.

Who holds of the host: a VM that will run, one that starts with the host, and one that this run
declares. A run that changes nothing of that asks nothing, not even which VMs there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...engine.errors import Doubt, FleetError
from ...engine.plan import Have, Plan
from ...engine.promises_policy import (
    OFF,
    POLICY_FILE,
    STRICT,
    Capacity,
    Policy,
)
from ...engine.world import World
from ..vm.states import CRASHED, PAUSED, RUNNING

if TYPE_CHECKING:
    from ...engine.promises_held import Pool, Vm

VM, POOL = "vm", "resource_pool"
# Those with a QEMU: of one that crashed it is there as long as the VM is kept.
UP = (RUNNING, PAUSED, CRASHED)


@dataclass(frozen=True)
class Held:
    """What is promised by a host at one time."""

    pools: list[Pool]
    vms: list[Vm]

    @property
    def is_any(self) -> bool:
        """Whether somebody was promised something."""
        pools = any(one.cpu or one.memory for one in self.pools)
        return pools or any(v.cpu or v.reserved or v.dedicated or v.huge_page for v in self.vms)


def admitted(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """What of all plans together the host cannot promise: mistakes, or doubts under `warn`."""
    asking = asking_of(plans)
    if not asking:
        return
    policy = _policy(world)
    if policy.admission == OFF:
        return
    before, after = held_before(world), held_after(world)
    yield from _unreadable(world, asking)
    if not _is_promised(after, policy):
        return
    yield from _unknown(world, asking)
    capacity = world.host.capacity
    if capacity is not None:
        yield from _refused(capacity, policy, before, after, asking)


def promises(plans: Sequence[Plan], world: World) -> bool:
    """Whether plans have to do with what the host promises to anybody, in whatever manner."""
    return bool(asking_of(plans)) and _is_promised(held_after(world), world.host.policy)


def _is_promised(held: Held, policy: Policy) -> bool:
    return held.is_any or policy.vcpu_per_core is not None or policy.memory_ratio is not None


def _refused(
    capacity: Capacity, policy: Policy, before: Held, after: Held, asking: Sequence[str]
) -> Iterator[FleetError]:
    from ...engine.promises_summed import refusals

    kind = FleetError if policy.admission == STRICT else Doubt
    was = (before.pools, before.vms)
    for one in refusals(capacity, policy, after.pools, after.vms, asking, was):
        yield kind(one.message, one.resource, one.field)


def _policy(world: World) -> Policy:
    """The host's policy, above which stands what the task says."""
    policy = world.host.policy
    return policy._replace(admission=world.admission) if world.admission else policy


def _unknown(world: World, asking: Sequence[str]) -> Iterator[FleetError]:
    """What would have to be known of the host, said once."""
    first = asking[0]
    if world.host.capacity is None:
        yield Doubt("what the host can promise is not known, so nothing was added up", first)
    elif world.host.promises is None:
        yield Doubt(
            f"the policy of the host ({POLICY_FILE}) is not known from here; what it promises was "
            "added up with the default one",
            first,
        )


def _unreadable(world: World, asking: Sequence[str]) -> Iterator[FleetError]:
    """What cannot be read may promise less than what is usual, and allow more."""
    error = (world.host.promises or {}).get("error")
    if error:
        yield Doubt(
            f"the host's policy cannot be read, and the usual strict one is gone by: {error}; mend "
            "or remove that file",
            asking[0],
        )


# ---- who asks


def asking_of(plans: Iterable[Plan]) -> list[str]:
    """The resources that are to hold what they did not hold yet, or to give."""
    return [plan.resource for plan in plans if plan.changed and _asks(plan)]


def _asks(plan: Plan) -> bool:
    if not plan.after.exists:
        return False
    if plan.wanted.kind == POOL:
        return not plan.have.exists or _of_pool(plan.have) != _of_pool(plan.after)
    if plan.wanted.kind != VM:
        return False
    comes = not plan.have.exists or (_is_up(plan.after) and not _is_up(plan.have))
    stays = _starts_with_host(plan.have) or not _starts_with_host(plan.after)
    return comes or not stays or _of_vm(plan.have) != _of_vm(plan.after)


# ---- who holds


def held_before(world: World) -> Held:
    """What is held before any of the plans is done."""
    vms = [_as_it_is(world, have) for have in world.facts.everything(VM).values() if _holds(have)]
    return Held([_of_pool(have) for have in world.facts.everything(POOL).values()], vms)


def held_after(world: World) -> Held:
    """What will be held, with all that this run declares."""
    vms, is_now = world.everything(VM), world.facts.everything(VM)
    declared = {name for kind, name in world.declared if kind == VM}
    those = (have for name, have in vms.items() if name in declared or _holds(have))
    pools = [_of_pool(have) for have in world.everything(POOL).values()]
    stays = [(have, have is is_now.get(have.name)) for have in those]
    return Held(pools, [_as_it_is(world, h) if same else _of_vm(h) for h, same in stays])


def _as_it_is(world: World, have: Have) -> Vm:
    """What one holds now, worked out once: of most VMs of a host it will be the same."""
    return world.facts.made(("promised", have.name), lambda: _of_vm(have))


def _holds(have: Have) -> bool:
    return have.exists and (_is_up(have) or _starts_with_host(have))


def _is_up(have: Have) -> bool:
    return have.facts.get("state") in UP


def _starts_with_host(have: Have) -> bool:
    return bool(have.facts.get("autostart"))


def _of_pool(have: Have) -> Pool:
    """What a pool holds; imported here, since most runs that change something ask of none."""
    from ..resource_pool.promised import pool_of

    return pool_of(have)


def _of_vm(have: Have) -> Vm:
    """What a VM holds: what it is defined with, or runs with where that is more."""
    from ..vm.promised import promise_of

    stored = promise_of(have.definition)
    if have.live is None or not _is_up(have):
        return stored
    live = promise_of(have.live)
    return stored._replace(
        vcpus=max(stored.vcpus, live.vcpus),
        memory=max(stored.memory, live.memory),
        cpu=max(stored.cpu, live.cpu),
        reserved=max(stored.reserved, live.reserved),
    )
