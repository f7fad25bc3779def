# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs as libvirt's `<vlan>` has them, in networks and in NICs: the options, and how each stands.

One element says three options: the VLAN of an access port, or those of a trunk, of which one may
be native (its frames carry no tag). A native VLAN that is tagged all the same (`nativeMode` is
`tagged`) is of others: it is one of the trunk to us, and keeps what it says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import xmltree
from .codecs import Codec, Value, boolean, integer
from .cpu_lists import cpus_in, listed
from .field import Field, Sharing
from .keys import Key, Values
from .vlan_ports import UNTAGGED, Port, id_of
from .xmltree import Element

HIGHEST = 4094  # 0 and 4095 are nobody's
USUAL = 1  # in which is what has no tag, on a port that says nothing else


@dataclass(frozen=True)
class Vlans:
    """What a `<vlan>` says; 0 is no VLAN."""

    access: int = 0
    trunk: tuple[int, ...] = ()
    native: int = 0


def said(element: Element) -> Vlans:
    """The VLANs of a network, a port group or a NIC."""
    vlan = element.find("vlan")
    tags = [] if vlan is None else vlan.findall("tag")
    if vlan is None or not tags:
        return Vlans()
    if len(tags) == 1 and vlan.get("trunk") != "yes":
        return Vlans(id_of(tags[0]))
    native = next((id_of(tag) for tag in tags if tag.get("nativeMode") == UNTAGGED), 0)
    trunk = sorted({id_of(tag) for tag in tags} - {native})
    return Vlans(0, tuple(trunk), native)


# ---- how a port of Open vSwitch has them


def values_of_port(port: Port) -> Values:
    """A port as the options of one: what is native and tagged is of the trunk."""
    tag, trunks, mode, _isolated = port
    if not (trunks or mode):
        return {(VLAN,): tag, (NATIVE,): 0, (TRUNK,): []}
    native = tag if mode.endswith(UNTAGGED) else 0
    return {(VLAN,): 0, (NATIVE,): native, (TRUNK,): _joined({*trunks} - {native})}


def port_as_told(told: Sequence[Any]) -> Port:
    """A port of the database; `access` and `trunk` say nothing that the rest does not."""
    tag, trunks, mode, *_isolated = told
    return Port(
        int(tag), tuple(sorted(trunks)), str(mode) if str(mode).startswith("native") else ""
    )


# ---- how each of the options is written, and stands in the element


def vlan_ranges() -> Codec:
    """VLANs of a trunk, such as `[10, 20-29]`: sorted, each once, neighbours joined."""

    def parse(given: Any) -> list[str]:
        ids: set[int] = set()
        for part in given:
            ids |= set(_range(str(part).replace(" ", "")))
        return _joined(ids)

    def decode(found: str | None) -> list[str]:
        return _joined(set(json.loads(found or "[]")))

    def encode(value: Value) -> str | None:
        return json.dumps(sorted(ids_of(value))) if value else None

    return Codec(parse, decode, encode, {"type": "list", "elements": "str"})


def _range(part: str) -> range:
    first, dash, last = part.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise ValueError(f"{part!r} is no VLAN and no range of them such as 20-29")
    low, high = int(first), int(last or first)
    if not 1 <= low <= high <= HIGHEST:
        raise ValueError(f"{part} is not within 1 and {HIGHEST}, the lower first")
    return range(low, high + 1)


def _joined(ids: set[int]) -> list[str]:
    return listed(ids).split(",") if ids else []


def ids_of(value: Value) -> set[int]:
    """The single VLANs of a trunk's value."""
    return cpus_in(",".join(value))


VLAN, NATIVE, TRUNK = "vlan", "native_vlan", "trunk"


@dataclass(frozen=True)
class VlanField(Sharing):
    """One of the three options, named as it is."""

    def found_in(self, element: Element) -> str | None:
        vlans = said(element)
        if self.name == TRUNK:
            return json.dumps(vlans.trunk) if vlans.trunk else None
        found = vlans.access if self.name == VLAN else vlans.native
        return str(found) if found else None

    def put_in(self, element: Element, value: Value) -> None:
        """Set it, and let the rest agree: a port is an access port or a trunk."""
        was = said(element)
        if self.name == VLAN:
            will = Vlans(value) if value else Vlans(0, was.trunk, was.native)
        elif self.name == NATIVE:
            trunk = tuple(one for one in was.trunk if one != value)
            will = Vlans(0, trunk, value) if value else Vlans(was.access, was.trunk)
        else:
            trunk = tuple(sorted(ids_of(value) - {was.native}))
            will = Vlans(0, trunk, was.native) if value else Vlans(was.access, (), was.native)
        if will != was:
            _write(element, will)

    def told_in(self, element: Element) -> Iterator[tuple[Element, str]]:
        vlan, vlans = element.find("vlan"), said(element)
        if vlan is None:
            return
        mine = {VLAN: {vlans.access}, NATIVE: {vlans.native}, TRUNK: set(vlans.trunk)}[self.name]
        for tag in vlan.findall("tag"):
            if id_of(tag) in mine - {0}:
                yield from ((vlan, "trunk"), (tag, "id"))
                if self.name == NATIVE:
                    yield tag, "nativeMode"


