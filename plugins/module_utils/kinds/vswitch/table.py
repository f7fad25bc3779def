# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a vswitch: every option, and where it stands in libvirt's network XML.

Source of the paths: https://libvirt.org/formatnetwork.html. Addresses and their DHCP stand apart
from the table, since a network has an `<ip>` for each family that only an attribute tells apart.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...engine import specs
from ...engine.codecs import (
    Codec,
    Value,
    boolean,
    choice,
    integer,
    link_name,
    size,
    text,
    texts,
)
from ...engine.errors import Mistakes
from ...engine.fields import Composed, Field, Items, Listed, Rows
from ...engine.keys import ABSENT, PRESENT, Key, Values, is_within, key_of, parent
from ...engine.mark import MARK, SCOPE, SCOPE_PATH
from ...engine.vlans import VLAN_ROWS
from ...engine.xmltree import Element
from . import on_devices
from .noted_vlans import ISOLATION, SECURITY
from .reservations import (
    BY_DEFAULT,
    DUID,
    HOST_NAME,
    LEASE,
    MAC,
    Identity,
    named,
    option_of,
    reservations,
    spec_of,
)
from .routes import ROUTES, address
from .switch import options as switch
from .switch.host_ports import ITEMS as HOST_PORTS

NAT, ISOLATED, ROUTED, BRIDGE = "nat", "isolated", "routed", "bridge"
OPENVSWITCH = "openvswitch"
LINUX_BRIDGE = "linux_bridge"  # to libvirt a BRIDGE; that it is kept here is in our metadata
OPEN = "open"  # as ROUTED, without rules of libvirt's in the firewall
# On a device of the host by macvtap, or by handing its functions to the VMs.
PASSTHROUGH, HOSTDEV = "passthrough", "hostdev"
ON_DEVICE = ("private", "vepa", PASSTHROUGH, HOSTDEV)
TYPES = (NAT, ISOLATED, ROUTED, OPEN, BRIDGE, OPENVSWITCH, LINUX_BRIDGE, *ON_DEVICE)
SWITCHED = (OPENVSWITCH, LINUX_BRIDGE)  # on one that is made and kept here
ON_HOST_BRIDGE = (BRIDGE, *SWITCHED)  # on a bridge that the host has
RUN_BY_LIBVIRT = (NAT, ISOLATED, ROUTED, OPEN)  # on a bridge that it makes

TYPE, BRIDGE_NAME, STP, FORWARD_DELAY = ("type",), ("bridge",), ("stp",), ("forward_delay_s",)
MTU, DNS_ENABLED, PROTECTED = ("mtu",), ("dns", "enabled"), ("protected",)
MORE_ADDRESSES: Key = ("more_addresses",)  # beside those that have options of their own
# Who owns it, and who may remove it: for us alone, nothing of it runs.
OURS = (PROTECTED, ("scope",))

# libvirt's words where they differ from ours: no <forward> at all is an isolated network.
_MODE, _PORT = "forward!/@mode", "virtualport/@type"
_SWITCH = f"{MARK}/@switch"
_MODES = {ISOLATED: None, ROUTED: "route"}
_TYPES = {mode: word for word, mode in _MODES.items()}


# ---- codecs


def vswitch_type() -> Codec:
    """The type: libvirt's forward mode, with a port of Open vSwitch's where that is the switch."""

    def decode(found: str | None) -> Value:
        said = json.loads(found or "{}")
        mode = said.get(_MODE)
        if mode == BRIDGE and said.get(_PORT) == OPENVSWITCH:
            return OPENVSWITCH
        if mode == BRIDGE and said.get(_SWITCH) == LINUX_BRIDGE and not said.get(_PORT):
            return LINUX_BRIDGE
        return _TYPES.get(mode, mode)

    def encode(value: Value) -> str | None:
        said = {_MODE: _MODES.get(value, value)}
        if value == OPENVSWITCH:
            said = {_MODE: BRIDGE, _PORT: OPENVSWITCH}
        if value == LINUX_BRIDGE:
            said = {_MODE: BRIDGE, _SWITCH: LINUX_BRIDGE}
        return json.dumps({part: text for part, text in said.items() if text})

    return Codec(choice(*TYPES).parse, decode, encode, {"type": "str", "choices": list(TYPES)})


def interface_address(version: int) -> Codec:
    """An address with the length of its network's prefix; `""` takes it away."""
    example = {4: "192.168.50.1/24", 6: "fd00:50::1/64"}[version]

    def parse(given: Any) -> str:
        if given == "":
            return ""
        try:
            if "/" not in str(given):
                raise ValueError
            value = ipaddress.ip_interface(str(given))
        except ValueError:
            raise ValueError(
                f"{given!r} is no address with its prefix, such as {example}"
            ) from None
        if value.version != version:
            raise ValueError(f"{given} is of IPv{value.version}; write one such as {example}")
        return value.with_prefixlen

    return Codec(parse, lambda found: found or "", lambda value: value or None)


