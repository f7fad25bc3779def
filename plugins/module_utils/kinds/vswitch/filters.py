# SPDX-License-Identifier: GPL-3.0-or-later
"""The network filters that the collection has in libvirt, and who is to have one.

STRICT is the filter itself. NICs that have it by their port group name BY_GROUP, which is nothing
but STRICT: so it is told from one that somebody gave a NIC by itself, and goes with the group.
PERMISSIVE is for a NIC that is to have none in a strict port group.

They need none of the filters that come with libvirt. Of IPv6 nothing leaves a guest: libvirt learns
no such addresses, and a filter cannot look into neighbor advertisements.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from ...engine import vlans, xmltree
from ...engine.changes import LIVE, Change
from ...engine.host import TEST, HostFacts
from ...engine.xmltree import FLEET_NS, Element
from .changes import FiltersMade
from .noted_vlans import SECURITY

STRICT, BY_GROUP, PERMISSIVE = "kvm-fleet-strict", "kvm-fleet-port-group", "kvm-fleet-permissive"
NAMES = (STRICT, BY_GROUP, PERMISSIVE)
FILTERS = ("filters",)
NO_DRIVER = (
    "libvirt of the host has no network filters; install its driver for them "
    "(libvirt-daemon-driver-nwfilter)"
)

_DHCP_CLIENT, _DHCP_SERVER = "68", "67"
# What a guest may send, in order: the first rule that fits decides. What is sent to it all passes.
_RULES: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("drop", "-900", "mac", {"match": "no", "srcmacaddr": "$MAC"}),
    ("drop", "-890", "ip", {"protocol": "udp", "dstportstart": _DHCP_CLIENT}),
    (
        "accept",
        "-880",
        "ip",
        {"srcipaddr": "0.0.0.0", "protocol": "udp", "dstportstart": _DHCP_SERVER},
    ),
    ("accept", "-870", "ip", {"srcipaddr": "$IP"}),
    ("accept", "-860", "arp", {"arpsrcmacaddr": "$MAC", "arpsrcipaddr": "$IP"}),
    # A guest asks so whether an address is free.
    ("accept", "-850", "arp", {"arpsrcmacaddr": "$MAC", "arpsrcipaddr": "0.0.0.0"}),
    # QEMU says so for a guest that has moved where it is.
    ("accept", "-840", "rarp", {"opcode": "Request_Reverse", "arpsrcmacaddr": "$MAC"}),
    ("drop", "1000", "", {}),
)


def definition(name: str) -> Element:
    """A filter as libvirt is to have it."""
    made = Element("filter", {"name": name, "chain": "root"})
    xmltree.put(made, "uuid", str(uuid.uuid5(uuid.NAMESPACE_URL, f"{FLEET_NS}:nwfilter/{name}")))
    if name == BY_GROUP:
        made.append(Element("filterref", {"filter": STRICT}))
    for action, priority, of, said in _RULES if name == STRICT else ():
        rule = Element("rule", {"action": action, "direction": "out", "priority": priority})
        if of:
            rule.append(Element(of, said))
        made.append(rule)
    return made


def is_as_made(name: str, text: str) -> bool:
    """Whether a filter of libvirt's says just this, be some of it in another way."""
    return bool(text) and _said(xmltree.parse(text)) == _said(definition(name))


def _said(one: Element) -> list[Any]:
    """Its rules and the filters that it is of, in their order, each with all that it says."""
    chain = one.get("chain", "root"), one.get("priority", "")
    return [chain, *(_whole(part) for part in one if part.tag != "uuid")]


def _whole(part: Element) -> tuple[Any, ...]:
    said = {name: value.removesuffix("/32") for name, value in part.attrib.items()}
    for name in [name for name in said if name.endswith("end")]:
        if said[name] == said.get(f"{name[:-3]}start"):  # a range of one
            del said[name]
    return part.tag, sorted(said.items()), [_whole(below) for below in part]


# ---- what is there, and what is to be made


def missing(names: Iterable[str], host: HostFacts) -> dict[str, str]:
    """The filters that are not there as they are to be, of those named, each with what it is."""
    wanted = {*names} & {*NAMES}
    if not wanted or host.driver == TEST:
        return {}
    needed = [STRICT, *wanted] if BY_GROUP in wanted else [*wanted]
    found = {name: _text(name, host) or "" for name in sorted({*needed})}
    wrong = {name: text for name, text in found.items() if not is_as_made(name, text)}
    return {name: "changed" if text else "missing" for name, text in wrong.items()}


def made(resource: str, names: Iterable[str], host: HostFacts) -> list[Change]:
    """The change that makes filters, where some are needed and not there."""
    before = missing(names, host)
    after = dict.fromkeys(before, "made")
    note = "network filters of libvirt; NICs that have them follow at once"
    return [FiltersMade(resource, FILTERS, before, after, LIVE, note=note)] if before else []


def why_none(host: HostFacts) -> str:
    """Why a host can have no filters; empty where it can."""
    return NO_DRIVER if host.driver != TEST and _text(STRICT, host) is None else ""


def _text(name: str, host: HostFacts) -> str | None:
    """What libvirt has of that name: empty if nothing, None if it has no filters at all."""
    text: str | None = host.facts.ask("network_filter", name, unknown="")
    return text


# ---- who is to have one


def is_strict(group: Element | None) -> bool:
    """Whether the NICs of a port group have a filter by it."""
    return group is not None and group.get(SECURITY) == "strict"


def by_group(network: Element, nic: Element) -> str | None:
    """The filter that a NIC is to have by its port group: empty for none, and None where that has
    no say: the NIC has one by itself, or its port group is not there."""
    return filter_by(network, xmltree.get(nic, "source/@portgroup"), filter_of(nic))


def filter_by(network: Element, group_name: str | None, now: str) -> str | None:
    """The same, by the name of a port group (none: that for such), and the filter that it has."""
    nic = Element("interface")
    if group_name:
        xmltree.put(nic, "source/@portgroup", group_name)
    group = vlans.group_of(network, nic)
    if now not in ("", BY_GROUP) or (group is None and group_name):
        return None
    return BY_GROUP if is_strict(group) else ""


def parameters_of(nic: Element) -> str:
    """The parameters of a NIC's filter, as one writes them."""
    said = nic.findall("filterref/parameter")
    return ", ".join(f"{one.get('name')}={one.get('value')}" for one in said)


def is_unknown(name: str, host: HostFacts) -> bool:
    """Whether libvirt has no filter of that name, as far as one can see; ours are made."""
    if not name or name in NAMES or host.driver == TEST:
        return False
    there: list[str] | None = host.facts.ask("nwfilters")
    return there is not None and name not in there


def filter_of(nic: Element) -> str:
    """The filter of a NIC; empty without one."""
    return xmltree.get(nic, "filterref/@filter") or ""
