# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains as they are on a host: both definitions as trees, and what is not in the XML."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...engine import xmltree
from ...engine.plan import Have
from ...host.connection import Host, found, libvirt
from . import noted_vlans
from .states import CRASHED, PAUSED, RUNNING, SAVED, STOPPED

# Below this many it is cheaper to look names up than to list all domains of a host.
FEW = 8
# What libvirt says where there is no image, where it cannot open it, and where it is none.
UNREADABLE_IMAGE = (
    "VIR_ERR_OPERATION_INVALID",
    "VIR_ERR_SYSTEM_ERROR",
    "VIR_ERR_OPERATION_FAILED",
)


def read_domains(host: Host, names: Iterable[str] | None = None) -> dict[str, Have]:
    """The named domains (None: all), also those that are not there, with stored and live XML."""
    with host.errors("", "read the domains"):
        facts = Facts(host.conn)
        if names is None:
            return _those_there(host.conn.listAllDomains(), facts)
        wanted = list(names)
        there = _those_there((d for d in _look_up(host, wanted) if d.name() in wanted), facts)
        return {name: there.get(name) or Have("vm", name) for name in wanted}


def _those_there(domains: Iterable[Any], facts: Facts) -> dict[str, Have]:
    """By name, without those that are gone by now, as one is whose move here was cancelled."""
    by_name = {dom.name(): dom for dom in domains}

    def read(name: str) -> Have:
        return _have(by_name[name], facts)

    told = {name: found(read, name, libvirt.VIR_ERR_NO_DOMAIN) for name in by_name}
    return {name: have for name, have in told.items() if have is not None}


def _look_up(host: Host, names: list[str]) -> list[Any]:
    if len(names) > FEW:
        return list(host.conn.listAllDomains())
    looked = (found(host.conn.lookupByName, name, libvirt.VIR_ERR_NO_DOMAIN) for name in names)
    return [dom for dom in looked if dom is not None]


class Facts:
    """What is not in the XML of domains, asked once for all of them instead of once for each."""

    def __init__(self, conn: Any) -> None:
        self._states = {
            CRASHED: self._crashed(conn),
            PAUSED: self._names(conn, libvirt.VIR_CONNECT_LIST_DOMAINS_PAUSED),
            RUNNING: self._names(conn, libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE),
            SAVED: self._names(conn, libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE),
        }
        self._autostart = self._names(conn, libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART)
        self._persistent = self._names(conn, libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT)

    @staticmethod
    def _names(conn: Any, flag: int) -> frozenset[str]:
        return frozenset(dom.name() for dom in conn.listAllDomains(flag))

    @staticmethod
    def _crashed(conn: Any) -> frozenset[str]:
        """Those that are kept as their guests died; to libvirt they are active all the same."""
        others = conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_OTHER)
        return frozenset(d.name() for d in others if d.state()[0] == libvirt.VIR_DOMAIN_CRASHED)

    def of(self, name: str) -> dict[str, Any]:
        """Power state, autostart, and whether there is a stored definition."""
        states = (state for state, names in self._states.items() if name in names)
        return {
            "state": next(states, STOPPED),
            "autostart": name in self._autostart,
            "persistent": name in self._persistent,
        }


def _have(dom: Any, facts: Facts) -> Have:
    said = facts.of(dom.name())
    stored = _stored(dom)
    return Have("vm", dom.name(), stored, _running(dom, said["state"], stored), said)


def _stored(dom: Any) -> xmltree.Element:
    # libvirt hides passwords without SECURE; a definition made from that would lose them.
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    return noted_vlans.parse(dom.XMLDesc(flags))


def _running(dom: Any, state: str, stored: xmltree.Element) -> xmltree.Element | None:
    """What runs now; of a saved VM what will run again, since it is restored from its image."""
    if state in (RUNNING, PAUSED):
        live = live_definition(dom)
        checked = xmltree.get(live, "cpu/@check") == "full"
        if checked and xmltree.get(stored, "cpu/@check") != "full":
            _undo_cpu_expansion(dom, live)
        return as_host_model(live, stored)
    saved = _saved_definition(dom) if state == SAVED else None
    return None if saved is None else as_host_model(noted_vlans.parse(saved), stored)


def _saved_definition(dom: Any) -> str | None:
    """What is in the image of a saved VM. One that is gone, or half-written, says nothing, and
    libvirt counts its VM as saved all the same."""
    try:
        return str(dom.managedSaveGetXMLDesc(libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE))
    except libvirt.libvirtError as error:
        if error.get_error_code() in {getattr(libvirt, name) for name in UNREADABLE_IMAGE}:
            return None
        raise


def live_definition(dom: Any) -> xmltree.Element:
    """What runs now, with NICs on networks as such, as they were defined."""
    return as_networks(noted_vlans.parse(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)))


def as_networks(live: xmltree.Element) -> xmltree.Element:
    """What runs, with NICs on networks as such.

    libvirt gives a NIC the type that it became, bridge on a network that is a bridge of the host,
    and keeps the network's name beside it (virDomainNetDefFormat).
    """
    for nic in live.findall("devices/interface"):
        if xmltree.get(nic, "source/@network"):
            nic.set("type", "network")
    return live


def _undo_cpu_expansion(dom: Any, live: xmltree.Element) -> None:
    """Show a running CPU as it was defined.

    libvirt shows the model and features that it became, but keeps the original for MIGRATABLE
    (qemuDomainDefFormatBufInternal).
    """
    as_defined = xmltree.parse(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE))
    for element in live.findall("cpu"):
        live.remove(element)
    live.extend(as_defined.findall("cpu"))


def as_host_model(live: xmltree.Element, stored: xmltree.Element) -> xmltree.Element:
    """What runs, with its CPU as it was defined where that is a host-model.

    libvirt makes a custom CPU of one when it starts, for MIGRATABLE too (virCPUUpdate): the host's
    model with its vendor, and features beside those of the definition. A custom CPU has no vendor
    unless somebody wrote one, so that one which waits to become a host-model is told from it.
    """
    runs, defined = live.find("cpu"), stored.find("cpu")
    if runs is None or defined is None or runs.get("mode") != "custom":
        return live
    if defined.get("mode") != "host-model" or runs.find("vendor") is None:
        return live
    runs.set("mode", "host-model")
    said = {feature.get("name"): feature.get("policy", "") for feature in defined.iter("feature")}
    for part in list(runs):
        name = part.get("name")
        if part.tag in ("model", "vendor") or (part.tag == "feature" and name not in said):
            runs.remove(part)
        elif part.tag == "feature" and _comes_to(said[name], part.get("policy", "")):
            part.set("policy", said[name])
    return live


def _comes_to(defined: str, runs: str) -> bool:
    """Whether a policy is the one that a feature runs with, which is either to have it or not."""
    off = ("disable", "forbid")
    return defined == "optional" or (defined in off) == (runs in off)


def power_state(dom: Any) -> str:
    """One of running, paused, stopped, saved, crashed."""
    state = dom.state()[0]
    if state == libvirt.VIR_DOMAIN_PAUSED:
        return PAUSED
    if state == libvirt.VIR_DOMAIN_CRASHED:
        return CRASHED
    if dom.isActive():
        return RUNNING
    return SAVED if dom.hasManagedSaveImage() else STOPPED
