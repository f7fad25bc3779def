# SPDX-License-Identifier: GPL-3.0-or-later
"""Proposals of sizes for the VMs of a host, as options that one could declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..engine.errors import Mistakes
from ..engine.plan import Have
from ..engine.units import format_size, parse_size
from ..engine.world import World
from ..engine.yaml_text import to_yaml
from ..host.connection import Host
from ..kinds.vm.states import RUNNING
from ..kinds.vm.told import result
from . import usage
from .rightsizing import MIB, Aim, Has, Measured, Proposal, Use, measured, proposed

VM = "vm"
Options = dict[str, Any]
HEAD = ("VM", "CPU", "used", "peak", "proposed", "memory", "used", "peak", "proposed")


def gather(host: Host | None, world: World, params: Mapping[str, Any]) -> dict[str, Any]:
    """What a module returns: of each VM what it has, used and should have."""
    mistakes = Mistakes()
    aim = _aim(params, mistakes)
    given = usage.given(params["samples"], mistakes)
    if params["interval_s"] <= 0:
        mistakes.add("has to be above 0", field="interval_s")
    if params["window_s"] < 0:
        mistakes.add("has to be at least 0", field="window_s")
    haves = _vms(world, params["names"], mistakes)
    if host is None and params["window_s"]:
        mistakes.add("a snapshot cannot be measured; give samples, and 0", field="window_s")
    mistakes.raise_any()
    new = {}
    if host is not None:
        runs = [name for name, have in haves.items() if have.facts.get("state") == RUNNING]
        new = usage.sampled(host, runs, params["window_s"], params["interval_s"])
    samples = usage.together(given, new)
    told = [_told(have, measured(samples.get(name, ())), aim) for name, have in haves.items()]
    table = _table(told)
    declared = [one.pop("declaration") for one in told]
    vms = [{"name": name, **options} for name, options in zip(haves, declared) if options]
    return {
        "vms": told,
        "samples": usage.shown({name: samples[name] for name in haves if name in samples}),
        "declarations": vms,
        "yaml": to_yaml({"vms": vms}) if vms else "",
        "table": table,
    }


def _aim(params: Mapping[str, Any], mistakes: Mistakes) -> Aim:
    low, high = (params[name] / 100 for name in ("lowest_percent", "highest_percent"))
    if not 0 < low < high < 1:
        message = f"has to be above 0, below highest_percent ({high:.0%}) and that below 100"
        mistakes.add(message, field="lowest_percent")
    if params["margin_percent"] < 0:
        mistakes.add("has to be at least 0", field="margin_percent")
    return Aim(low, high, params["margin_percent"] / 100)


def _vms(world: World, names: list[str] | None, mistakes: Mistakes) -> dict[str, Have]:
    haves = world.everything(VM) if names is None else world.read(VM, names)
    for name, have in haves.items():
        if not have.exists:
            mistakes.add("does not exist; name one that does, or none for all", f"names: {name}")
    return dict(sorted(haves.items()))


def _told(have: Have, found: Measured, aim: Aim) -> Options:
    options = result(have)
    has = has_of(options)
    proposal = proposed(has, found, aim)
    return {
        "name": have.name,
        "window_s": round(found.window_s, 1),
        "intervals": found.intervals,
        "cpu": {
            "count": has.cpus,
            "limit": has.cpu_limit,
            "reservation": has.cpu_reservation,
            **_used("cores", found.cpu, lambda cores: round(cores, 3)),
        },
        "memory": {
            "size": format_size(has.memory),
            "reservation": "all" if has.reserves_all else format_size(has.memory_reservation),
            **_used("bytes", found.memory, int),
        },
        "changes": proposal.changes,
        "why": list(proposal.why),
        "declaration": declaration_of(proposal, options),
    }


def _used(unit: str, use: Use | None, said: Any) -> Options:
    if use is None:
        return {}
    return {f"average_{unit}": said(use.average), f"peak_{unit}": said(use.peak)}


def has_of(options: Mapping[str, Any]) -> Has:
    """What a VM has and holds, from its options as a module tells them."""
    cpu, memory = options.get("cpu", {}), options.get("memory", {})
    reserved = memory.get("reservation") or "0B"
    return Has(
        cpus=int(cpu.get("count") or 1),
        memory=parse_size(memory.get("size") or "0B"),
        cpu_limit=float(cpu.get("limit") or 0),
        cpu_reservation=float(cpu.get("reservation") or 0),
        memory_reservation=0 if reserved == "all" else parse_size(reserved),
        reserves_all=reserved == "all",
    )


def declaration_of(proposal: Proposal, options: Mapping[str, Any]) -> Options:
    """The options that would do it; with a larger maximum where that has to grow too."""
    cpu: Options = {
        "count": proposal.cpus,
        "limit": proposal.cpu_limit,
        "reservation": proposal.cpu_reservation,
    }
    memory: Options = {
        "size": _size(proposal.memory),
        "reservation": _size(proposal.memory_reservation),
    }
    most = options.get("cpu", {}).get("maximum")
    if proposal.cpus and most and proposal.cpus > most:
        cpu["maximum"] = proposal.cpus
    most = options.get("memory", {}).get("maximum")
    if proposal.memory and most and proposal.memory > parse_size(most):
        memory["maximum"] = _size(proposal.memory)
    parts = {"cpu": _given(cpu), "memory": _given(memory)}
    return {name: part for name, part in parts.items() if part}


def _size(size: int | None) -> str | None:
    return None if size is None else format_size(size)


def _given(options: Options) -> Options:
    return {name: value for name, value in options.items() if value is not None}


# ---- the table


def _table(told: Iterable[Options]) -> list[str]:
    """One line for each VM, in columns."""
    rows = [HEAD, *(_row(one) for one in told)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]


def _row(one: Options) -> tuple[str, ...]:
    return (one["name"], *_cpu_cells(one), *_memory_cells(one))


def _cpu_cells(one: Options) -> Iterable[str]:
    cpu, new = one["cpu"], one["declaration"].get("cpu", {})
    used = (f"{cpu[key]:.2f}" if key in cpu else "?" for key in ("average_cores", "peak_cores"))
    return str(cpu["count"]), *used, _said(new)


def _memory_cells(one: Options) -> Iterable[str]:
    memory, new = one["memory"], one["declaration"].get("memory", {})
    used = (
        f"{memory[key] // MIB}MiB" if key in memory else "?"
        for key in ("average_bytes", "peak_bytes")
    )
    return memory["size"], *used, _said(new)


def _said(new: Options) -> str:
    """What is proposed of one part: the size first, which needs no name."""
    first = [str(new[name]) for name in ("count", "size") if name in new]
    rest = [f"{name} {new[name]}" for name in ("limit", "reservation") if name in new]
    return ", ".join((*first, *rest)) or "-"
