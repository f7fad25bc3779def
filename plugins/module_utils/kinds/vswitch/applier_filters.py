# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes network filters, and gives NICs what their port groups say. Decides nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...engine.xmltree import Element
from ...host.connection import Host, found, libvirt, patiently, said
from ..vm.reader import as_networks, read_domains
from . import filters, followers, isolation
from .changes import FiltersMade, Refiltered, RefilteredLater


def make(host: Host, plan: Plan) -> None:
    """Have libvirt know the filters that a plan names."""
    named = {
        one for change in plan.changes if isinstance(change, FiltersMade) for one in change.after
    }
    for name in (one for one in filters.NAMES if one in named):  # those first that others are of
        wanted = filters.definition(name)
        there = found(host.conn.nwfilterLookupByName, name, libvirt.VIR_ERR_NO_NWFILTER)
        if there is not None:  # libvirt takes no other UUID for a name
            xmltree.put(wanted, "uuid", there.UUIDString())
        host.conn.nwfilterDefineXML(xmltree.serialise(wanted))


def follow(host: Host, plan: Plan) -> None:
    """Give the NICs that a plan names what their port groups say. All are tried."""
    network = plan.after.stored
    if network is None:  # it goes, and with it what NICs have by it
        network = isolation.without(plan.have.definition)
    if network is None:
        raise LookupError("a plan with this step has a network that NICs follow")
    users = followers.users_of(plan.wanted.name, read_domains(host), ())
    failed = []
    for change in (one for one in plan.changes if isinstance(one, Refiltered)):
        [trait], labels = change.field, {*change.after}
        waits = isinstance(change, RefilteredLater) or plan.after.live is None
        for one in followers.astray(trait, network, users, waits):
            try:
                if str(one) in labels:
                    patiently(partial(_give, host, one, followers.TRAITS[trait].place))
            except libvirt.libvirtError as error:
                failed.append(f"{one}: {said(error)}")
    if failed:
        raise FleetError(
            f"is stored, but these NICs do not follow: {'; '.join(failed)}", plan.resource
        )


def _give(host: Host, one: followers.Follower, place: str) -> None:
    dom = host.conn.lookupByName(one.vm)
    flags = libvirt.VIR_DOMAIN_AFFECT_LIVE if one.runs else libvirt.VIR_DOMAIN_AFFECT_CONFIG
    nic = _nic(dom, one)
    if nic is None:
        return
    xmltree.put(nic, place, one.will or None)
    dom.updateDeviceFlags(xmltree.serialise(nic), flags)


def _nic(dom: Any, one: followers.Follower) -> Element | None:
    """A NIC as libvirt tells it, stored or as it runs; that as it was defined. libvirt takes it for
    one on a bridge of the host otherwise, which has no network and no port group any more."""
    secure, stored = libvirt.VIR_DOMAIN_XML_SECURE, libvirt.VIR_DOMAIN_XML_INACTIVE
    tree = xmltree.parse(dom.XMLDesc(secure if one.runs else secure | stored))
    return followers.nth_with_mac(as_networks(tree), one.mac, one.nth)
