# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a switch and its uplinks. Pure; each function says one rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ....engine.codecs import Value
from ....engine.cpu_lists import listed
from ....engine.errors import FleetError
from ....engine.keys import Key, is_within, named
from ....engine.vlans import NAMES, USUAL, ids_of
from ..table import OPENVSWITCH, SWITCHED
from .host_ports import HOST_PORTS
from .options import ACTIVE_BACKUP, BACKEND, MTU, NICS, PRIMARY, TEAMING, VLANS
from .overlay import OVERLAY
from .seen import MODES, MODES_OF_LINUX, Switch, bond_of_others, bridge_of_nic

Links = Mapping[str, Mapping[str, Any]]
# What is no way out of the machine: what others make on top of it, or for VMs.
NO_UPLINKS = {
    "loopback": "a loopback",
    "bridge": "a bridge",
    "tun": "a tap",
    "openvswitch": "a port",
}


def check(will: Switch, modes: Mapping[str, Any], whose: str) -> Iterator[FleetError]:
    """The rules about what uplinks will be; `modes` are the ways of teaming that there are."""
    if will.teaming and len(will.nics) < 2:
        count = "one" if will.nics else "none"
        yield _wrong(TEAMING, f"{will.teaming} needs two uplinks or more, and there is {count}")
    if will.teaming in {**MODES, **MODES_OF_LINUX} and will.teaming not in modes:
        yield _wrong(TEAMING, f"{will.teaming} is none of {whose}, which has {', '.join(modes)}")
    elif will.teaming and will.teaming not in modes:
        yield _wrong(TEAMING, f"is {will.teaming!r}, as others set it; declare one of ours")
    if will.primary and will.primary not in will.nics:
        uplinks = f"which are {', '.join(will.nics)}" if will.nics else "of which there are none"
        yield _wrong(PRIMARY, f"{will.primary} is none of the uplinks, {uplinks}")
    elif will.primary and will.teaming != ACTIVE_BACKUP:
        said = will.teaming or "no teaming"
        yield _wrong(PRIMARY, f"means nothing with {said}; only {ACTIVE_BACKUP} has one")
    if will.vlans and modes is not MODES_OF_LINUX:
        yield _wrong(VLANS, f"are of uplinks of a bridge of Linux, and this is {whose}")
    elif will.vlans and not will.nics:
        yield _wrong(VLANS, "are what uplinks carry, and there are none")


def only_on_switches(
    declared: Iterable[Key], type_of: Value, has_ports: bool
) -> Iterator[FleetError]:
    """Uplinks of what is on no switch of ours: others keep that bridge."""
    if BACKEND in declared and type_of == OPENVSWITCH and not has_ports:
        yield _wrong(BACKEND, "keeps the addresses of host_ports here, and there are none")
    elif BACKEND in declared and type_of not in SWITCHED:
        yield _wrong(BACKEND, f"means nothing for a vswitch of type {type_of}")
    if type_of not in SWITCHED and any(is_within(key, HOST_PORTS) for key in declared):
        yield _wrong(
            HOST_PORTS, f"are not possible for a vswitch of type {type_of}; "
            f"one of type {' or '.join(SWITCHED)} has some"
        )  # fmt: skip
    if type_of not in SWITCHED and any(is_within(key, OVERLAY) for key in declared):
        yield _wrong(
            OVERLAY, f"is not possible for a vswitch of type {type_of}; "
            f"one of type {' or '.join(SWITCHED)} has one"
        )  # fmt: skip
    if type_of not in SWITCHED and {NICS, TEAMING, PRIMARY, VLANS} & {*declared}:
        whose = "libvirt makes its bridge, without any" if type_of != "bridge" else (
            "the host's network manager keeps its bridge, with what is on it"
        )  # fmt: skip
        yield _wrong(
            ("uplinks",), f"are not possible for a vswitch of type {type_of}: {whose}; "
            f"a vswitch of type {' or '.join(SWITCHED)} has uplinks"
        )  # fmt: skip


def left_inside(
    values: Mapping[Key, Value], will: Switch, declared: Iterable[Key]
) -> Iterator[str]:
    """VLANs of port groups that are declared, and of host ports, that no uplink carries."""
    said = {*declared}
    where = {
        f"port group {key[1]}": _vlans_in(values, key)
        for key in values
        if key[0] == "port_groups" and key[-1] in NAMES and (key in said or VLANS in said)
    }
    where.update((f"host port {port.name}", {port.vlan}) for port in will.host_ports)
    for what, ids in where.items():
        left = ids - ids_of([*will.vlans]) - {0, USUAL}
        if left:
            yield f"{what} is in VLAN {listed(left)}, which uplinks.vlans leaves inside the host"


def _vlans_in(values: Mapping[Key, Value], key: Key) -> set[int]:
    vlan, native, trunk = (values.get((*key[:-1], name)) for name in NAMES)
    return {vlan or 0, native or 0, *ids_of(trunk or [])}


def of_others(now: Switch, bridge: str) -> Iterator[FleetError]:
    """A bridge of Linux that others made is theirs: what keeps it would set it back."""
    if not now.owner:
        yield _wrong(
            NICS, f"the bridge {bridge} was made by others, who keep it; change it there, or name "
            "one that is not there, which is made"
        )  # fmt: skip


