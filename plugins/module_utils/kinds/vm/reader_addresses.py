# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of VMs by NIC: from DHCP leases, from guest agents, from the host's ARP table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ...engine import xmltree
from ...engine.fields import items_of
from ...engine.plan import Have
from ...host.connection import Host, libvirt, said
from ..vswitch.reader import leases_of
from .nic_rows import NICS
from .states import PAUSED, RUNNING
from .table import AGENT_CHANNEL

LEASE, AGENT, ARP = SOURCES = ("lease", "agent", "arp")

# States of a guest agent. One that is unresponsive has opened its channel and does not answer.
NO_AGENT, DISCONNECTED, CONNECTED = "none", "disconnected", "connected"
UNRESPONSIVE = "unresponsive"
AGENT_TIMEOUT_S = 5
AT_ONCE = 5  # libvirt handles no more requests of one client at a time (max_client_requests)

Address = tuple[str, str, int]  # MAC address of the NIC, IP address, length of the prefix
Answers = Mapping[str, Iterable[Address]]  # by source


@dataclass
class Found:
    """What the sources know of one VM."""

    agent: str
    answers: dict[str, list[Address]] = field(default_factory=dict)
    warning: str = ""


def find(host: Host, vms: Collection[Have], sources: Collection[str]) -> dict[str, Found]:
    """Ask these sources about VMs. A source that has no answer for one holds up no other."""
    found = {vm.name: Found(agent_of(vm)) for vm in vms}
    running = {vm.name: vm for vm in vms if vm.facts.get("state") in (RUNNING, PAUSED)}
    if not (running and sources):
        return found
    with host.errors("", "tell the addresses of VMs"):
        if LEASE in sources:
            _add_leases(host, running, found)
        domains = host.conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        asked = [domain for domain in domains if domain.name() in running]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda domain: _ask(domain, found[domain.name()], sources), asked))
    return found


def agent_of(vm: Have) -> str:
    """Whether a VM has a channel for the guest agent, and the agent has opened it."""
    tree = vm.live if vm.live is not None else vm.stored
    path = f"devices/channel/target[@name='{AGENT_CHANNEL}']"
    channel = None if tree is None else tree.find(path)
    if channel is None:
        return NO_AGENT
    opened = vm.facts["state"] == RUNNING and channel.get("state") == "connected"
    return CONNECTED if opened else DISCONNECTED


def addresses_of(vm: Have, answers: Answers) -> list[dict[str, Any]]:
    """Each address once, with the NIC that has it and the sources that know it.

    What a guest has beside its NICs (loopback, bridges of its own) is left out.
    """
    nics = {} if vm.live is None else items_of(NICS, vm.live)
    names = {xmltree.get(nic, "mac/@address"): name for name, nic in nics.items()}
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for source, addresses in answers.items():
        for mac, address, prefix in addresses:
            if mac in names:
                new = {"nic": names[mac], "mac": mac, "address": address, "sources": []}
                entry = known.setdefault((mac, address), new)
                # The ARP table knows no prefixes.
                entry["prefix"] = max(entry.get("prefix", 0), prefix)
                entry["sources"].append(source)
    return [known[key] for key in sorted(known)]


# ---- the sources


def _add_leases(host: Host, running: Mapping[str, Have], found: Mapping[str, Found]) -> None:
    """The leases of all NICs, with one call for each network.

    A lease of another network than the NIC is on is an old one.
    """
    leases: dict[tuple[str | None, str | None], list[Address]] = {}
    for network in host.conn.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE):
        for lease in leases_of(network):
            address = (lease["mac"], lease["ipaddr"], lease["prefix"])
            leases.setdefault((network.name(), lease["mac"]), []).append(address)
    for name, vm in running.items():
        nics = vm.live.findall("devices/interface") if vm.live is not None else ()
        found[name].answers[LEASE] = [
            lease
            for nic in nics
            for lease in leases.get(
                (xmltree.get(nic, "source/@network"), xmltree.get(nic, "mac/@address")), ()
            )
        ]


def _ask(domain: Any, found: Found, sources: Collection[str]) -> None:
    """Ask the sources that have to be asked about each VM."""
    if AGENT in sources and found.agent == CONNECTED:
        found.answers[AGENT], error = _answer(domain, _agents_interfaces)
        found.agent = UNRESPONSIVE if error else CONNECTED
    if ARP in sources:
        found.answers[ARP], error = _answer(domain, _interfaces_by_arp)
        found.warning = f"libvirt cannot read the ARP table: {error}" if error else ""


def _answer(domain: Any, ask: Callable[[Any], dict[str, Any]]) -> tuple[list[Address], str]:
    """The addresses that a source knows, or why it does not answer."""
    try:
        interfaces = ask(domain)
    except libvirt.libvirtError as error:
        if not domain.connect().isAlive():
            raise
        stopped = (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN)
        return [], "" if error.get_error_code() in stopped else said(error)
    return [
        (nic["hwaddr"].lower(), address["addr"], address["prefix"])
        for nic in interfaces.values()
        for address in (nic["addrs"] if nic["hwaddr"] else None) or ()
    ], ""


def _interfaces_by_arp(domain: Any) -> dict[str, Any]:
    return dict(domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP))


def _agents_interfaces(domain: Any) -> dict[str, Any]:
    """What the agent says, in time. libvirt would wait for ever, and has no limit for one call.

    The limit is of the domain and would cut off others who make an agent do what takes its time,
    such as freezing file systems; so it is set back to libvirt's own.
    """
    domain.agentSetResponseTimeout(AGENT_TIMEOUT_S)
    try:
        source = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT
        return dict(domain.interfaceAddresses(source))
    finally:
        domain.agentSetResponseTimeout(libvirt.VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK)
