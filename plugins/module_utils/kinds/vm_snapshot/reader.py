# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots as libvirt has records of them."""

from __future__ import annotations

from collections.abc import Iterable

from ...engine.plan import Have
from ...host.connection import Host
from ..vm.reader_records import read_snapshots
from .names import name_of, parts_of
from .records import have_of


def read_vm_snapshots(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    """The named snapshots (None: those of all VMs), also those that are not there."""
    with host.errors("", "tell the snapshots"):
        if names is None:
            vms = [dom.name() for dom in host.conn.listAllDomains(0)]
            found = (have_of(name_of(vm, ""), read_snapshots(host, vm)) for vm in vms)
            return {have.name: have for haves in found for have in haves}
        wanted = list(names)
        there: dict[str, Have] = {}
        for vm in {parts_of(name)[0] for name in wanted}:
            there.update({one.name: one for one in have_of(f"{vm}/", read_snapshots(host, vm))})
    return {name: there.get(name) or Have("vm_snapshot", name) for name in wanted}
