# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs are called in an inventory, where several would have one name. Pure.

NAME is whoever has it alone. Where several have it, each is NAME@HOST, and NAME is a group of all
of them, so that nothing is lost and nobody is taken for another. One VM that is on several hosts,
on its way from one to another or left over, is NAME where it runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

Vm = Mapping[str, Any]  # the variables of one VM
# How many names a warning has room for.
SHOWN = 10


class Named(NamedTuple):
    """One VM, and what it is called in the inventory."""

    name: str
    vm: Vm


class Naming(NamedTuple):
    """All VMs by their names, groups of those of one name, and what is to be told."""

    vms: tuple[Named, ...]
    groups: Mapping[str, tuple[str, ...]]
    warnings: tuple[str, ...]


def naming(
    wanted: Sequence[Named], hosts: Collection[str], reserved: Collection[str] = ()
) -> Naming:
    """What each VM is called, by what it is to be called. A KVM host keeps its name to itself, and
    so do those that the inventory has already or gives a meaning of its own: `reserved`."""
    by_name: dict[str, list[Vm]] = {}
    for name, vm in wanted:
        by_name.setdefault(name, []).append(vm)
    others = {*hosts, *reserved}
    taken = {*others, *by_name}
    named: list[Named] = []
    groups: dict[str, tuple[str, ...]] = {}
    for name, vms in by_name.items():
        found = _called(name, vms, name in others, taken)
        named += found
        if name not in others and all(one.name != name for one in found):
            groups[name] = tuple(one.name for one in found)
    return Naming(tuple(named), groups, tuple(_warnings(by_name, hosts, reserved, groups)))


def _called(name: str, vms: Sequence[Vm], is_others: bool, taken: set[str]) -> list[Named]:
    """VMs that are to have one name, with those that they have. `taken` are all that are used."""
    if len(vms) == 1 and not is_others:
        return [Named(name, vms[0])]
    owner = None if is_others else _owner(vms)
    found = []
    for vm in vms:
        own = name if vm is owner else _free(name, vm, taken)
        taken.add(own)
        found.append(Named(own, vm))
    return found


def _owner(vms: Sequence[Vm]) -> Vm | None:
    """The one that runs, of one VM that is on several hosts."""
    running = [vm for vm in vms if vm["kvm_state"] == "running"]
    is_one = len({vm["kvm_uuid"] for vm in vms}) == 1
    return running[0] if is_one and len(running) == 1 else None


def _free(name: str, vm: Vm, taken: Collection[str]) -> str:
    _plain, by_host, by_uuid = possible(name, vm)
    return by_host if by_host not in taken else by_uuid


def possible(name: str, vm: Vm) -> tuple[str, str, str]:
    """The names that a VM may get which is to be called so, the shortest first."""
    by_host = f"{name}@{vm['kvm_host']}"
    return name, by_host, f"{by_host}@{vm['kvm_uuid']}"


def _warnings(
    by_name: Mapping[str, Sequence[Vm]],
    hosts: Collection[str],
    reserved: Collection[str],
    groups: Mapping[str, Any],
) -> list[str]:
    doubled = [name for name, vms in by_name.items() if len(vms) > 1]
    several = [name for name in doubled if name in groups]
    as_hosts = [name for name in by_name if name in hosts]
    as_others = [name for name in by_name if name in reserved and name not in hosts]
    moved = [name for name in doubled if name not in {*groups, *as_hosts, *as_others}]
    told = (
        (several, "have one name: {}. Each is NAME@HOST here, and NAME is a group of them"),
        (moved, "are on several hosts: {}. NAME is the one that runs, the others are NAME@HOST"),
        (as_hosts, "are called as KVM hosts are: {}. Such a VM is NAME@HOST here"),
        (
            as_others,
            "are called as a host or a group that the inventory has already is: {}. Such a VM is "
            "NAME@HOST here",
        ),
    )
    return [f"VMs {text.format(_listed(names, by_name))}" for names, text in told if names]


def unnamed(vms: Sequence[Vm]) -> str:
    """What is to be told of VMs for which `hostname` has no value."""
    by_name: dict[str, list[Vm]] = {}
    for vm in vms:
        by_name.setdefault(str(vm["kvm_name"]), []).append(vm)
    told = _listed([*by_name], by_name)
    return f"hostname: has no value for VMs {told}. Each is called by its own name here"


def _hosts_of(vms: Sequence[Vm]) -> str:
    return " and ".join(sorted({str(vm["kvm_host"]) for vm in vms}))


def _listed(names: Sequence[str], by_name: Mapping[str, Sequence[Vm]]) -> str:
    shown = [f"{name} (on {_hosts_of(by_name[name])})" for name in sorted(names)[:SHOWN]]
    rest = len(names) - len(shown)
    return ", ".join([*shown, *([f"and {rest} more"] if rest > 0 else [])])
