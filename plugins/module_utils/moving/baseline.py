# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPU that every host of a group can give: what is asked of libvirt, and what its answers say.

Pure: texts of libvirt in, declarations out. Who asks is `run/baselining.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..engine import xmltree
from ..engine.errors import FleetError, Mistakes

KVM, EMULATED = "kvm", "qemu"


class Offer(NamedTuple):
    """What one host can give to a VM, as its domain capabilities say it."""

    host: str
    libvirt: int  # the version: 9001000 is 9.1.0
    cpu: str  # the host's own model as an element `cpu`; empty where it tells none
    model: str = ""
    vendor: str = ""


def offer(host: str, libvirt: int, capabilities: str) -> Offer:
    """Of domain capabilities: the model that `host-model` would be there."""
    tree = xmltree.parse(capabilities)
    mode = xmltree.find(tree, "cpu/mode[@name='host-model']")
    if mode is None or mode.get("supported") != "yes" or xmltree.get(mode, "model") is None:
        return Offer(host, libvirt, "")
    cpu = xmltree.parse("<cpu/>")
    # How many address bits there are is no part of a model, and libvirt 9.0 compares none.
    for child in xmltree.elements(mode):
        if child.tag in ("model", "vendor", "feature"):
            cpu.append(xmltree.clone(child))
    model, vendor = (xmltree.get(cpu, name) or "" for name in ("model", "vendor"))
    return Offer(host, libvirt, xmltree.serialise(cpu), model, vendor)


def refuse(offers: Sequence[Offer]) -> None:
    """Raise all that stands against a common model before libvirt is asked for one."""
    mistakes = Mistakes("cpu_baseline")
    for one in offers:
        if not one.cpu:
            mistakes.add(
                "its libvirt tells no model of its CPU for VMs of this kind, so there is nothing to"
                " compare; give another virt_type, arch or machine, or leave the host out",
                f"hosts.{one.host}",
            )
    vendors = {one.vendor for one in offers if one.vendor}
    if len(vendors) > 1:
        mistakes.add(
            f"no model runs on CPUs of different vendors: {_by_host(offers)}; make a group of hosts"
            " for each vendor",
            "hosts",
        )
    mistakes.raise_any()


def _by_host(offers: Iterable[Offer]) -> str:
    return ", ".join(f"{one.host} has {one.model} ({one.vendor or 'no vendor'})" for one in offers)


def askers(offers: Sequence[Offer]) -> list[Offer]:
    """Whom to ask, the oldest libvirt first: what it answers with, newer ones know as well."""
    return sorted(offers, key=lambda one: one.libvirt)


def none_found(offers: Sequence[Offer], answers: Iterable[str]) -> FleetError:
    """That no host's libvirt found a model that all can run, with what each said."""
    told = "; ".join(dict.fromkeys(answers))
    return FleetError(f"no model for all of {_by_host(offers)}: {told}", "cpu_baseline", "hosts")


# ---- what an answer says


class Features(NamedTuple):
    """The names of a model's features: those it has, and those that are taken from it."""

    has: tuple[str, ...]
    lacks: tuple[str, ...]


def declared(cpu: str) -> dict[str, Any]:
    """A model of libvirt's as the option `cpu` of the module `vm`.

    Its vendor is no option: a VM that is told none starts on all hosts that have the features.
    """
    tree = xmltree.parse(cpu)
    features = [
        {"name": one.get("name"), "policy": one.get("policy", "require")}
        for one in sorted(tree.findall("feature"), key=lambda one: one.get("name", ""))
    ]
    return {"mode": "custom", "model": xmltree.get(tree, "model"), "features": features}


def features(expanded: str) -> Features:
    """What an expanded model, one that names each feature, has and lacks."""
    named = xmltree.parse(expanded).findall("feature")
    lacks = {one.get("name", "") for one in named if one.get("policy") in ("disable", "forbid")}
    has = {one.get("name", "") for one in named} - lacks
    return Features(tuple(sorted(has)), tuple(sorted(lacks)))


def given_up(own: str, common: str) -> list[str]:
    """The features that a host has by its own expanded model and that the common one lacks."""
    return sorted(set(features(own).has) - set(features(common).has))
