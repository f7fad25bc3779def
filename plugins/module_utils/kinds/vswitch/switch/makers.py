# SPDX-License-Identifier: GPL-3.0-or-later
"""The two kinds of switches that are made here, and what differs between them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ....engine.keepers import BY_NETWORK_MANAGER, IFUPDOWN, KEEPERS, NETWORKD, PREFIX
from ....engine.switch_facts import SwitchFacts
from ..table import LINUX_BRIDGE, OPENVSWITCH
from . import linux_seen, seen

if TYPE_CHECKING:
    from ....engine.host import HostFacts

Found = Mapping[str, Any]
LEAST = 1, 20  # of NetworkManager: VLANs of bridges came with 1.18, ipv6.method=disabled with 1.20


@dataclass(frozen=True)
class Maker:
    """A kind of switches: how they are seen, and the words for them."""

    type: str
    bridge: str  # what a bridge of it is called, with the place of its name
    maker: str
    kept: str
    removed: str  # how a user removes one
    modes: Mapping[str, tuple[str, str]] = field(repr=False)
    seen: Callable[[HostFacts], Found] = field(repr=False)

    @property
    def none(self) -> str:
        """What something is not that is none."""
        return self.bridge.replace(" {}", "")


OVS = Maker(
    OPENVSWITCH,
    "bridge {} of Open vSwitch",
    "Open vSwitch",
    "kept by Open vSwitch, also when the host starts again",
    "ovs-vsctl del-br {0} removes it",
    seen.MODES,
    lambda host: host.open_vswitch,
)
LINUX = Maker(
    LINUX_BRIDGE,
    "bridge {} of Linux",
    "a bridge of Linux",
    "kept by the host's network manager, also when the host starts again",
    f"ip link delete {{0}} removes it, with the files {PREFIX}{{0}}* of the network manager",
    seen.MODES_OF_LINUX,
    lambda host: linux_seen.seen(linux_seen.found_on(host)),
)
MAKERS = {one.type: one for one in (OVS, LINUX)}


def backend_of(host: HostFacts, declared: str) -> str:
    """By whom a new bridge of Linux is kept: as declared, or else who keeps the host's network."""
    by_keeper = {keeper: backend for backend, keeper in KEEPERS.items()}
    return declared or by_keeper.get(str(SwitchFacts(host).keeper.get("keeper", "")), NETWORKD)


def why_no_backend(host: HostFacts, declared: str) -> str:
    """Why nobody would keep a bridge of Linux over the starts of a host; empty where one does."""
    if not host.is_this_machine:
        return str(host.linux_bridges["error"])
    if backend_of(host, declared) == BY_NETWORK_MANAGER:
        return _why_no_network_manager(str(SwitchFacts(host).network_manager.get("version", "")))
    found = SwitchFacts(host).keeper
    keeper, ready = found.get("keeper", ""), found.get("has_networkd", False)
    if declared == NETWORKD or keeper == NETWORKD:
        return "" if ready else "the host has no systemd-networkd; install it, or omit backend"
    way_out = "or declare backend: networkd where systemd-networkd is to keep it beside"
    if keeper == IFUPDOWN:
        return (
            f"{keeper} keeps the host's network, and by it none is made by this version; make it "
            f"by /etc/network/interfaces and declare type: bridge, {way_out}"
        )
    return f"nobody keeps the host's network; start systemd-networkd or NetworkManager, {way_out}"


def _why_no_network_manager(version: str) -> str:
    way_out = "or declare backend: networkd where systemd-networkd is to keep it beside"
    if not version:
        return f"NetworkManager does not run, or the host has no nmcli; start it, {way_out}"
    parts = [int(one) if one.isdigit() else 0 for one in version.split(".")[:2]]
    if parts < [*LEAST]:
        needed = ".".join(map(str, LEAST))
        return f"NetworkManager {version} is too old, {needed} or newer is needed; {way_out}"
    return ""


def why_no_addresses(host: HostFacts, declared: str) -> str:
    """Why nobody would keep the addresses of host ports on Open vSwitch; empty where one does."""
    of = SwitchFacts(host)
    keeper, ready = of.keeper.get("keeper", ""), of.keeper.get("has_networkd", False)
    if backend_of(host, declared) == BY_NETWORK_MANAGER:
        if not of.starts_units:
            return "without systemd nobody would set their addresses at a start of the host"
        return _why_no_network_manager(str(of.network_manager.get("version", "")))
    if declared == NETWORKD or keeper == NETWORKD:
        return "" if ready else "the host has no systemd-networkd, which keeps their addresses"
    way_out = "declare backend: networkd where systemd-networkd is to keep it beside"
    if keeper:
        return (
            f"{keeper} keeps the host's network, and by it none are made by this version; {way_out}"
        )
    return f"nobody keeps the host's network; start systemd-networkd, or {way_out}"


def waiting(found: Found, of_linux: bool = True) -> list[str]:
    """What is to be said where it runs, and nobody would make it at the next start."""
    if found.get("keeper") == NETWORKD:
        return []
    what = (
        ("the bridge is made", "comes") if of_linux else ("addresses of the host are set", "come")
    )
    return [
        f"systemd-networkd does not run: {what[0]} now, and {what[1]} back when the host "
        "starts once it does (systemctl enable systemd-networkd)"
    ]
