# SPDX-License-Identifier: GPL-3.0-or-later
"""Of a declaration that comes with a move, what is done before it: all that it takes out of the VM.

So a device that is bound to its host is gone by then, and a disk that is not wanted is not copied.
What comes, or becomes another, does so at the target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..engine import xmltree
from ..engine.codecs import Value
from ..engine.keys import ABSENT, UNION, Key, Values, within
from ..engine.plan import Have, Wanted
from ..engine.traits import KEPT
from ..engine.xmltree import Element
from ..kinds.vm.definition import domain_values
from ..kinds.vm.extra_record import canonical, single_parts
from ..kinds.vm.kind import KIND as VM
from .fate import LOCAL, DiskFate

EXTRA = ("extra_xml",)
EJECTED: Value = {"file": ""}
# How libvirt begins the names that it gives to taps itself (virNetDevReservedNames).
TAPS = ("vnet", "macvtap", "macvlan")
# What is said of how a change is made, and not of what it is.
HOW = ("name", "apply", "shutdown")


def leaving(wanted: Wanted, have: Have, fates: Iterable[DiskFate]) -> Wanted | None:
    """What of a declaration takes something out of the VM, as a declaration; None if nothing does.

    A medium that cannot go is taken out as well where another one is declared.
    """
    stays = {fate.key for fate in fates if fate.how == LOCAL}
    values = dict(_leaving(wanted.values, domain_values(have.definition), stays))
    return _declared(wanted, values) if values else None


def to_put_back(had: Element, has: Element) -> tuple[list[Element], list[Element]]:
    """Of what ran, the devices that run no more, and those that are there with another medium.

    Whatever runs has an alias of its own. One that libvirt gave is given anew.
    """
    runs = {_alias(device): device for device in has.findall("devices/*")}
    gone, others = [], []
    for device in had.findall("devices/*"):
        name = _alias(device)
        if not name:
            continue
        if name not in runs:
            gone.append(_attachable(device))
        elif device.tag == "disk" and _medium(device) != _medium(runs[name]):
            others.append(_attachable(device))
    return gone, others


def _alias(device: Element) -> str:
    return xmltree.get(device, "alias/@name") or ""


def _medium(disk: Element) -> dict[str, str]:
    """What names the image of a disk."""
    source = disk.find("source")
    return {} if source is None else {k: v for k, v in source.attrib.items() if k != "index"}


def _attachable(device: Element) -> Element:
    """A device without what libvirt made of it when it ran: a tap's name, what it stood on."""
    made = xmltree.clone(device)
    for path in ("backingStore", "mirror"):
        for part in made.findall(path):
            made.remove(part)
    target = made.find("target")
    if made.tag == "interface" and target is not None and target.get("dev", "").startswith(TAPS):
        made.remove(target)
    return made


def _declared(wanted: Wanted, values: Values) -> Wanted:
    options = {name: option.get("default") for name, option in VM.spec().items()}
    options.update({name: wanted.options[name] for name in HOW})
    return Wanted("vm", wanted.name, KEPT, values, options)


def _leaving(wanted: Values, has: Values, stays: set[Key]) -> Iterator[tuple[Key, Value]]:
    for key, value in wanted.items():
        if value is ABSENT and len(key) == 2:
            yield from within(wanted, key).items()
        elif key[0] == "cdroms" and key[-1] == UNION:
            is_other = value != has.get(key)
            if is_other and (value == EJECTED or key[:-1] in stays):
                yield key, EJECTED
        elif key == EXTRA and has.get(EXTRA):
            left = still_declared(str(has[EXTRA]), str(value))
            if left != has[EXTRA]:
                yield key, left


def still_declared(has: str, wanted: str) -> str:
    """The fragments that are there and are declared as well; all of them as they are written."""
    declared = [part for _name, part in single_parts(wanted)]
    parts = [part for _name, part in single_parts(has)]
    stays = [part for part in parts if any(xmltree.same(part, one) for one in declared)]
    if len(stays) == len(parts):
        return has
    return canonical("".join(map(xmltree.serialise, stays)))
