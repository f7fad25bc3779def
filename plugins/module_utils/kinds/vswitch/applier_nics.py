# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting the NICs of running VMs again to a network that was started under them.

libvirt does not do that by itself. It puts a tap on a bridge only when the interface is changed to
be on another bridge (qemuDomainChangeNet; up to version 9.0 also when its type changes). So each
NIC is declared to be on a bridge that is there for that moment, and then on its network again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from ...engine import vlans, xmltree
from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...engine.xmltree import Element
from ...host.connection import Host, libvirt, patiently, said
from ...host.live import machine_of
from .connections import Connection, detour_of
from .reader import look_up


@contextmanager
def reconnecting(
    host: Host, plan: Plan, connections: Sequence[Connection]
) -> Iterator[Callable[[Element], None]]:
    """What connects NICs of running VMs again to the network of a plan, once it runs.

    It takes the network's definition. All that it needs is there before the network is stopped.
    """
    clear_detour(host, plan.wanted.name)
    if not connections:
        yield lambda _network: None
        return
    with _detour(host, plan.wanted.name) as elsewhere:
        yield partial(_reconnect, host, plan, connections, elsewhere)


def _reconnect(
    host: Host, plan: Plan, connections: Sequence[Connection], elsewhere: str, network: Element
) -> None:
    """All are tried; the error names those that are not connected in the end."""
    bridge = xmltree.get(network, "bridge/@name") or ""
    failed = []
    for connection in connections:
        try:
            _connect(host, connection, elsewhere)
            if not machine_of(host).is_on_bridge(connection.tap, bridge):
                failed.append(f"{connection}: it is not on the bridge {bridge}")
        except libvirt.libvirtError as error:
            failed.append(f"{connection}: {said(error)}")
    if failed:
        raise FleetError(
            f"runs, but these NICs are not connected: {'; '.join(failed)}; "
            "stop and start their VMs",
            plan.resource,
        )


def _connect(host: Host, connection: Connection, elsewhere: str) -> None:
    domain = host.conn.lookupByName(connection.vm)
    detour = xmltree.clone(connection.now)
    detour.set("type", "bridge")
    source = xmltree.ensure(detour, "source")
    source.attrib.clear()
    source.set("bridge", elsewhere)
    for wanted in (detour, connection.again):
        taken = xmltree.clone(wanted)
        if host.libvirt_version < vlans.ON_LINUX_BRIDGES:  # nor does any run under VMs on others
            xmltree.put(taken, "vlan!", None)
        call = partial(domain.updateDeviceFlags, xmltree.serialise(taken))
        patiently(partial(call, libvirt.VIR_DOMAIN_AFFECT_LIVE))


# ---- the detour


@contextmanager
def _detour(host: Host, network: str) -> Iterator[str]:
    """The bridge of a network without addresses, which libvirt forgets when it is stopped."""
    definition = Element("network")
    xmltree.put(definition, "name", detour_of(network))
    detour = host.conn.networkCreateXML(xmltree.serialise(definition))
    try:
        yield detour.bridgeName()
    finally:
        detour.destroy()


def _look_up(host: Host, network: str) -> Any:
    """libvirt's handle of a detour that an interrupted run left; None if there is none."""
    left = look_up(host, detour_of(network))
    return left if left is not None and not left.isPersistent() else None


def clear_detour(host: Host, network: str) -> None:
    """Take away what an interrupted run left: it is in the way of nothing but the next detour."""
    left = _look_up(host, network)
    if left is not None:
        left.destroy()
