"""Worlds of recorded facts: what a plan is made for in a test that has no host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import ALL, Fact, Facts
from ansible_collections.kvm.fleet.plugins.module_utils.engine.nodes import Cell, HugePages
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises_policy import Policy
from ansible_collections.kvm.fleet.plugins.module_utils.engine.recorded import (
    Recorded,
    nothing_follows,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import Kind, World
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import serialise
from ansible_collections.kvm.fleet.plugins.module_utils.host import judgement
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import filters
from ansible_collections.kvm.fleet.plugins.module_utils.run.host_config import KINDS

# Another machine: none of its paths is looked at.
FAR: dict[Fact, Any] = {
    ("uri",): "qemu+ssh://host/system",
    ("driver",): "QEMU",
    ("version",): 9_000_000,
    ("libvirt_version",): 9_000_000,
    ("can_keep_tpm",): True,
    ("arch",): "x86_64",
    ("cells",): [Cell(0, 2**34, [[0, 4], [1, 5], [2, 6], [3, 7]])],
    ("best_virt_type",): "qemu",
    ("machines",): {"q35": "pc-q35-7.2", "pc": "pc-i440fx-7.2"},
    ("machines_of", "x86_64"): ["q35", "pc-q35-7.2", "pc", "pc-i440fx-7.2"],
    ("state_folder",): "",
    **{("network_filter", one): serialise(filters.definition(one)) for one in filters.NAMES},
    ("huge_pages",): HugePages([(0, 2 << 20, 16), (0, 1 << 30, 0)], 4 << 30, 16 << 30),
}


# This machine, which has slices of systemd: what is needed for resource pools.
HERE: dict[Fact, Any] = {
    ("uri",): "qemu:///system",
    ("way_in",): {"address": "", "systemd": True, "unconfirmed": ""},
    ("promises",): {
        "policy": Policy()._asdict(),
        "error": "",
        "cgroup": 2,
        "systemd": True,
        "faults": [],
    },
}


def far_answers(answers: Mapping[Fact, Any], fact: Fact) -> Any:
    """What every host answers: libvirt's own parser, and that it refuses nothing."""
    asked, *of = fact
    if asked == "parsed":
        return judgement.parsed(*of)
    if asked == "parser_refusal":
        return judgement.parser_refusal(*of)
    if asked == "controllers":
        return ["cpu", "memory"]
    if asked == "far_interface":
        return True
    return nothing_follows(answers, fact)


def world(
    there: Mapping[str, Mapping[str, Have]],
    facts: Mapping[Fact, Any] | None = None,
    kinds: Mapping[str, Kind] | None = None,
) -> World:
    """A host with these resources, by kind and name, of which these facts were recorded."""
    answers = {**FAR, **(facts or {})}
    for kind in ("secret", "resource_pool", "storage_pool", "storage_volume", "vswitch", "vm"):
        haves = there.get(kind, {})
        answers[(ALL, kind)] = [name for name, have in haves.items() if have.exists]
        answers.update({(kind, name): have for name, have in haves.items()})
    return World(
        Facts(Recorded(answers, far_answers)), kinds or {kind.name: kind for kind in KINDS}
    )