def interface_addresses() -> Codec:
    """Addresses of either family with their prefixes, each once."""

    def parse(given: Any) -> list[str]:
        said = [interface_address(6 if ":" in str(one) else 4).parse(one) for one in given]
        if "" in said:
            raise ValueError("'' is no address; an empty list takes all away")
        return in_order({*said})

    return Codec(parse, lambda _found: [], lambda _value: None, {"type": "list", "elements": "str"})


def in_order(addresses: Iterable[str]) -> list[str]:
    """Addresses with their prefixes, IPv4 first."""
    found = map(ipaddress.ip_interface, addresses)
    return [one.with_prefixlen for one in sorted(found, key=lambda o: (o.version, int(o.ip)))]


def names() -> Codec:
    """The names of one host, in alphabetical order and each once."""
    return Codec(
        lambda given: sorted({HOST_NAME.parse(name) for name in given}),
        lambda found: (found or "").split(),
        lambda value: " ".join(value) or None,
        {"type": "list", "elements": "str"},
    )


DOMAIN = text(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252})", "a domain name")
INTERFACE = link_name("a bridge")
# libvirt tells such a name unescaped (virPortGroupDefFormat), and what it tells is then no XML.
GROUP_NAME = text(r"[^<>&'\"]+", "the name of a port group: without < > & ' and \"")
DNSMASQ_OPTIONS = texts(text(r"[^\x00-\x1f]+", "a line of a configuration of dnsmasq"))
KIB_PER_S = size(1024, unset="0B")


# ---- the table


def _told_apart_by(attribute: str, tag: str, codec: Codec, option: str) -> dict[str, Any]:
    """The part of an Items row for elements that one attribute tells apart."""

    def name_of(element: Element) -> str | None:
        found = element.get(attribute)
        return codec.decode(found) if found else None

    def new(name: str) -> Element:
        return Element(tag, {attribute: name})

    return {"name_of": name_of, "new": new, "key": (option, codec)}


def _ranges() -> Items:
    told_apart = _told_apart_by("start", "range", address(), "start")
    return Items("ranges", "dhcp/range", (Field("end", "@end", address()), LEASE), **told_apart)


# One value for several elements: read and edited by hand below.
ADDRESSES = Field("more_addresses", "", interface_addresses())
HOSTNAMES = Field("hostnames", "", names())
DNS_HOSTS = Items("dns.hosts", "dns/host", (), **_told_apart_by("ip", "host", address(), "ip"))
FORWARDERS = Items(
    "dns.forwarders",
    "dns/forwarder",
    (Field("domain", "@domain", DOMAIN),),
    **_told_apart_by("addr", "forwarder", address(), "address"),
)
PORT_GROUPS = Items(
    "port_groups",
    "portgroup",
    (
        Field("default", "@default", boolean(unset=False)),
        *VLAN_ROWS,
        Field(SECURITY, f"@{SECURITY}", choice("strict", unset="permissive")),
        Field(ISOLATION, f"@{ISOLATION}", boolean()),
        Field("bandwidth.inbound.average", "bandwidth/inbound!/@average", KIB_PER_S),
        Field("bandwidth.inbound.peak", "bandwidth/inbound/@peak", KIB_PER_S),
        Field("bandwidth.inbound.burst", "bandwidth/inbound/@burst", KIB_PER_S),
        Field("bandwidth.outbound.average", "bandwidth/outbound!/@average", KIB_PER_S),
        Field("bandwidth.outbound.peak", "bandwidth/outbound/@peak", KIB_PER_S),
        Field("bandwidth.outbound.burst", "bandwidth/outbound/@burst", KIB_PER_S),
    ),
    **_told_apart_by("name", "portgroup", GROUP_NAME, "name"),
)

ROWS: Rows = (
    Composed("type", "", vswitch_type(), parts=(_MODE, _PORT, _SWITCH)),
    Field("bridge", "bridge/@name", INTERFACE),
    *on_devices.ROWS,
    Field("stp", "bridge/@stp", boolean("on", "off")),
    Field("forward_delay_s", "bridge/@delay", integer(0, 30)),
    Field("mtu", "mtu!/@size", integer(0, 65535, unset=0)),
    Field("domain", "domain!/@name", DOMAIN),
    Field("dns.enabled", "dns/@enable", boolean(unset=True)),
    FORWARDERS,
    DNS_HOSTS,
    Listed("dnsmasq_options", "dnsmasq:options/dnsmasq:option", DNSMASQ_OPTIONS, of="value"),
    ROUTES,
    PORT_GROUPS,
    Field("protected", "metadata/fleet:resource/@protected", boolean(unset=False)),
    Field("scope", SCOPE_PATH, SCOPE),
)


