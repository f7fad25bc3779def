# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the VMs of one host for an inventory: in few calls, and without writing anything.

libvirt has no call that tells the definitions of several domains, so each takes one. Secrets are
not asked for, and the connection is one for reading alone, but for guest agents, which libvirt asks
for nobody who may not write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..engine import xmltree
from ..engine.errors import FleetError
from ..engine.plan import Have
from ..engine.secret_words import shown_name
from ..host.connection import Host, connect, libvirt
from ..kinds.vm.reader import Facts, as_networks
from ..kinds.vm.reader_addresses import AGENT, AT_ONCE, CONNECTED, LEASE, SOURCES, find
from ..kinds.vm.reserved import DECLARED, Reserved, reserved_in
from ..kinds.vm.states import PAUSED, RUNNING
from .variables import names, variables_of

Reading = dict[str, Any]  # `vms`: the variables of each VM; `warnings`


def read(uri: str, sources: Collection[str]) -> Iterator[Reading]:
    """What there is on a host: what its libvirt knows, then with what has to be asked of each VM.

    FleetError if it cannot be read.
    """
    with connect(uri, read_only=True) as host, host.errors("", "tell its VMs"):
        look = _Look(host, sources)
        at_once = [source for source in sources if source == LEASE]
        look.ask(host, at_once)
        yield look.told()
        slow = [one for one in SOURCES if one in sources and one not in (*at_once, AGENT)]
        if slow:
            look.ask(host, slow)
        if AGENT in sources and look.has_agents:
            look.ask_agents(uri)
        if slow or look.has_agents:
            yield look.told()


def is_reading(found: Any) -> bool:
    """Whether something out of a cache is what this version reads, and not another."""
    if not isinstance(found, Mapping) or not isinstance(found.get("warnings"), list):
        return False
    vms = found.get("vms")
    return isinstance(vms, list) and all(
        isinstance(vm, Mapping) and vm.keys() >= names() for vm in vms
    )


class _Look:
    """One look at a host."""

    def __init__(self, host: Host, sources: Collection[str]) -> None:
        self.uri = shown_name(host.uri)
        self.vms = read_vms(host)
        self.reserved = _reservations(host) if DECLARED in sources else {}
        self.snapshots = _snapshots(host)
        self.found = find(host, self.vms, ())
        self.warnings: set[str] = set()

    @property
    def has_agents(self) -> bool:
        """Whether any guest agent could be asked."""
        return any(found.agent == CONNECTED for found in self.found.values())

    def ask(self, host: Host, sources: Collection[str]) -> None:
        """Add what these sources know."""
        for name, found in find(host, self.vms, sources).items():
            known = self.found[name]
            known.answers.update(found.answers)
            known.agent = found.agent if AGENT in sources else known.agent
            self.warnings |= {found.warning} - {""}

    def ask_agents(self, uri: str) -> None:
        """Add what guest agents tell to those who may write."""
        try:
            with connect(uri) as host:
                self.ask(host, (AGENT,))
        except FleetError as error:
            self.warnings.add(f"no guest agent was asked: {error}")

    def told(self) -> Reading:
        """All VMs as far as they are known by now."""
        vms = [self._variables(have) for have in sorted(self.vms, key=lambda have: have.name)]
        return {"vms": [vm for vm in vms if vm], "warnings": sorted(self.warnings)}

    def _variables(self, have: Have) -> dict[str, Any]:
        """The variables of a VM; none of one whose definition nobody can make sense of."""
        snapshots = self.snapshots.get(have.name, 0)
        try:
            told = variables_of(have, self.found[have.name], self.reserved, snapshots)
        except ValueError as error:
            self.warnings.add(f"the VM {have.name} is left out, its definition is odd: {error}")
            return {}
        return {"kvm_uri": self.uri, **told}


def read_vms(host: Host) -> list[Have]:
    """All VMs, each by the one definition that counts now: as it runs, or as it is stored."""
    facts = Facts(host.conn)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda dom: _have(dom, facts), host.conn.listAllDomains()))
    return [have for have in found if have is not None]


def _have(domain: Any, facts: Facts) -> Have | None:
    """One VM; None where it is gone by now."""
    try:
        definition = as_networks(xmltree.parse(domain.XMLDesc(0)))
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise
    said = facts.of(domain.name())
    runs = definition if said["state"] in (RUNNING, PAUSED) else None
    return Have("vm", domain.name(), definition, runs, said)


def _reservations(host: Host) -> dict[str, list[Reserved]]:
    networks = host.conn.listAllNetworks()
    return {net.name(): reserved_in(xmltree.parse(net.XMLDesc(0))) for net in networks}


def _snapshots(host: Host) -> Mapping[str, int]:
    """How many snapshots VMs have, of those that have any."""
    flag = libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT
    return {dom.name(): dom.snapshotNum() for dom in host.conn.listAllDomains(flag)}
