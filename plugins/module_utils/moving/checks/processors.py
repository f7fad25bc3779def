# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest sees of its processors can be had at the target: architecture, CPU, machine type."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.move_facts import LACKS, GuestCpus
from ...engine.xmltree import Element
from ..case import Case, listed, version_text
from ..findings import Finding

OF_HOST = ("host-passthrough", "maximum")
OFF = ("disable", "forbid")


def versions(case: Case) -> Iterator[Finding]:
    """libvirt and QEMU at the target are not older."""
    for name, of in (("libvirt", "libvirt_version"), ("QEMU", "version")):
        here, there = (getattr(side.host, of) for side in (case.source, case.target))
        sides = {
            "source": f"{name} {version_text(here) if here else 'not known'}",
            "target": f"{name} {version_text(there) if there else 'not known'}",
        }
        if not here or not there:
            message = f"the versions of {name} are not both known"
            yield case.warned("versions", message, "see that the target's is no older", **sides)
        elif there < here:
            yield case.warned(
                "versions",
                f"{name} of the target is older, for which moves are tried less",
                "nothing, where the other checks pass; else upgrade the target first",
                **sides,
            )
        else:
            yield case.passed("versions", f"{name} of the target is no older", **sides)


def hypervisor(case: Case) -> Iterator[Finding]:
    """The target runs guests of this architecture and virtualisation."""
    arch, machine, virt_type = case.kind
    here, there = case.source.host, case.target.host
    sides = {"source": f"{arch}, {virt_type}", "target": f"{there.arch}, {there.best_virt_type}"}
    if case.target.moves.device_models(arch, machine, virt_type) is not None:
        yield case.passed("hypervisor", f"the target runs {virt_type} guests of {arch}", **sides)
    elif virt_type == "kvm" and there.arch != arch:
        todo = "choose a host of that architecture"
        yield case.failed("hypervisor", f"the target is no {arch} machine", todo, **sides)
    elif virt_type == "kvm" and there.best_virt_type != "kvm":
        todo = "turn on virtualisation there (kvm.fleet.host_probe tells why it is off)"
        yield case.failed("hypervisor", "the target does not run guests under KVM", todo, **sides)
    elif here.driver != there.driver:
        todo = "choose a host with the same hypervisor"
        yield case.failed("hypervisor", "the hypervisors are different", todo, **sides)


def machine_type(case: Case) -> Iterator[Finding]:
    """QEMU at the target knows the machine type, in that version."""
    arch, machine, _virt_type = case.kind
    known = case.target.host.machines_of(arch)
    newest = sorted(one for one in known if one.rpartition("-")[0] == machine.rpartition("-")[0])
    sides = {"source": machine, "target": listed(newest[-3:])}
    if not known:
        message = "which machine types the target has is not known"
        yield case.warned("machine", message, "see that it has it", "machine", source=machine)
    elif machine in known:
        yield case.passed("machine", "the machine type is known there", "machine", source=machine)
    else:
        yield case.failed(
            "machine",
            f"QEMU of the target has no machine type {machine}",
            "declare one that both have (machine) and restart the VM, or upgrade the target",
            "machine",
            **sides,
        )


# ---- the CPU


def cpu(case: Case) -> Iterator[Finding]:
    """The target has the CPU that the guest has seen, or was declared."""
    wanted = case.sent.find("cpu")
    mode = "" if wanted is None else wanted.get("mode", "custom")
    if wanted is None or (wanted.find("model") is None and mode in ("", "custom")):
        yield case.passed("cpu", "it has QEMU's default CPU, which every host has", "cpu")
    elif mode in OF_HOST and case.has_memory:
        yield _of_host(case, mode)
    elif mode in (*OF_HOST, "host-model") and not case.has_memory:
        message = f"its CPU ({mode}) is that of the host on which it starts"
        yield case.passed("cpu", message, "cpu.mode")
    else:
        yield _compared(case, wanted)


def _of_host(case: Case, mode: str) -> Finding:
    arch, machine, virt_type = case.kind
    here = case.source.moves.guest_cpus(arch, machine, virt_type)
    there = case.target.moves.guest_cpus(arch, machine, virt_type)
    sides = {"source": _named(here), "target": _named(there)}
    todo = "declare a CPU that all hosts have (cpu.mode: custom), and restart it"
    if here is None or there is None:
        message = f"its CPU is that of its host ({mode}); whether the target's is one is not known"
        return case.warned("cpu", message, todo, "cpu.mode", **sides)
    if _of_model(here) != _of_model(there):
        differ = {name for name, _policy in _of_model(here)[2] ^ _of_model(there)[2]}
        lacks = f" (features {listed(sorted(differ))})" if differ else ""
        message = f"its CPU is that of its host ({mode}), and the target has another{lacks}"
        return case.failed("cpu", message, todo, "cpu.mode", **sides)
    message = (
        f"its CPU is that of its host ({mode}); that of the target looks the same, its microcode "
        "and settings are not compared"
    )
    return case.warned("cpu", message, todo, "cpu.mode", **sides)


def _of_model(cpus: GuestCpus) -> tuple[str, str, frozenset[tuple[str, str]]]:
    return cpus.model, cpus.vendor, frozenset(cpus.features.items())


def _named(cpus: GuestCpus | None) -> str:
    return f"{cpus.model} ({cpus.vendor})" if cpus is not None else "not known"


def _compared(case: Case, wanted: Element) -> Finding:
    """By libvirt's own comparison; by what a snapshot knows where there is no libvirt."""
    arch, machine, virt_type = case.kind
    cpus = case.target.moves.guest_cpus(arch, machine, virt_type)
    model: str = xmltree.get(wanted, "model") or wanted.get("mode") or ""
    sides: dict[str, str] = {"source": model, "target": _named(cpus)}
    said = case.target.moves.cpu_comparison(arch, machine, virt_type, xmltree.serialise(wanted))
    if said is not None and said["result"] == LACKS:
        return _lacking(case, said["said"], sides)
    if said is not None:
        return case.passed("cpu", "the target has that CPU", "cpu.model", **sides)
    lacks = _lacks(wanted, cpus) if cpus is not None else None
    if lacks:
        return _lacking(case, f"it lacks {listed(lacks)}", sides)
    if lacks is None or cpus is None or model not in cpus.usable:
        message = "whether the target has that CPU is not known without its libvirt"
        return case.warned("cpu", message, "ask again with its URI", "cpu.model", **sides)
    return case.passed("cpu", "the target has that CPU", "cpu.model", **sides)


def _lacking(case: Case, why: str, sides: dict[str, str]) -> Finding:
    return case.failed(
        "cpu",
        f"the target has not that CPU: {why}",
        "declare a CPU that both have (cpu.mode: custom with what kvm.fleet.cpu_baseline tells), "
        "and restart the VM",
        "cpu.model",
        **sides,
    )


def _lacks(wanted: Element, cpus: GuestCpus) -> list[str] | None:
    """What a host is known to lack of a named CPU; None where its model says nothing of it."""
    model = xmltree.get(wanted, "model") or ""
    if cpus.usable.get(model) == "no":
        return cpus.blockers.get(model) or [f"the model {model}"]
    features = [one for one in wanted.findall("feature") if one.get("policy") not in OFF]
    names = [one.get("name", "") for one in features if one.get("policy") != "optional"]
    lacks = [name for name in names if cpus.features.get(name) in OFF]
    unknown = [name for name in names if name not in cpus.features]
    if not lacks and unknown and model != cpus.model:
        return None
    return lacks
