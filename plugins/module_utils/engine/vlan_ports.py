# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of a port: as a `<vlan>` says them, and as a bridge of Linux has them.

Also installed on hosts for libvirt's hook: only what is quick to import.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .cpu_lists import listed

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

UNTAGGED = "untagged"
ACCESS = "pvid untagged"  # of a VLAN whose frames have no tag on the port, in both directions
NATIVE_TAGGED = "pvid"


class Port(NamedTuple):
    """A port as Open vSwitch has it: its tag (0: none), its trunk, the mode of what is native to
    it, and whether it is `protected`, so isolated from others that are (None: nobody says)."""

    tag: int = 0
    trunks: tuple[int, ...] = ()
    mode: str = ""
    isolated: bool | None = None

    def __str__(self) -> str:
        return f"{self._vlans()}, isolated" if self.isolated else self._vlans()

    def _vlans(self) -> str:
        if self[:3] == NONE[:3]:
            return "no VLAN"
        if not (self.trunks or self.mode):
            return f"VLAN {self.tag}"
        native = f", native {self.tag}" if self.tag else ""
        return f"trunk {listed(self.trunks) or 'of all'}{native}"


NONE = Port()


NIC_ALIAS = "ua-nic-"


def nic_name(nic: Element) -> str:
    """What a NIC is called: by our alias, or by its address where somebody else made it."""
    alias, mac = nic.find("alias"), nic.find("mac")
    named = "" if alias is None else alias.get("name", "")
    if named.startswith(NIC_ALIAS):
        return named[len(NIC_ALIAS) :]
    return "" if mac is None else mac.get("address", "")


def id_of(tag: Element) -> int:
    """The VLAN of a `<tag>`."""
    return int(tag.get("id") or 0)


def port_in(element: Element) -> Port:
    """What libvirt makes of a `<vlan>` on a port (virNetDevOpenvswitchConstructVlans)."""
    vlan = element.find("vlan")
    tags = [] if vlan is None else vlan.findall("tag")
    if vlan is None or not tags:
        return NONE
    if len(tags) == 1 and vlan.get("trunk") != "yes":
        return Port(id_of(tags[0]))
    native = next((tag for tag in tags if tag.get("nativeMode")), None)
    trunks = tuple(sorted({id_of(tag) for tag in tags}))
    if native is None:
        return Port(0, trunks)
    return Port(id_of(native), trunks, f"native-{native.get('nativeMode')}")


# ---- on a bridge of Linux

Range = Sequence[Any]  # the first VLAN, the last, and its flags


def ranges_of(port: Port, default: int) -> list[tuple[int, int, str]]:
    """The VLANs of a port, as libvirt 11 sets them (virNetDevBridgeSetupVlans).

    One without VLANs is in the one that its bridge gives each port, if it gives one.
    """
    tag, trunks, mode, _isolated = port
    if not trunks and not mode:
        alone = tag or default
        return [(alone, alone, ACCESS)] if alone else []
    flags = NATIVE_TAGGED if mode == "native-tagged" else ACCESS
    native = [(tag, tag, flags)] if tag else []
    return sorted([*native, *((*span, "") for span in _spans({*trunks} - {tag}))])


def port_of_ranges(ranges: Iterable[Range]) -> Port:
    """The port that has these VLANs."""
    tag, mode, trunks = 0, "", set()
    for first, last, flags in ranges:
        if "pvid" in flags:
            tag = first
            mode = f"native-{UNTAGGED if UNTAGGED in flags else 'tagged'}"
        if flags != ACCESS:
            trunks |= {*range(first, last + 1)}
    if not trunks:
        return Port(tag)
    return Port(tag, tuple(sorted({*trunks, tag} - {0})), mode)


def settled(port: Port, default: int) -> Port:
    """A port as it is found on a bridge that has taken it up."""
    return port_of_ranges(ranges_of(port, default))


def commands(device: str, now: Iterable[Range], will: Iterable[Range]) -> Iterator[str]:
    """What `bridge -batch` is told, so that a port has the VLANs that it is to have."""
    are, come = _flags(now), _flags(will)
    for flags in (ACCESS, NATIVE_TAGGED, ""):
        new = [one for one, said in come.items() if said == flags != are.get(one)]
        for first, last in _spans(new):
            yield f"vlan add dev {device} vid {_said(first, last)} {flags}".rstrip()
    for first, last in _spans(are.keys() - come.keys()):
        yield f"vlan del dev {device} vid {_said(first, last)}"


def _flags(ranges: Iterable[Range]) -> dict[int, str]:
    return {one: flags for first, last, flags in ranges for one in range(first, last + 1)}


def _said(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _spans(ids: Collection[int]) -> Iterator[tuple[int, int]]:
    for part in listed(ids).split(",") if ids else ():
        first, _dash, last = part.partition("-")
        yield int(first), int(last or first)
