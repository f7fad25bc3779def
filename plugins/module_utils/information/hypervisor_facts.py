# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's libvirt tells of the host: what it can run, what is there, and what is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ..engine import xmltree
from ..engine.xmltree import Element
from ..host.acceleration import accelerated, choose_virt_type
from ..host.connection import Host, libvirt
from ..kinds.vm.states import CRASHED, PAUSED, RUNNING, SAVED, STOPPED
from . import host_resources
from .host_facts import nested

KIB = 1024


def gather(host: Host, params: Mapping[str, Any]) -> dict[str, Any]:
    """All of it, with a number of calls that does not grow with what is on the host.

    Only what VMs were promised takes a look at each, so that has to be asked for.
    """
    with host.errors("", "tell what the host is and carries"):
        return {
            "hypervisor": _hypervisor(host),
            "cpu": _cpu(host.capabilities),
            "numa_cells": [_cell(cell) for cell in _cells(host.capabilities)],
            "memory": _memory(host),
            "guests": _guests(host),
            "acceleration": _acceleration(host),
            "nested": nested() if host.is_local else None,
            **_vms(host),
            "storage_pools": _pools(host),
            "vswitches": _vswitches(host),
            **host_resources.told(host, params["promises"]),
        }


def _hypervisor(host: Host) -> dict[str, Any]:
    return {
        "driver": host.driver,
        "hostname": host.conn.getHostname(),
        "libvirt_version": _version(host.libvirt_version),
        "hypervisor_version": _version(host.conn.getVersion()),
    }


def _version(number: int) -> str:
    """libvirt's number for a version: 9000001 is 9.0.1."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


# ---- the machine


def _cpu(capabilities: Element) -> dict[str, Any]:
    """The CPU; the counts of the topology are of one NUMA cell, as libvirt tells them."""
    topology = capabilities.find("host/cpu/topology")
    return {
        "arch": xmltree.get(capabilities, "host/cpu/arch"),
        "model": xmltree.get(capabilities, "host/cpu/model"),
        "vendor": xmltree.get(capabilities, "host/cpu/vendor"),
        "count": sum(len(cell["cpus"]) for cell in map(_cell, _cells(capabilities))),
        "topology": {} if topology is None else {k: int(v) for k, v in topology.attrib.items()},
    }


def _cells(capabilities: Element) -> list[Element]:
    return capabilities.findall("host/topology/cells/cell")


def _cell(cell: Element) -> dict[str, Any]:
    memory_kib = int(xmltree.get(cell, "memory") or 0)
    cpus = [int(cpu.get("id", 0)) for cpu in cell.findall("cpus/cpu")]
    return {"id": int(cell.get("id", 0)), "memory_bytes": memory_kib * KIB, "cpus": cpus}


def _memory(host: Host) -> dict[str, Any]:
    """Free is what nobody uses; what the page cache holds is given up when it is needed."""
    try:
        kib = host.conn.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return {"total_bytes": host.conn.getInfo()[1] * KIB * KIB}
    cached = kib.get("cached", 0) + kib.get("buffers", 0)
    sizes = {"total_bytes": kib["total"], "free_bytes": kib["free"], "cached_bytes": cached}
    return {name: size * KIB for name, size in sizes.items()}


# ---- what can be run


def _guests(host: Host) -> dict[str, Any]:
    """What guests of the host's own architecture can be."""
    native = xmltree.get(host.capabilities, "host/cpu/arch")
    of = [arch for arch in host.capabilities.findall("guest/arch") if arch.get("name") == native]
    machines = {m.text or "": m.get("canonical") for arch in of for m in arch.findall("machine")}
    return {
        "virt_types": sorted({d.get("type", "") for arch in of for d in arch.findall("domain")}),
        "machine_families": {name: newest for name, newest in sorted(machines.items()) if newest},
        **_firmware(host, "q35" if "q35" in machines else None),
    }


def _firmware(host: Host, machine: str | None) -> dict[str, bool]:
    """Whether VMs can have UEFI, and UEFI with secure boot."""
    try:
        told = xmltree.parse(host.conn.getDomainCapabilities(None, None, machine, None))
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return {"efi": False, "secure_boot": False}
    firmware = [value.text for value in told.findall("os/enum[@name='firmware']/value")]
    secure = [value.text for value in told.findall("os/loader/enum[@name='secure']/value")]
    return {"efi": "efi" in firmware, "secure_boot": "efi" in firmware and "yes" in secure}


def _acceleration(host: Host) -> dict[str, Any]:
    """What `virt_type: auto` would choose, and why. Elsewhere libvirt's word is all there is."""
    probe = accelerated() if host.is_local else None
    virt_type, reason = choose_virt_type(xmltree.serialise(host.capabilities), probe)
    return {"accelerated": virt_type == "kvm", "virt_type": virt_type, "reason": reason}


# ---- what is there


def _vms(host: Host) -> dict[str, Any]:
    """How many VMs there are in each state, and what they have of the host."""
    wanted = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_VCPU
    wanted |= libvirt.VIR_DOMAIN_STATS_BALLOON
    # A VM that is busy is told of as far as that needs no answer from it.
    nowait = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    with_image = host.conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
    saved = {domain.name() for domain in with_image}
    told = host.conn.getAllDomainStats(wanted, nowait)
    records = [(_state(record, domain.name() in saved), record) for domain, record in told]
    counts = Counter(state for state, _record in records)
    return {
        "vms": {state: counts[state] for state in (RUNNING, PAUSED, STOPPED, SAVED, CRASHED)},
        "allocated": {
            "running": _allocated([r for state, r in records if state in (RUNNING, PAUSED)]),
            "defined": _allocated([record for _domain, record in told]),
        },
    }


def _state(record: Mapping[str, Any], saved: bool) -> str:
    """A VM's state in the words of the module vm (as power_state in kinds.vm.reader)."""
    stopped = SAVED if saved else STOPPED
    return {
        libvirt.VIR_DOMAIN_SHUTOFF: stopped,
        libvirt.VIR_DOMAIN_PAUSED: PAUSED,
        libvirt.VIR_DOMAIN_CRASHED: CRASHED,
    }.get(record.get("state.state"), RUNNING)


def _allocated(records: list[Mapping[str, Any]]) -> dict[str, int]:
    def total(name: str) -> int:
        return sum(int(record.get(name, 0)) for record in records)

    return {
        "vcpus": total("vcpu.current"),
        "vcpus_maximum": total("vcpu.maximum"),
        "memory_bytes": total("balloon.current") * KIB,
        "memory_maximum_bytes": total("balloon.maximum") * KIB,
    }


def _pools(host: Host) -> list[dict[str, str]]:
    active = host.conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
    return _by_name(host.conn.listAllStoragePools(), active)


def _vswitches(host: Host) -> list[dict[str, str]]:
    active = host.conn.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE)
    return _by_name(host.conn.listAllNetworks(), active)


def _by_name(things: list[Any], active: list[Any]) -> list[dict[str, str]]:
    names = {thing.name() for thing in active}
    return [
        {"name": name, "state": "active" if name in names else "inactive"}
        for name in sorted({thing.name() for thing in things})
    ]