def _write(element: Element, vlans: Vlans) -> None:
    """The element with these VLANs. A tag that stays is left as it is, as far as it can be."""
    ids = sorted({vlans.access, *vlans.trunk, vlans.native} - {0})
    if not ids:
        xmltree.put(element, "vlan!", None)
        return
    vlan = xmltree.ensure(element, "vlan")
    xmltree.put(vlan, "@trunk", None if vlans.access else "yes")
    for tag in vlan.findall("tag"):
        if id_of(tag) not in ids:
            vlan.remove(tag)
    for one in ids:
        tag = xmltree.ensure(vlan, f"tag[@id='{one}']")
        _write_native(tag, vlans)


def _write_native(tag: Element, vlans: Vlans) -> None:
    """libvirt takes one that is native, in a trunk."""
    if vlans.native and id_of(tag) == vlans.native:
        tag.set("nativeMode", UNTAGGED)
    elif vlans.native or vlans.access or tag.get("nativeMode") == UNTAGGED:
        tag.attrib.pop("nativeMode", None)


# ---- the rows, in the order in which they are set: what a trunk keeps of its native VLAN is last

NAMES = (VLAN, NATIVE, TRUNK)
VLAN_ROWS: tuple[Field, ...] = (
    VlanField(VLAN, "vlan", integer(0, HIGHEST, unset=0)),
    VlanField(NATIVE, "vlan", integer(0, HIGHEST, unset=0)),
    VlanField(TRUNK, "vlan", vlan_ranges()),
    Field("trust_guest_rx_filters", "@trustGuestRxFilters", boolean(unset=False)),
)


# ---- what is wanted, with what follows from it


def settled(want: Mapping[Key, Value], stored: Mapping[Key, Value], at: Key) -> Values:
    """What else becomes of a port for which some of the options are wanted."""
    vlan, native, trunk = (want.get((*at, name)) for name in NAMES)
    was_vlan, was_native, was_trunk = (stored.get((*at, name)) for name in NAMES)
    if vlan:
        goes: Values = {}
        if was_trunk and trunk is None:
            goes[(*at, TRUNK)] = []
        if was_native and native is None:
            goes[(*at, NATIVE)] = 0
        return goes
    follows: Values = {(*at, VLAN): 0} if was_vlan and (trunk or native) else {}
    untagged = was_native if native is None else native
    given = was_trunk if trunk is None else trunk
    if given and untagged and untagged in ids_of(given):
        follows[(*at, TRUNK)] = _joined(ids_of(given) - {untagged})
    return follows


# ---- rules


def disagreeing(values: Mapping[Key, Value], at: Key) -> Iterator[tuple[Key, str]]:
    """What is declared of one port, access and trunk at once."""
    vlan, native, trunk = (values.get((*at, name)) for name in NAMES)
    if vlan and (trunk or native):
        other = TRUNK if trunk else NATIVE
        yield (*at, VLAN), f"{vlan} and {other} exclude each other; write one of them"


def without_trunk(values: Mapping[Key, Value], at: Key) -> Iterator[tuple[Key, str]]:
    """A trunk of nothing but its native VLAN is an access port."""
    _vlan, native, trunk = (values.get((*at, name)) for name in NAMES)
    if native and not trunk:
        message = f"{native} is of a trunk, and there is none; write trunk too, or vlan: {native}"
        yield (*at, NATIVE), message


# From when on libvirt has VLANs on a Linux bridge too.
ON_LINUX_BRIDGES = 11_000_000
WHERE = (
    "VLANs are possible on Open vSwitch (type openvswitch) and on bridges of the host that filter "
    "them (types linux_bridge and bridge)"
)


def is_on_linux_bridge(network: Element, port: Element | None = None) -> bool:
    """Whether a network is on a Linux bridge of the host; `port` is a port group of it."""
    own = None if port is None else xmltree.get(port, "virtualport/@type")
    switch = own or xmltree.get(network, "virtualport/@type")
    return xmltree.get(network, "forward/@mode") == "bridge" and not switch


def is_on_open_vswitch(network: Element | None) -> bool:
    """Whether a network is on Open vSwitch."""
    return network is not None and xmltree.get(network, "virtualport/@type") == "openvswitch"


def has_no_vlans(network: Element, port: Element | None) -> bool:
    """Whether there are no VLANs on a network (networkValidate); `port` is a port group of it."""
    mode = xmltree.get(network, "forward/@mode")
    if mode in ("hostdev", "passthrough"):
        return False
    own = None if port is None else xmltree.get(port, "virtualport/@type")
    switch = own or xmltree.get(network, "virtualport/@type")
    return mode != "bridge" or switch not in (None, "", "openvswitch")


def group_of(network: Element, nic: Element) -> Element | None:
    """The port group of a NIC; of one that names none, the one for such."""
    name = xmltree.get(nic, "source/@portgroup")
    for group in network.findall("portgroup"):
        if group.get("name") == name if name else group.get("default") == "yes":
            return group
    return None


def by_hook(network: Element, port: Element | None, libvirt_version: int) -> bool:
    """Whether VLANs on a network are set by libvirt's hook, since libvirt itself has none there."""
    return libvirt_version < ON_LINUX_BRIDGES and is_on_linux_bridge(network, port)


def named_version(libvirt_version: int) -> str:
    """A version of libvirt as one writes it."""
    return f"libvirt {libvirt_version // 1_000_000}.{libvirt_version // 1000 % 1000}"
