# SPDX-License-Identifier: GPL-3.0-or-later
"""Port groups of NICs that run: what libvirt shows of them, and whether it takes up another.

It shows the limits and VLANs of a group as the NIC's own. It compares what the groups make of the
NIC, never their names (qemuDomainChangeNet): other limits are set, another VLAN or virtual port is
refused, and where nothing differs the call succeeds and the NIC stays in its former group. Newer
libvirt
refuses another name, and with it what else the call changes, another network among it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ...engine import vlans, xmltree
from ...engine.codecs import Value
from ...engine.fields import items_of
from ...engine.keys import Values, within
from ...engine.xmltree import Element
from .nic_rows import NICS

NetworkOf = Callable[[str], "Element | None"]
# libvirt 9.0 takes up another port group, 11.3 does not. For those between, what waits for the next
# start is right either way.
HOLDS_GROUPS = 9_001_000
_LIMITS = ("average", "peak", "burst")


def is_taken_up(runs: Element, comes: Element, network: Element | None) -> bool:
    """Whether a NIC that stays on its network changes its port group now."""
    if network is None or comes.find("bandwidth") is not None:
        return False  # its own limits are the ones, whatever the group says
    former, group = _group(network, _named(runs)), _group(network, _named(comes))
    if any(_said(former, tag) != _said(group, tag) for tag in ("vlan", "virtualport")):
        return False
    return _limits(runs) != _limits(group)


def is_held(runs: Element, comes: Element) -> bool:
    """Whether a NIC would be in another group of a network, which newer libvirt refuses."""
    of_network = all(xmltree.get(nic, "source/@network") for nic in (runs, comes))
    return of_network and _named(runs) != _named(comes)


def is_reconnected(runs: Element, comes: Element, network_of: NetworkOf) -> bool:
    """Whether a NIC would need another virtual port, which libvirt gives none that runs
    (qemuDomainChangeNet of 9.0). In each network that has them, as on Open vSwitch, it is new.
    """
    now, will = (_virtual_port(nic, network_of) for nic in (runs, comes))
    if xmltree.get(runs, "source/@network") or xmltree.get(comes, "source/@network"):
        return bool(now or will)
    return now != will


def see_through(values: Values, live: Element, stored: Values, network_of: NetworkOf) -> Values:
    """The values of what runs, without what NICs have of their port groups."""
    seen = dict(values)
    for name, nic in items_of(NICS, live).items():
        source, at = nic.find("source"), (NICS.name, name)
        if source is None or not source.get("network") or at not in stored:
            continue
        for of_nic, shown, of_group in _SHOWN:
            mine = [key for option in of_nic for key in within(stored, (*at, option))]
            if not shown(nic) or any(stored[key] not in _UNSET for key in mine):
                continue
            network = network_of(source.get("network", ""))
            if network is not None and of_group(network, _group(network, _named(nic))):
                seen.update({key: stored[key] for key in mine})
    return seen


def forget_group(runs: Element, stored: Element) -> None:
    """Drop what a NIC has of its port group, which libvirt shows and would keep as its own."""
    for tag in ("bandwidth", "vlan"):
        if stored.find(tag) is None:
            for element in runs.findall(tag):
                runs.remove(element)
    if not stored.get(_TRUST):
        runs.attrib.pop(_TRUST, None)


def _named(nic: Element) -> str | None:
    source = nic.find("source")
    return None if source is None else source.get("portgroup")


def _group(network: Element, name: str | None) -> Element | None:
    """The port group of a name; of none, the one for NICs that name none."""
    for group in network.findall("portgroup"):
        if (group.get("name") == name) if name else (group.get("default") == "yes"):
            return group
    return None


def _virtual_port(nic: Element, network_of: NetworkOf) -> str:
    """The type of its virtual port: of its own, of its port group, or of its network."""
    network = network_of(xmltree.get(nic, "source/@network") or "")
    group = None if network is None else _group(network, _named(nic))
    said = (
        xmltree.get(one, "virtualport/@type") for one in (nic, group, network) if one is not None
    )
    return next((one for one in said if one), "")


def _limits(of: Element | None) -> dict[tuple[str, str], str | None]:
    ways = of.findall("bandwidth/*") if of is not None else ()
    return {(way.tag, name): way.get(name) for way in ways for name in _LIMITS if way.get(name)}


def _said(group: Element | None, tag: str) -> list[tuple[str, dict[str, str]]]:
    found = group.find(tag) if group is not None else None
    return [(one.tag, dict(one.attrib)) for one in found.iter()] if found is not None else []


def _has_vlan(network: Element, group: Element | None) -> bool:
    return any(one is not None and one.find("vlan") is not None for one in (group, network))


def _trusts(network: Element, group: Element | None) -> bool:
    return any(one is not None and one.get(_TRUST) == "yes" for one in (group, network))


_TRUST = "trustGuestRxFilters"
_UNSET: tuple[Value, ...] = ("0B", 0, [], False)
# The options of a NIC, whether it shows them, and whether its port group or network has such.
_Shown = tuple[
    tuple[str, ...], Callable[[Element], bool], Callable[[Element, Optional[Element]], bool]
]
_SHOWN: tuple[_Shown, ...] = (
    (("bandwidth",), lambda nic: bool(_limits(nic)), lambda _network, group: bool(_limits(group))),
    (vlans.NAMES, lambda nic: nic.find("vlan") is not None, _has_vlan),
    (
        ("isolated",),
        lambda nic: xmltree.get(nic, "port/@isolated") == "yes",
        lambda network, _group: xmltree.get(network, "port/@isolated") == "yes",
    ),
    (("trust_guest_rx_filters",), lambda nic: nic.get(_TRUST) == "yes", _trusts),
)
