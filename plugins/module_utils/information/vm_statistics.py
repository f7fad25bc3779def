# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics of VMs, from libvirt's flat records, by the names that disks and NICs have in a VM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import xmltree
from ..engine.fields import Items, items_of
from ..engine.xmltree import Element
from ..kinds.vm.nic_rows import NICS
from ..kinds.vm.table import CDROMS, DISKS

KIB = 1024
Record = Mapping[str, Any]

# What a user reads, and what libvirt calls it (virConnectGetAllDomainStats).
CPU = {"time_ns": "cpu.time", "user_ns": "cpu.user", "system_ns": "cpu.system"}
MEMORY = {
    "balloon_bytes": "balloon.current",
    "maximum_bytes": "balloon.maximum",
    "rss_bytes": "balloon.rss",
    "available_bytes": "balloon.available",
    "unused_bytes": "balloon.unused",
    "usable_bytes": "balloon.usable",
}
DISK = {
    "target": "name",
    "read_requests": "rd.reqs",
    "read_bytes": "rd.bytes",
    "write_requests": "wr.reqs",
    "write_bytes": "wr.bytes",
    "capacity_bytes": "capacity",
    "allocation_bytes": "allocation",
}
NIC = {
    "target": "name",
    "received_bytes": "rx.bytes",
    "received_packets": "rx.pkts",
    "received_errors": "rx.errs",
    "received_drops": "rx.drop",
    "sent_bytes": "tx.bytes",
    "sent_packets": "tx.pkts",
    "sent_errors": "tx.errs",
    "sent_drops": "tx.drop",
}


def statistics_of(live: Element | None, record: Record) -> dict[str, Any]:
    """The statistics of a running VM; what libvirt did not tell is left out."""
    return {
        "cpu": _picked(record, CPU),
        "memory": memory_of(record),
        "disks": _devices(record, "block", DISK, _targets(live, DISKS, CDROMS)),
        "nics": _devices(record, "net", NIC, _targets(live, NICS)),
    }


def memory_of(record: Record) -> dict[str, int]:
    """What the balloon, the guest's driver and the process tell of its memory."""
    return {name: kib * KIB for name, kib in _picked(record, MEMORY).items()}


def _picked(record: Record, names: Mapping[str, str], prefix: str = "") -> dict[str, Any]:
    return {to: record[prefix + of] for to, of in names.items() if prefix + of in record}


def _devices(
    record: Record, kind: str, names: Mapping[str, str], by_target: Mapping[str, str]
) -> list[dict[str, Any]]:
    numbered = (f"{kind}.{number}." for number in range(record.get(f"{kind}.count", 0)))
    devices = [_picked(record, names, prefix) for prefix in numbered]
    return [{"name": by_target.get(d.get("target", "")), **d} for d in devices]


def _targets(live: Element | None, *rows: Items) -> dict[str, str]:
    """The names of devices by what the host calls them."""
    devices = [d for row in rows if live is not None for d in items_of(row, live).items()]
    return {xmltree.get(device, "target/@dev") or "": name for name, device in devices}