def of_another_keeper(now: Switch, will: Switch) -> Iterator[FleetError]:
    """Two would make the same bridge when the host starts, until one has forgotten it."""
    if now.backend and now.backend != will.backend:
        yield _wrong(
            BACKEND, f"cannot become {will.backend}: {now.backend} keeps the bridge; remove the "
            "vswitch, and declare it anew"
        )  # fmt: skip


def of_another(now: Switch, name: str, will: Switch) -> Iterator[FleetError]:
    """The switch beneath two vswitches is changed by the one that it was made for."""
    if now.owner in ("", name):
        return
    changed = [key[0] for key, value in will.values.items() if now.values[key] != value]
    for option in dict.fromkeys(
        [*changed, *(HOST_PORTS if now.host_ports != will.host_ports else ())]
    ):
        yield _wrong(
            (option,), f"cannot change here: the bridge is that of vswitch/{now.owner}; "
            "declare it there"
        )  # fmt: skip


def uplinks(
    new: Iterable[str], seen: Mapping[str, Any], links: Links, bridge: str, of: str = ""
) -> Iterator[FleetError]:
    """Interfaces that are to become uplinks, and are there; `of` says whose other bridges are."""
    for nic in new:
        link, other = links.get(nic), bridge_of_nic(seen, nic)
        if link is None or other == bridge:
            continue
        why = _in_use(link, other and f"the bridge {other}{of}") or _stood_on(nic, links)
        if why:
            yield _wrong(NICS, f"{nic} {why}")


def left_of_bond(
    nics: Collection[str], seen: Mapping[str, Any], bridge: str
) -> Iterator[FleetError]:
    """Interfaces of a bond of others that nobody names, and that would come off the bridge."""
    members = bond_of_others(seen, bridge, nics)[0]
    left = [nic for nic in members if nic not in nics]
    if left:
        there = ", ".join(nic for nic in members if nic in nics)
        yield _wrong(
            NICS,
            f"{there} is in a bond that others made, with {', '.join(left)}, which would come off "
            f"{bridge}; name all of them, or take the bond apart first (ovs-vsctl del-bond-iface)",
        )


def _in_use(link: Mapping[str, Any], other: str) -> str:
    """Why an interface cannot become an uplink; empty if it can."""
    if other:
        return f"is on {other}; take it from there first"
    if link["master"]:
        return f"is on {link['master']}; take it from there first"
    if link["kind"] in NO_UPLINKS:
        return f"is {NO_UPLINKS[link['kind']]}, and leads nowhere by itself"
    if carries(link):
        return (
            f"has {carries(link)}, which no uplink has: the host would be cut off; move that "
            "to another interface first, or to host_ports with all of these addresses and a "
            "gateway, where systemd-networkd or NetworkManager keeps the host's network"
        )
    return ""


def _stood_on(nic: str, links: Links) -> str:
    """VLANs of the host and the like get no frames any more from what is in a switch."""
    above = sorted(name for name, link in links.items() if link["below"] == nic)
    return f"has {', '.join(above)} on it, which would be cut off" if above else ""


def carries(link: Mapping[str, Any]) -> str:
    """What of the host's own is on an interface: its addresses and the default route."""
    has = [f"the address {one}" for one in link["addresses"]]
    return " and ".join([*has, *(["the default route"] if link["default"] else [])])


def of_host_on(seen: Mapping[str, Any], links: Links, bridge: str, own: Iterable[str] = ()) -> str:
    """What of the host's own is on a bridge, by its ports, and those of the host's `own`."""
    found = seen.get("bridges", {}).get(bridge)
    ports = {} if found is None else found["ports"]
    names = [bridge, *sorted(nic for port in ports.values() for nic in port["nics"]), *own]
    said = ((name, carries(links[name])) for name in names if name in links)
    return ", ".join(f"{what} on {name}" for name, what in said if what)


def cut_off(on_it: str) -> Iterator[FleetError]:
    """A switch by which the host itself is reached loses its last uplink."""
    if on_it:
        yield _wrong(NICS, f"cannot become none: the host has {on_it}, and would be cut off")


def missing(new: Iterable[str], links: Links) -> list[str]:
    """The interfaces that the host does not have; none where nobody can tell."""
    return [nic for nic in new if nic not in links] if links else []


def too_large(mtu: int, nics: Iterable[str], links: Links) -> Iterator[FleetError]:
    """An MTU that an uplink cannot have."""
    for nic in nics:
        highest = links.get(nic, {}).get("max_mtu", 0)
        if highest and mtu > highest:
            yield _wrong(MTU, f"{mtu} is more than {nic} can have, which is {highest}")


def taken(nics: Iterable[str], others: Mapping[str, Iterable[str]]) -> Iterator[FleetError]:
    """Uplinks that another vswitch of the same run gets."""
    for nic in nics:
        for name, has in others.items():
            if nic in has:
                yield _wrong(NICS, f"{nic} is an uplink of vswitch/{name}")


def _wrong(key: Key, message: str) -> FleetError:
    return FleetError(message, "", named(key))
