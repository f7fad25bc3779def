# SPDX-License-Identifier: GPL-3.0-or-later
"""Fragments of a domain's definition: where they stand, what is there, and what became of them.

An element that a domain has once, or that is known by a key (`timer` by its name), is a place, and
what a fragment says of it are values at that place. Everything else is an item: one of a list, put
in whole beside others. libvirt writes both in its own way (units, hexadecimal numbers, defaults,
addresses), so of each item it is found out which element it became.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Optional

from ...engine import xmltree
from ...engine.xmltext import plain
from ...engine.xmltree import Element

# A step to a place: a tag, and the attributes by which it is known among others of its tag.
Step = tuple[str, tuple[tuple[str, str], ...]]
Path = tuple[Step, ...]
# A value at a place: an attribute, the text (""), or that the place is there at all (None).
At = tuple[Path, Optional[str]]
# Elements that only say something together: those of QEMU's command line, in their order.
Unit = list[Element]

ANY = "*"
LISTED = {
    ("", "seclabel"),
    ("os", "boot"),
    ("acpi", "table"),
    ("oemStrings", "entry"),
    ("blkiotune", "device"),
    ("hugepages", "page"),
    ("cputune", "cachetune"),
    ("cputune", "memorytune"),
    ("idmap", "uid"),
    ("idmap", "gid"),
    ("interconnects", ANY),
    ("throttlegroups", ANY),
    ("metadata", ANY),
    ("devices", ANY),
    ("qemu:commandline", ANY),
    ("qemu:capabilities", ANY),
    ("qemu:override", ANY),
}
SINGLE_DEVICES = ("emulator", "memballoon", "vsock", "iommu", "nvram", "redirfilter")
KEYS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "sysinfo"): ("type",),
    ("sysinfo", "entry"): ("name",),
    ("system", "entry"): ("name",),
    ("bios", "entry"): ("name",),
    ("baseBoard", "entry"): ("name",),
    ("chassis", "entry"): ("name",),
    ("clock", "timer"): ("name",),
    ("cpu", "feature"): ("name",),
    ("firmware", "feature"): ("name",),
    ("numa", "cell"): ("id",),
    ("distances", "sibling"): ("id",),
    ("numatune", "memnode"): ("cellid",),
    ("vcpus", "vcpu"): ("id",),
    ("iothreadids", "iothread"): ("id",),
    ("cputune", "vcpupin"): ("vcpu",),
    ("cputune", "iothreadpin"): ("iothread",),
    ("cputune", "vcpusched"): ("vcpus",),
    ("cputune", "iothreadsched"): ("iothreads",),
    ("perf", "event"): ("name",),
    ("keywrap", "cipher"): ("name",),
    ("devices", "controller"): ("type", "index"),
    ("devices", "graphics"): ("type",),
    ("devices", "audio"): ("id",),
}


@dataclass
class Slice:
    """What stands at some places of a domain: values, and the items of lists in their order."""

    values: dict[At, str] = field(default_factory=dict)
    items: dict[Path, list[Unit]] = field(default_factory=dict)

    def units(self) -> Iterator[tuple[Path, Unit]]:
        """Each item with the path of what it is in."""
        for path, units in self.items.items():
            for unit in units:
                yield path, unit

    def copy(self) -> Slice:
        """Another one with the same values and items."""
        return Slice(dict(self.values), {path: list(units) for path, units in self.items.items()})


def sliced(root: Element) -> Slice:
    """All that a tree says, as a slice."""
    found = Slice()
    _slice_below(root, (), found)
    return found


def _slice_below(element: Element, path: Path, found: Slice) -> None:
    for child in xmltree.elements(element):
        step = _step_of(path, child)
        if step is None:
            _add_item(found.items.setdefault(path, []), child)
            continue
        place = (*path, step)
        found.values[(place, None)] = ""
        keys = [name for name, _value in step[1]]
        for name, value in child.attrib.items():
            if name not in keys and not name.startswith("xmlns"):
                found.values[(place, name)] = value
        if _text(child):
            found.values[(place, "")] = child.text or ""
        _slice_below(child, place, found)


def _add_item(units: list[Unit], element: Element) -> None:
    if units and element.tag == "qemu:arg" == units[-1][-1].tag:
        units[-1].append(element)
    else:
        units.append([element])


def _step_of(above: Path, element: Element) -> Step | None:
    """The step to an element that is a place, or None for an item of a list."""
    parent = above[-1][0] if above else ""
    names = KEYS.get((parent, element.tag), ())
    key = tuple((name, element.attrib[name]) for name in names if name in element.attrib)
    if names:
        return (element.tag, key) if len(key) == len(names) else None
    listed = (parent, element.tag) in LISTED or (parent, ANY) in LISTED
    if listed and not (parent == "devices" and element.tag in SINGLE_DEVICES):
        return None
    return element.tag, ()


def _text(element: Element) -> str:
    return plain(element.text).strip()


# ---- places


def place(root: Element, path: Path) -> Element | None:
    """The element at a path."""
    found: Element | None = root
    for tag, key in path:
        if found is None:
            return None
        found = next((e for e in found.findall(tag) if _has(e, key)), None)
    return found


def _has(element: Element, key: tuple[tuple[str, str], ...]) -> bool:
    return all(element.get(name) == value for name, value in key)


def made_place(root: Element, path: Path) -> Element:
    """The element at a path, made when it is missing."""
    for place_of in range(len(path)):
        tag, key = path[place_of]
        found = place(root, path[place_of : place_of + 1])
        if found is None:
            found = xmltree.child_of(root, tag, dict(key))
        root = found
    return root


def value_at(root: Element, at: At) -> str | None:
    """An attribute, a text, or `""` for an element that is there; None where there is none."""
    path, name = at
    element = place(root, path)
    if element is None or name is None:
        return None if element is None else ""
    return element.get(name) if name else _text(element) or None


def set_value(root: Element, at: At, value: str | None) -> None:
    """Set what value_at reads; None takes an attribute or a text away."""
    path, name = at
    element = made_place(root, path) if value is not None else place(root, path)
    if element is None or name is None:
        return
    if not name:
        element.text = value
    elif value is None:
        element.attrib.pop(name, None)
    else:
        element.set(name, value)


def is_used(domain: Element, controller: Element) -> bool:
    """Whether a controller has a device; of any other element False."""
    kind, index = controller.get("type"), _number(controller.get("index", ""))
    if controller.tag != "controller":
        return False
    addresses = domain.findall("devices/*/address")
    if kind == "pci":
        return any(_number(a.get("bus", "")) == index for a in addresses if a.get("type") == "pci")
    types = {"scsi": ("drive",), "sata": ("drive",), "ide": ("drive",), "fdc": ("drive",)}
    of_kind = [a for a in addresses if a.get("type") in types.get(str(kind), (kind,))]
    if kind == "virtio-serial" and index == 0 and _has_virtio_console(domain):
        return True
    name = "bus" if kind == "usb" else "controller"
    return any(_number(a.get(name, "")) == index for a in of_kind)


def _has_virtio_console(domain: Element) -> bool:
    """libvirt shows no address of a console that the first controller serves."""
    consoles = domain.findall("devices/console")
    return any(one.find("target[@type='virtio']") is not None for one in consoles)


# ---- items


def items_at(root: Element, path: Path) -> list[Element]:
    """What items at a path may have become, in their order: libvirt gives some a key."""
    element = place(root, path)
    children = xmltree.elements(element) if element is not None else []
    steps = [(child, _step_of(path, child)) for child in children]
    return [child for child, step in steps if step is None or step[1]]


def take(there: list[Element], wanted: Unit, last: bool = False) -> Unit | None:
    """Take a unit out of what is there: one that says all that is wanted, an equal one if it can.

    With `last` the last that fits, else the first.
    """
    size = len(wanted)
    starts = range(len(there) - size + 1)
    for fits in (xmltree.same, xmltree.contains, _contains_elsewhere):
        for start in reversed(starts) if last else starts:
            unit = there[start : start + size]
            if all(fits(one, other) for one, other in zip(unit, wanted)):
                del there[start : start + size]
                return unit
    return None


def _contains_elsewhere(have: Element, fragment: Element) -> bool:
    """Whether an item says all that another one does, but for the address that libvirt gave it."""
    moved = xmltree.clone(fragment)
    for address in moved.findall("address"):
        moved.remove(address)
    return len(moved) < len(fragment) and xmltree.contains(have, moved)


def without(there: Sequence[Element], others: Sequence[Element]) -> list[Element]:
    """What is there but for one of each of the others."""
    left = list(there)
    for other in others:
        take(left, [other])
    return left


def likest(there: list[Element], asked: Unit) -> Unit | None:
    """Take out what is most like an item, if it is more like it than not."""
    if len(asked) > 1:
        return take(there, asked)
    kin = [element for element in there if element.tag == asked[0].tag]
    best = max(kin, key=lambda element: _likeness(element, asked[0]), default=None)
    if best is None or _likeness(best, asked[0]) < 0:
        return None
    there[:] = [element for element in there if element is not best]
    return [best]


def _likeness(have: Element, asked: Element) -> int:
    """How many values agree, less those that do not."""
    sized = "unit" in asked.attrib  # of which libvirt writes another, and so another number
    other = ("unit", "size", "memory") if sized else ()
    said = {n: v for n, v in asked.attrib.items() if not n.startswith("xmlns") and n not in other}
    pairs = [(have.get(name), value) for name, value in said.items()]
    if _text(asked) and not sized:
        pairs.append((_text(have), _text(asked)))
    score = sum(1 if _alike(one, other) else -1 for one, other in pairs)
    for child in xmltree.elements(asked):
        there = have.findall(child.tag)
        score += max((1 + _likeness(one, child) for one in there), default=-1)
    return score


def _alike(one: str | None, other: str) -> bool:
    if one is None:
        return False
    number = _number(one)
    return one.lower() == other.lower() or (number is not None and number == _number(other))


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return int(text) if text.isdecimal() else None
