# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of VMs on a host: stored and live options, what waits, addresses and statistics.

The connection is no read-only one: such a one is not told how a running CPU was defined, without
which fields would seem to wait for a restart, and it may not ask guest agents.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..engine.fields import items_of
from ..engine.plan import Have
from ..engine.planner import Draft, pending_of
from ..engine.showing import names
from ..engine.world import World
from ..engine.xmltree import Element
from ..host.connection import Host, libvirt
from ..host.live import facts_of
from ..kinds.images.chains import Chains
from ..kinds.storage_pool.readers import STORAGE
from ..kinds.vm import nic_vlans
from ..kinds.vm import reader_addresses as vm_addresses
from ..kinds.vm.definition import domain_values, live_values
from ..kinds.vm.reader import read_domains
from ..kinds.vm.reader_records import records_of
from ..kinds.vm.snapshots import in_order
from ..kinds.vm.states import PAUSED, RUNNING
from ..kinds.vm.table import DISKS
from ..kinds.vm.told import options, result
from ..kinds.vswitch.readers import VSWITCHES
from ..moving.standing import standing
from .vm_statistics import Record, statistics_of

RUNS = (RUNNING, PAUSED)


def gather(host: Host, params: Mapping[str, Any]) -> dict[str, Any]:
    """The VMs that were asked for (all, if none was named)."""
    vms = [have for _name, have in sorted(read_domains(host, params["names"]).items())]
    sources = vm_addresses.SOURCES if params["addresses"] is None else params["addresses"]
    found = vm_addresses.find(host, vms, sources)
    images = _Images(host)
    networks = _Networks(host)
    told = {have.name: _whole(have, found[have.name], images.of(have), networks) for have in vms}
    if params["statistics"] or params["resources"]:
        running = {have.name: have.live for have in vms if have.facts.get("state") in RUNS}
        for name, record in _records(host, running).items():
            told[name].update(_used(host, name, running[name], record, params))
    # Who asked for no source by its name gets what there is.
    warnings = {one.warning for one in found.values() if one.warning and params["addresses"]}
    return {"vms": list(told.values()), "warnings": sorted(warnings)}


def _whole(
    have: Have, found: vm_addresses.Found, images: dict[str, Any], networks: _Networks
) -> dict[str, Any]:
    """What is told of a VM, whatever was asked for."""
    told = {**result(have), **_told(have, found, networks), **images}
    if have.stored is not None:
        told["migration"] = standing(have, len(images["snapshots"]))
    return told


def _used(
    host: Host, name: str, live: Element | None, record: Record, params: Mapping[str, Any]
) -> dict[str, Any]:
    """What of statistics and resources was asked for."""
    used: dict[str, Any] = {}
    if params["statistics"]:
        used["statistics"] = statistics_of(live, record)
    if params["resources"] and live is not None:
        from ..host.vm_cgroups import read_granted
        from .vm_resources import resources_of

        # By its name, so of the system's own daemon alone.
        is_here = host.is_local and not host.state_folder and "socket=" not in host.uri
        granted = read_granted(name) if is_here else None
        used["resources"] = resources_of(live, record, granted)
    return used


def _told(have: Have, found: vm_addresses.Found, networks: _Networks) -> dict[str, Any]:
    """What is told of a VM beside what is stored."""
    if have.stored is None:
        return {}
    addresses = vm_addresses.addresses_of(have, found.answers)
    return {"guest_agent": found.agent, "addresses": addresses, **_live(have, networks)}


def _live(have: Have, networks: _Networks) -> dict[str, Any]:
    """The VM as it runs, and the fields in which that is not as it is stored."""
    if have.stored is None or have.live is None:
        return {"live": None, "pending_restart": []}
    stored = domain_values(have.stored)
    runs = live_values(have.live, stored, have.definition)
    live = nic_vlans.seen(runs, have, stored, networks.network, networks.ports)
    differ = pending_of(Draft, have.name, stored, live)
    return {"live": options(live), "pending_restart": names(differ)}


class _Networks:
    """What NICs have of the networks that they are on, asked of those alone that show such."""

    def __init__(self, host: Host) -> None:
        self.world = World(facts_of(host, (VSWITCHES,)), {})

    def network(self, name: str) -> Element | None:
        """A network as it runs, or else is stored."""
        have = self.world.read("vswitch", [name])[name]
        return have.stored if have.live is None else have.live

    def ports(self, of_linux: bool) -> Mapping[str, Any]:
        """The ports of a kind of bridge."""
        return nic_vlans.ports_on(self.world.host, of_linux)


class _Images:
    """The snapshots of VMs, and the images below their disks."""

    def __init__(self, host: Host) -> None:
        self.chains = Chains(World(facts_of(host, (STORAGE,)), {}))
        flag = libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT
        with host.errors("", "tell which VMs have snapshots"):
            self.domains = {dom.name(): dom for dom in host.conn.listAllDomains(flag)}

    def of(self, have: Have) -> dict[str, Any]:
        """What is told of one VM; chains of what runs where it does, without disks of one image."""
        if have.stored is None:
            return {}
        dom = self.domains.get(have.name)
        taken = [] if dom is None else [one.result() for one in in_order(records_of(dom))]
        disks = items_of(DISKS, have.stored if have.live is None else have.live)
        chains = {name: self._chain(disk) for name, disk in disks.items()}
        stacked = {name: chain for name, chain in chains.items() if len(chain) > 1}
        return {"snapshots": taken, "backing_chains": stacked}

    def _chain(self, disk: Element) -> list[str]:
        # From afar only what libvirt tells of the VM itself: not all volumes of the host for that.
        here = self.chains.world.host.is_local
        layers = self.chains.of(disk) if here else self.chains.told(disk)[0]
        return [layer.path for layer in layers]


def _records(host: Host, names: Collection[str]) -> dict[str, Record]:
    """libvirt's statistics of these VMs, in one call that waits for no VM which is busy."""
    nowait = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    with host.errors("", "tell the statistics of VMs"):
        domains = host.conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        asked = [domain for domain in domains if domain.name() in names]
        records = host.conn.domainListGetStats(asked, 0, nowait) if asked else []
    return {domain.name(): record for domain, record in records}
