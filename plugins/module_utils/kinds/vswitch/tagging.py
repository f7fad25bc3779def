# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the VLANs of a network's port groups can be set, and by whom: libvirt, or a hook of its;
and their isolation on Open vSwitch, which the same hook sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...engine import vlans, xmltree
from ...engine.errors import FleetError
from ...engine.host import HostFacts
from ...engine.xmltree import Element
from . import definition_rules
from .noted_vlans import ISOLATION
from .switch.seen import Switch

ROLE = "the role kvm_host installs it (kvm_host_vlans: true)"
NOT_CALLED = (
    "libvirt started before its hook for VLANs was installed, and looks for hooks only then; "
    "restart it (systemctl restart libvirtd), VMs run on"
)


def wrong(network: Element, host: HostFacts) -> Iterator[FleetError]:
    """Port groups with VLANs that nobody would set."""
    return definition_rules.vlans_of(network, lambda group: why_no_hook(network, group, host))


def why_no_hook(network: Element, group: Element | None, host: HostFacts) -> str:
    """Why the hook would not set VLANs that only it sets; empty where it does, or nobody can see
    whether there is one."""
    version = host.libvirt_version
    if not vlans.by_hook(network, group, version) or not host.is_this_machine:
        return ""
    hook = hook_of(host)
    of = vlans.named_version(version)
    if not hook["installed"]:
        return (
            f"{of} has no VLANs on Linux bridges (11.0 has), and its hook that sets them is not "
            f"there: {ROLE}"
        )
    if not hook["called"]:
        return NOT_CALLED
    return ""


def why_not_of_nics(host: HostFacts) -> str:
    """Why the hook would not set VLANs of single NICs; empty where it does."""
    of = vlans.named_version(host.libvirt_version)
    no_vlans = f"{of} has no VLANs of single NICs on Linux bridges (11.0 has)"
    way_out = "name a port group of a vswitch that has them"
    if not host.is_this_machine:
        return f"{no_vlans}, and its hook that sets them is not seen from here; {way_out}"
    hook = hook_of(host)
    if not hook["installed"]:
        return f"{no_vlans}, and its hook that sets them is not there: {ROLE}; or {way_out}"
    if not hook.get("nics"):
        return f"{no_vlans}, and its hook is of an older version; run the role kvm_host again"
    return NOT_CALLED if not hook["called"] else ""


def unisolated(network: Element, switch: Switch | None, host: HostFacts) -> Iterator[FleetError]:
    """Port groups that nobody would isolate, or that would be cut off from other hosts by that."""
    for group in (one for one in network.findall("portgroup") if one.get(ISOLATION) == "yes"):
        field = f"port_groups.{group.get('name')}.{ISOLATION}"
        if why := why_not_isolated(network, group, host):
            yield FleetError(why, "", field)
        elif switch is not None and switch.overlay is not None:
            message = (
                "is not possible beside an overlay on Open vSwitch: its tunnels are isolated from "
                "each other, and so they would be from these NICs"
            )
            yield FleetError(message, "", field)


def why_not_isolated(network: Element, group: Element, host: HostFacts) -> str:
    """Why the hook would not isolate NICs on Open vSwitch; empty where it does, they are not to be,
    or nobody can see whether there is one."""
    is_wanted = group.get(ISOLATION) == "yes" and vlans.is_on_open_vswitch(network)
    if not is_wanted or not host.is_this_machine:
        return ""
    hook, no = hook_of(host), "libvirt isolates no NICs on Open vSwitch"
    if not hook["installed"]:
        return f"{no}, and its hook that does is not there: {ROLE}"
    if not hook.get("isolates"):
        return f"{no}, and its hook that does is of an older version; run the role kvm_host again"
    return NOT_CALLED if not hook["called"] else ""


def hook_of(host: HostFacts) -> dict[str, Any]:
    """What is known of the hook."""
    return dict(host.facts.ask("vlan_hook", unknown={"installed": "", "called": False}))


def unfiltered(network: Element, host: HostFacts) -> Iterator[FleetError]:
    """VLANs on a Linux bridge of this machine that does not heed them."""
    bridge = xmltree.get(network, "bridge/@name") or ""
    if not bridge or not host.is_this_machine:
        return
    link = host.linux_bridges.get("links", {}).get(bridge, {"filtering": True})
    for group in network.findall("portgroup"):
        has = group.find("vlan") is not None and vlans.is_on_linux_bridge(network, group)
        if has and not link["filtering"]:
            option = vlans.VLAN if vlans.said(group).access else vlans.TRUNK
            message = (
                f"{bridge} does not filter VLANs; have the host's network manager turn that on "
                f"(ip link set {bridge} type bridge vlan_filtering 1)"
            )
            yield FleetError(message, "", f"port_groups.{group.get('name')}.{option}")
