# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPU: its mode has attributes and elements that no other mode has."""

from __future__ import annotations

from ....engine.accounting import Consequence
from ....engine.codecs import Value
from ....engine.xmltree import Element
from .base import Changed, drop, touched

OF_MODE = "goes with the former CPU mode or model"
_ON_MODE = ("cpu.mode", "cpu.model")
# libvirt refuses these under others (virCPUDefParseXML, qemuValidateDomainDefCpu).
_OF_HOST_CPU = ("host-passthrough", "maximum")


def _listed(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


def _vcpu(**said: str) -> str:
    state = "enabled" if said.get("enabled") == "yes" else "disabled"
    return f"{said.get('id')} {state}" + (f", order {said['order']}" if "order" in said else "")


CONSEQUENCES = (
    Consequence(
        "cpu.individual_vcpus",
        ("vcpus",),
        ("cpu.count", "cpu.maximum"),
        "lists each vCPU, which libvirt refuses where it does not add up; it makes a list anew",
        told=lambda said: [_vcpu(**vcpu) for vcpu in _listed(said[0]["vcpu"])],
    ),
    Consequence(
        "cpu.count_in_words",
        ("vcpu/@current",),
        ("cpu.maximum", "cpu.count"),
        "no count is the maximum, and is said where that is another",
        silent=True,
    ),
    Consequence("cpu.vendor", ("cpu/vendor",), _ON_MODE, OF_MODE),
    Consequence("cpu.model_details", ("cpu/model/@vendor_id",), _ON_MODE, OF_MODE),
    Consequence("cpu.fallback", ("cpu/model/@fallback",), _ON_MODE, OF_MODE),
    Consequence("cpu.check", ("cpu/@check",), _ON_MODE, OF_MODE),
    Consequence("cpu.match", ("cpu/@match",), _ON_MODE, OF_MODE),
    Consequence("cpu.migratable", ("cpu/@migratable",), _ON_MODE, OF_MODE),
    Consequence("cpu.cache", ("cpu/cache",), _ON_MODE, OF_MODE),
    Consequence("cpu.address_bits", ("cpu/maxphysaddr",), _ON_MODE, OF_MODE),
    Consequence(
        "cpu.topology.defaults",
        ("cpu/topology/@sockets", "cpu/topology/@cores", "cpu/topology/@threads"),
        ("cpu.topology",),
        "libvirt wants all of a topology",
        silent=True,
    ),
    # A limit that stays, of another period.
    Consequence("cpu.limit.quota", ("cputune/global_quota",), ("extra_xml",), "", silent=True),
    Consequence("cpu.model_element", ("cpu/model",), _ON_MODE, OF_MODE, silent=True),
)


def agree(domain: Element, changed: Changed) -> None:
    """Make the rest of the CPU go with what changed of it."""
    if touched(changed, "cpu.count", "cpu.maximum"):
        drop(domain, "vcpus")
    cpu = domain.find("cpu")
    if cpu is None:
        return
    if touched(changed, "cpu.mode"):
        _agree_mode(cpu)
    elif touched(changed, "cpu.model") and cpu.get("mode") != "custom":
        cpu.set("mode", "custom")
        _agree_mode(cpu)
    topology = cpu.find("topology")
    if topology is not None and touched(changed, "cpu.topology"):
        for part in ("sockets", "cores", "threads"):
            topology.set(part, topology.get(part, "1"))


def _agree_mode(cpu: Element) -> None:
    mode = cpu.get("mode")
    cpu.attrib.pop("check", None)  # libvirt's own choice for the former mode
    if mode != "custom":
        cpu.attrib.pop("match", None)
        drop(cpu, "vendor")
        _without_model(cpu, keeps_details=mode == "host-model")
    if mode not in _OF_HOST_CPU:
        cpu.attrib.pop("migratable", None)
        drop(cpu, "cache[@mode='passthrough']", "maxphysaddr[@mode='passthrough']")


def _without_model(cpu: Element, keeps_details: bool) -> None:
    """Only a custom CPU has a model; a vendor_id may stand below host-model too."""
    for model in cpu.findall("model"):
        model.text = None
        model.attrib.pop("fallback", None)
        if not keeps_details or not model.get("vendor_id"):
            cpu.remove(model)