@dataclass(frozen=True)
class Family:
    """The options of one family of addresses."""

    version: int
    address: str
    dhcp: str
    identity: Identity
    rows: tuple[Items, ...]

    @property
    def key(self) -> Key:
        """The key of its address."""
        return (self.address,)

    def element(self, network: Element) -> Element | None:
        """Its `<ip>`: of several that with DHCP, of which libvirt allows one, or else the first."""
        word = f"ipv{self.version}"
        mine = [ip for ip in network.findall("ip") if ip.get("family", "ipv4") == word]
        return next((ip for ip in mine if ip.find("dhcp") is not None), mine[0] if mine else None)


FAMILIES = (
    Family(4, "address", "dhcp", MAC, (_ranges(), reservations(MAC, address()))),
    Family(6, "address6", "dhcp6", DUID, (_ranges(), reservations(DUID, address()))),
)

# All lists, by the key under which their things stand.
LISTS: dict[Key, Items] = {
    **{key_of(row.name): row for row in (FORWARDERS, DNS_HOSTS, ROUTES, PORT_GROUPS, HOST_PORTS)},
    **{(family.dhcp, row.name): row for family in FAMILIES for row in family.rows},
}


# ---- the argument spec, and what a user wants


def spec() -> dict[str, Any]:
    """The argument spec of the table, addresses and DHCP included."""
    options = specs.spec_of((*ROWS, *switch.ROWS))
    options["dns"]["options"]["hosts"]["options"].update(specs.spec_of((HOSTNAMES,)))
    for family in FAMILIES:
        options[family.address] = {"type": "str"}
        rows = specs.spec_of(family.rows)
        rows["hosts"] = spec_of(rows["hosts"], family.identity)
        options[family.dhcp] = {"type": "dict", "options": rows}
    options.update(specs.spec_of((ADDRESSES,)))
    return options


def want_of(params: Mapping[str, Any], mistakes: Mistakes) -> Values:
    """The values that a user declared."""
    want = specs.want_of((*ROWS, *switch.ROWS), params, mistakes)
    for family in FAMILIES:
        row = Field(family.address, "", interface_address(family.version))
        want.update(specs.want_of((row,), params, mistakes))
        given = dict(params.get(family.dhcp) or {})
        at = f"{family.dhcp}.hosts"
        given["hosts"] = list(named(given.get("hosts"), family.identity, at, mistakes))
        want.update(specs.want_of(family.rows, given, mistakes, (family.dhcp,)))
    want.update(specs.want_of((ADDRESSES,), params, mistakes))
    for host in (params.get("dns") or {}).get("hosts") or ():
        _want_hostnames(host, want, mistakes)
    return want


def _want_hostnames(host: Mapping[str, Any], want: Values, mistakes: Mistakes) -> None:
    try:
        key = ("dns", "hosts", address().parse(host["ip"]))
    except ValueError:
        return  # reported with the list
    if want.get(key) is PRESENT:
        want.update(specs.want_of((HOSTNAMES,), host, mistakes, key))


def lists_given(params: Mapping[str, Any]) -> frozenset[Key]:
    """The lists that a user wrote, be they empty."""
    return frozenset(key for key in LISTS if _given(params, key) is not None)


def _given(params: Mapping[str, Any], key: Key) -> Any:
    value: Any = params
    for part in key:
        value = (value or {}).get(part)
    return value


# ---- things in lists, and values as a user writes them


def things_of(values: Mapping[Key, Value], list_key: Key) -> list[Key]:
    """The keys of the things of one list."""
    size_of_key = len(list_key) + 1
    return [
        key
        for key, value in values.items()
        if len(key) == size_of_key and parent(key) == list_key and value is PRESENT
    ]


def listed(values: Mapping[Key, Value]) -> dict[str, Any]:
    """Values as a user would write them: things by name become lists of things."""
    shown: dict[str, Any] = {}
    for key, value in values.items():
        if value not in (None, "", ABSENT, []) and _list_of(key) is None:
            _place(shown, key, value)
    for list_key, row in LISTS.items():
        things = [_thing(values, key, row.key[0]) for key in things_of(values, list_key)]
        if things:
            _place(shown, list_key, things)
    return shown


def _list_of(key: Key) -> Key | None:
    return next((above for above in LISTS if is_within(key, above)), None)


def _thing(values: Mapping[Key, Value], at: Key, option: str) -> dict[str, Any]:
    family = next((f for f in FAMILIES if at[:2] == (f.dhcp, "hosts")), None)
    if family is not None:
        option = option_of(at[-1], family.identity)
    thing: dict[str, Any] = {option: at[-1]}
    for key, value in values.items():
        if is_within(key, at) and key != at and value not in (None, "", "0B", BY_DEFAULT):
            _place(thing, key[len(at) :], value)
    return thing


def _place(shown: dict[str, Any], key: Key, value: Value) -> None:
    for part in key[:-1]:
        shown = shown.setdefault(part, {})
    shown[key[-1]] = value
