# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of vswitches on a host: what is stored, what waits, their leases and their VMs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..engine import xmltree
from ..engine.keys import named
from ..engine.plan import Have
from ..engine.planner import pending_of
from ..host.connection import Host
from ..kinds.vm.reader import read_domains
from ..kinds.vswitch.attached import attached
from ..kinds.vswitch.draft import VswitchDraft
from ..kinds.vswitch.kind import KIND
from ..kinds.vswitch.reader import leases_of, look_up, read_networks
from ..kinds.vswitch.told import unmanaged
from ..kinds.vswitch.tree import values_of


def gather(host: Host, params: Mapping[str, Any]) -> dict[str, Any]:
    """The vswitches that were asked for (all, if none was named), with who is on them."""
    vswitches = read_networks(host, params["names"])
    domains = read_domains(host)
    told = [
        {**KIND.result(have), **_around(host, have, domains)} if have.exists else KIND.result(have)
        for _name, have in sorted(vswitches.items())
    ]
    return {"vswitches": told}


def _around(host: Host, have: Have, domains: Mapping[str, Have]) -> dict[str, Any]:
    tree = have.live if have.live is not None else have.stored
    bridge = None if tree is None else xmltree.get(tree, "bridge/@name")
    return {
        "nics": [asdict(nic) for nic in attached(domains, have.name, bridge)],
        "leases": _leases(host, have),
        "pending_restart": _pending(have),
        "unmanaged": unmanaged(have.definition),
    }


def _pending(have: Have) -> list[str]:
    if have.stored is None or have.live is None:
        return []
    stored, runs = values_of(have.stored), values_of(have.live)
    changes = pending_of(VswitchDraft, have.name, stored, runs)
    return [named(change.field) for change in changes]


def _leases(host: Host, have: Have) -> list[dict[str, Any]]:
    network = look_up(host, have.name) if have.live is not None else None
    return [] if network is None else [_lease(lease) for lease in leases_of(network)]


def _lease(lease: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ip": lease["ipaddr"],
        "mac": lease["mac"],
        "hostname": lease["hostname"] or "",
        "client_id": lease["clientid"] or "",
        "expires": lease["expirytime"],
    }
