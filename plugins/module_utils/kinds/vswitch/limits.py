# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of what NICs receive by Open vSwitch, which are otherwise than those of Linux. Pure.

libvirt hands it `average` as the `min-rate` of a queue of linux-htb, and `peak` as its `max-rate`
(virNetDevOpenvswitchInterfaceSetQos). Without a peak a NIC receives as much as there is. What a NIC
sends is limited to `average` (ingress_policing_rate), once a burst of 8 Mbit is through by default.
"""

from __future__ import annotations

from ...engine import xmltree
from ...engine.xmltree import Element

PEAK = (
    "on Open vSwitch average is what a NIC is sure to get, and limits nothing; declare peak, by "
    "which it is limited"
)


def is_none(of: Element) -> bool:
    """Whether a NIC or port group has a limit of what comes in that Open vSwitch takes for none."""
    limit = of.find("bandwidth/inbound")
    return limit is not None and bool(limit.get("average")) and not limit.get("peak")


def is_by_open_vswitch(network: Element, group: Element | None) -> bool:
    """Whether the ports of a network, or of a group of it, are Open vSwitch's."""
    own = None if group is None else xmltree.get(group, "virtualport/@type")
    return (own or xmltree.get(network, "virtualport/@type")) == "openvswitch"
