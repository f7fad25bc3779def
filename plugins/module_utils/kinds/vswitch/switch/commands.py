# SPDX-License-Identifier: GPL-3.0-or-later
"""What ovs-vsctl is told, in one transaction, to make a bridge what it is to be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ....engine.keepers import BY_NETWORK_MANAGER
from .host_port_commands import ports_of_ovs
from .host_port_rules import USUAL_MTU
from .seen import MODES, Switch, of_bridge

MARK = "external_ids:kvm-fleet"
BACKEND = "external_ids:kvm-fleet-backend"
UPLINK = "uplink"

Command = list[str]
Ports = Mapping[str, Mapping[str, Any]]


def bond_of(bridge: str) -> str:
    """The port of a bond, whose name need not be one of Linux."""
    return f"{bridge}-uplinks"


def making(seen: Mapping[str, Any], bridge: str, will: Switch) -> Iterator[Command]:
    """The commands after which a bridge is as it will be, whatever it is now."""
    found = seen.get("bridges", {}).get(bridge)
    if found is None:
        yield ["--may-exist", "add-br", bridge]
        datapaths = seen.get("datapaths", [])
        # Without the module of its kernel, Open vSwitch has only the one in user space.
        own = ["datapath_type=netdev"] if datapaths and "system" not in datapaths else []
        yield ["set", "Bridge", bridge, f"{MARK}={will.owner}", *own]
    ports = uplink_ports({} if found is None else found["ports"], will)
    yield from _uplinks(ports, bridge, will)
    yield from _mtu(of_bridge(seen, bridge), bridge, will)
    yield from ports_of_ovs({} if found is None else found.get("host_ports", {}), bridge, will)
    yield from keeping("" if found is None else found.get("backend", ""), bridge, will.backend)
    if will.overlay is not None or seen.get("tunnels") or (found or {}).get("overlay"):
        from . import overlay_commands

        yield from overlay_commands.making(seen, bridge, will.overlay)


def keeping(was: str, bridge: str, backend: str) -> Iterator[Command]:
    """Note who keeps the addresses of host ports, where that is not networkd."""
    if backend == BY_NETWORK_MANAGER:
        yield ["set", "Bridge", bridge, f"{BACKEND}={backend}"]
    elif was == BY_NETWORK_MANAGER:
        yield ["remove", "Bridge", bridge, *BACKEND.split(":")]


def _mtu(was: Switch | None, bridge: str, will: Switch) -> Iterator[Command]:
    """Taken away only where it goes: single uplinks keep what others asked of them."""
    for name in (bridge, *will.nics):
        if will.mtu:
            yield ["set", "Interface", name, f"mtu_request={will.mtu}"]
        elif was is not None and was.mtu:
            yield ["clear", "Interface", name, "mtu_request"]


def usual_mtus(was: Switch, will: Switch) -> Iterator[Command]:
    """What ip is told where none is asked for any more: an uplink keeps what Open vSwitch gave it,
    whose own ports get no more than that."""
    if was.mtu and not will.mtu:
        for nic in dict.fromkeys([*was.nics, *will.nics]):
            yield ["ip", "link", "set", "dev", nic, "mtu", str(USUAL_MTU)]


def removing(bridge: str) -> Iterator[Command]:
    """The commands that take a bridge away, with all that is on it."""
    yield ["--if-exists", "del-br", bridge]


def uplink_ports(ports: Ports, will: Switch) -> Ports:
    """The ports that are uplinks now, or hold an interface that will be one."""
    wanted = {*will.nics}
    return {n: one for n, one in ports.items() if one["uplink"] or wanted & {*one["nics"]}}


def kept(ports: Ports, will: Switch) -> str:
    """The port of all uplinks that can be changed in place; empty where a new one is made."""
    if len(will.nics) == 1:
        return next((n for n in will.nics if n in ports and [*ports[n]["nics"]] == [n]), "")
    if not will.nics:
        return ""
    bonds = [name for name, one in ports.items() if len(one["nics"]) > 1]
    return next(iter(sorted(bonds, key=lambda name: not ports[name]["uplink"])), "")


def _uplinks(ports: Ports, bridge: str, will: Switch) -> Iterator[Command]:
    stays = kept(ports, will)
    yield from (["--if-exists", "del-port", bridge, one] for one in sorted(ports) if one != stays)
    if not will.nics:
        return
    if stays and len(will.nics) > 1:
        yield from _members(stays, {*ports[stays]["nics"]}, will.nics)
    elif not stays and len(will.nics) > 1:
        stays = bond_of(bridge)
        yield ["add-bond", bridge, stays, *will.nics]
    elif not stays:
        [stays] = will.nics
        yield ["add-port", bridge, stays]
    yield from _teaming(stays, will)


def _members(bond: str, has: set[str], nics: Sequence[str]) -> Iterator[Command]:
    """Open vSwitch takes those away that go before others come, and refuses a bond with none."""
    if has & {*nics}:
        yield from (["add-bond-iface", bond, nic] for nic in nics if nic not in has)
        yield from (["del-bond-iface", bond, nic] for nic in sorted(has - {*nics}))
        return
    made = {f"@nic{number}": nic for number, nic in enumerate(nics)}
    for row, nic in made.items():
        yield [f"--id={row}", "create", "Interface", f"name={nic}"]
    yield ["set", "Port", bond, f"interfaces={','.join(made)}"]


def _teaming(port: str, will: Switch) -> Iterator[Command]:
    said = [f"{MARK}={UPLINK}"]
    if will.teaming:
        mode, lacp = MODES[will.teaming]
        said += [f"bond_mode={mode}", f"lacp={lacp}"]
    yield ["set", "Port", port, *said]
    if will.primary:
        yield ["set", "Port", port, f"other_config:bond-primary={will.primary}"]
    else:
        yield ["remove", "Port", port, "other_config", "bond-primary"]
