# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets no start break a promise, and has the kernel hold what running VMs were promised.

libvirt's hook does that as VMs come and go, modules as they change a promise. Only what differs is
set, and what others set stays where nothing was promised. Also installed on hosts for the hook:
only what is quick to import.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, NamedTuple

from ..engine import promises
from ..engine.promises import Policy, Pool, Vm
from . import cgroups
from .capacity import SYSTEM, Places, capacity, cpu_list, names_in, policy_to_go_by, pools, text_of
from .cgroups import PAGE, Held
from .noted import drop_those_gone, fault, forget, locked, record, records, write
from .slices import MACHINE, slices_of_pool

SLICES = "/" + MACHINE
PLAIN_WEIGHT = 100  # systemd's, and the kernel's
USUAL = "the usual strict policy, since the host's cannot be read"


class Group(NamedTuple):
    """A cgroup of which something is to be held."""

    name: str  # as a user knows it: vm/web, resource_pool/gold, machine.slice
    want: Held  # None: nothing was promised
    plain: Held  # what it has without promises


# ---- may it start


def admit(places: Places, vm: Vm, starter: str = "") -> list[str]:
    """What speaks against starting a VM; where the host's policy is `strict`, it then may not.

    Otherwise it is noted, and holds what it was promised from now on.
    """
    with locked(places):
        rules, broken = policy_to_go_by(places)
        running = [one.vm for one in records(places) if one.vm.uuid != vm.uuid]
        asking = (f"vm/{vm.name}",)
        refused = promises.refusals(capacity(places), rules, pools(places), [*running, vm], asking)
        said = [] if rules.admission == "off" else [one.message for one in refused]
        if not said or rules.admission != "strict":
            record(places, vm, starter=starter)
    if broken:
        fault(places, f"vm/{vm.name} was admitted by {USUAL}: {broken}")
    if said and rules.admission == "warn":
        fault(places, "\n".join((f"vm/{vm.name} was started over what the host has", *said)))
        return []
    return said


# ---- the kernel


def settle(places: Places = SYSTEM) -> list[str]:
    """Have the kernel hold what all noted VMs were promised; what it does not hold afterwards."""
    if cgroups.version(places) != 2:
        return []
    with locked(places):
        drop_those_gone(places)
        groups, ours, errors = _groups(places), _ours(places), {}
        for path, group in groups.items():
            lacks = lacking(group, cgroups.held(places, path), ours.get(path, Held()))
            if lacks != Held():
                errors[path] = cgroups.put(places, path, lacks)
                ours[path] = _now_ours(group, lacks, ours.get(path, Held()))
        _keep_ours(places, ours)
    said = []
    for path, error in errors.items():
        has = cgroups.held(places, path)
        left = told(groups[path], lacking(groups[path], has, Held()), has)
        said += [f"{one} ({error})" if error else one for one in left]
    return said


def lacking(group: Group, held: Held, ours: Held) -> Held:
    """What is to be set: what was promised, and what is ours and no longer promised taken back."""
    want, plain = group.want, group.plain
    weight = _other(want.weight, held.weight, ours.weight, plain.weight)
    cpus = _other(want.cpus, held.cpus, ours.cpus, plain.cpus)
    least, has = want.minimum or 0, held.minimum or 0
    is_ours = ours.minimum is not None and has == ours.minimum
    minimum = least if has < least or (is_ours and has != least) else None
    return Held(weight, minimum, cpus)


def _other(want: Any, has: Any, ours: Any, plain: Any) -> Any:
    if want is not None:
        return want if has != want else None
    return plain if ours is not None and has == ours and has != plain else None


def _groups(places: Places) -> dict[str, Group]:
    """The cgroups of VMs and those around them by path."""
    rules, _broken = policy_to_go_by(places)  # of which starts and plans tell
    ours = _ours(places)
    vms = {
        one.scope: _as_it_weighs(one.vm, cgroups.held(places, one.scope), ours.get(one.scope))
        for one in records(places)
        if one.scope
    }
    found = groups_of(places, rules, pools(places), vms)
    for path in ours:  # in which nobody is any more to whom something was promised
        found.setdefault(path, Group(path.rpartition("/")[2], Held(), Held(PLAIN_WEIGHT, 0)))
    return {path: one for path, one in found.items() if cgroups.exists(places, path)}


def _as_it_weighs(vm: Vm, held: Held, ours: Held | None) -> Vm:
    """A VM without a reservation keeps the weight that it has, whoever gave it to it."""
    if vm.cpu or vm.dedicated or held.weight is None or held.weight == (ours or Held()).weight:
        return vm
    return vm._replace(shares=held.weight)


def groups_of(
    places: Places, rules: Policy, declared: list[Pool], vms: dict[str, Vm]
) -> dict[str, Group]:
    """What each cgroup is to have, given the running VMs by their cgroups."""
    has, running = capacity(places), list(vms.values())
    weights = promises.weights(has, rules, declared, running)
    fences = promises.fences(has, running)
    found = {}
    for path, vm in vms.items():
        key, plain = vm.resource, Held(vm.shares or PLAIN_WEIGHT, 0, has.cpus)
        weight = _weight(weights.get(key), plain, bool(vm.cpu or vm.dedicated))
        found[path] = Group(key, Held(weight, cpus=fences.get(key)), plain)
    for pool in declared:
        plain = Held(pool.shares or PLAIN_WEIGHT, 0)
        weight = _weight(weights.get(f"pool/{pool.path}"), plain, bool(pool.cpu))
        found[slices_of_pool(pool.path)] = Group(pool.resource, Held(weight), plain)
    is_reserved = any(one.cpu for one in declared) or any(vm.cpu or vm.dedicated for vm in running)
    weight = weights.get("machine") if is_reserved else None
    found[SLICES] = Group(MACHINE, Held(weight), Held(PLAIN_WEIGHT, 0))
    for path, least in _minimums(places, declared, vms).items():
        group = found.get(path) or Group(path.rpartition("/")[2], Held(), Held(None, 0))
        found[path] = group._replace(want=group.want._replace(minimum=least))
    return dict(sorted(found.items()))


def _weight(weight: int | None, plain: Held, is_reserved: bool) -> int | None:
    """That of who has no reservation is nobody's business, unless all were scaled down."""
    return weight if is_reserved or weight != plain.weight else None


def _minimums(places: Places, declared: list[Pool], vms: dict[str, Vm]) -> dict[str, int]:
    """The least memory of each cgroup, whose sum those around it need, or it is worth nothing.

    Slices that nobody declared are between as well. What is in no use yet needs none.
    """
    pools_in_use = [one for one in declared if cgroups.exists(places, slices_of_pool(one.path))]
    told = promises.minimums(pools_in_use, vms.values())
    own = {path: told.get(vm.resource, 0) for path, vm in vms.items()}
    own.update({slices_of_pool(one.path): told.get(f"pool/{one.path}", 0) for one in pools_in_use})
    around = {parent for path in own for parent in cgroups.parents_of(path)}
    found: dict[str, int] = {}
    inside = dict.fromkeys((SLICES, *around, *own), 0)
    for path in sorted(inside, key=lambda one: -one.count("/")):
        found[path] = max(-(-own.get(path, 0) // PAGE) * PAGE, inside[path])
        outer = path.rpartition("/")[0]
        if outer:
            inside[outer] += found[path]
    return found


# ---- what is ours, to be taken back when it is no longer promised


def _now_ours(group: Group, lacks: Held, ours: Held) -> Held:
    """What of a cgroup is ours after it was set."""
    values: list[Any] = [
        had if value is None else value if promised else None
        for had, value, promised in zip(ours, lacks, group.want)
    ]
    return Held(*values)


def _ours(places: Places) -> dict[str, Held]:
    """What was set here since the machine was started, by cgroup."""
    found: dict[str, Held] = {}
    for line in text_of(f"{places.state}/set").split("\n"):
        path, name, value = [*line.rsplit(" ", 2), "", ""][:3]
        with suppress(ValueError):  # of another version of this
            has: Any = cpu_list(value) if name == "cpus" else int(value)
            if name in Held._fields:
                found[path] = found.get(path, Held())._replace(**{name: has})
    return found


def _keep_ours(places: Places, ours: dict[str, Held]) -> None:
    lines = [
        f"{path} {name} {shown(value)}\n"
        for path, held in ours.items()
        for name, value in held._asdict().items()
        if value is not None and cgroups.exists(places, path)
    ]
    if lines or ours:
        write(places, "set", "".join(lines))


def let_go(places: Places = SYSTEM) -> None:
    """Have the kernel hold nothing more for VMs, as when the hook goes, and forget who runs."""
    found = records(places)
    for vm, scope, starter in found:
        record(places, vm._replace(cpu=0, reserved=0, dedicated=False), scope, starter)
    settle(places)
    for one in found:
        forget(places, one.vm.uuid)


def forget_unit(places: Places, unit: str) -> None:
    """A slice that goes: what was set on it until the next boot is not to meet one of its name."""
    folder = f"{places.drop_ins}/{unit}.d"
    for name in names_in(folder):
        os.unlink(f"{folder}/{name}")
    if os.path.isdir(folder):
        os.rmdir(folder)


# ---- what is told


def states(places: Places = SYSTEM) -> dict[str, dict[str, Any]]:
    """What the kernel has for each VM that runs: cgroup, values, and what it lacks, in words."""
    lacks, noted = _lacks(places), {one.scope: one.vm for one in records(places) if one.scope}
    pids = [name[: -len(".pid")] for name in names_in(places.pid_files) if name.endswith(".pid")]
    scopes = {name: cgroups.scope_of_vm(places, name) for name in sorted(pids)}
    return {
        name: _state(places, scope, noted.get(scope), lacks)
        for name, scope in scopes.items()
        if scope
    }


def _state(
    places: Places, scope: str, noted: Vm | None, lacks: dict[str, list[str]]
) -> dict[str, Any]:
    has, around = cgroups.held(places, scope), cgroups.parents_of(scope)
    return {
        "scope": scope,
        "memory_min": has.minimum,
        "cpu_weight": has.weight,
        "cpus": shown(has.cpus) if has.cpus else "",
        "ancestors": {
            path.rpartition("/")[2]: cgroups.held(places, path).minimum for path in around
        },
        "noted": None if noted is None else noted._asdict(),
        "lacks": [one for path in (*around, scope) for one in lacks.get(path, ())],
    }


def _lacks(places: Places) -> dict[str, list[str]]:
    """What cgroups lack of what was promised to all that are noted, by path."""
    if cgroups.version(places) != 2:
        return {}
    groups = _groups(places)
    has = {path: cgroups.held(places, path) for path in groups}
    return {
        path: told(group, lacking(group, has[path], Held()), has[path])
        for path, group in groups.items()
    }


def told(group: Group, lacks: Held, has: Held) -> list[str]:
    """What a cgroup has of what was promised, a sentence for each that it lacks."""
    found = zip(cgroups.FILES.values(), has, lacks)
    return [
        f"{group.name}: {file} is {shown(value)}, promised is {shown(want)}"
        for file, value, want in found
        if want is not None
    ]


def shown(value: Any) -> str:
    """A value of the kernel's, as its file has it."""
    if value is None:
        return "not set"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
