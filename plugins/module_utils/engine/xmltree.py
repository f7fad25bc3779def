# SPDX-License-Identifier: GPL-3.0-or-later
"""XML as a tree that is edited in place, so that whatever nobody manages survives.

A path is a chain of steps from an element: `os/type/@machine` is an attribute, `memory` the text
of a child, `feature[@name='smm']/@state` picks a child by an attribute (and makes it with that
attribute), and `memory[alias/@name='ua-x']` by one of what is in it. `rng[~ua-rng-]` is one whose
alias does not begin so, `graphics[+]` all but the first, and `serial[+ua-serial-]` all but the
first of those whose alias does not begin so. A step that ends in `!` owns what is below it: taking
the value away takes that whole element away, and all others like it (`devices/watchdog!/@model`).
Prefixes of NAMESPACES may be used in steps.

Among the children of an element there are comments and processing instructions too, whose tag is
no text. Loops that look at more than the tag take `elements`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from . import xmltext
from .xmltext import is_element, plain

Element = xmltext.Element
FLEET_NS, RESTART_NS, NAMESPACES = xmltext.FLEET_NS, xmltext.RESTART_NS, xmltext.NAMESPACES
MOVE_NS, HOME_NS, SEED_NS = xmltext.MOVE_NS, xmltext.HOME_NS, xmltext.SEED_NS
DISK_NS = xmltext.DISK_NS
parse, serialise = xmltext.parse, xmltext.serialise

_STEP = re.compile(
    r"(?P<tag>[\w:.-]+)(?:\[(?P<at>(?:[\w.-]+/)?@[\w.-]+)='(?P<value>[^']*)'\]"
    r"|\[~(?P<unlike>[\w-]+)\]|\[(?P<rest>\+[\w-]*)\])?(?P<owner>!)?"
)
UNLIKE, REST = "~", "+"  # what a step picks by, beside an attribute


class Step(NamedTuple):
    """One step of a path: a child element, perhaps picked by an attribute."""

    tag: str
    attr: str | None  # of the child, or `alias/@name` of one of its own; or UNLIKE, or REST
    value: str | None
    owner: bool


def clone(element: Element) -> Element:
    """An independent copy, to be edited without touching the original.

    Elements are written in C and copy themselves: no loop of ours is as fast. (copy.copy would not
    do, its copies share their attributes.)
    """
    return copy.deepcopy(element)


def get(element: Element, path: str) -> str | None:
    """The value at a path: an attribute, or an element's text (`""` for an empty element)."""
    steps, attr = compile_path(path)
    found = element
    for step in steps:  # as _walk does: most time that a plan takes is spent here
        below = found.find(step.tag) if step.attr is None else _child(found, step)
        if below is None:
            return None
        found = below
    return found.get(attr) if attr else plain(found.text).strip()


def put(element: Element, path: str, value: str | None) -> None:
    """Set the value at a path, making parents; None takes it away and prunes empty parents."""
    steps, attr = compile_path(path)
    if value is None:
        _take(element, steps, attr)
        return
    target = element
    for step in steps:
        target = _made(target, step)
    if attr:
        target.set(attr, value)
    elif plain(target.text).strip() != value:
        target.text = value


def find(element: Element, path: str) -> Element | None:
    """The first element at a path, or None."""
    return _walk(element, compile_path(path)[0])


def along(element: Element, path: str) -> Iterator[tuple[Element, Step]]:
    """The elements that a path goes through, each with its step, as far as they are there."""
    found: Element | None = element
    for step in compile_path(path)[0]:
        found = _child(found, step) if found is not None else None
        if found is None:
            return
        yield found, step


def ensure(element: Element, path: str) -> Element:
    """The element at a path, made when it is missing."""
    for step in compile_path(path)[0]:
        element = _made(element, step)
    return element


def find_all(element: Element, path: str) -> list[Element]:
    """All elements that the last step of a path matches."""
    steps = compile_path(path)[0]
    parent = _walk(element, steps[:-1])
    return [] if parent is None else _children(parent, steps[-1])


def remove(root: Element, element: Element) -> None:
    """Take one element out of the tree below root, whatever its parent."""
    for parent in root.iter():
        if any(child is element for child in parent):
            parent.remove(element)
            return


def elements(element: Element) -> list[Element]:
    """The children that are elements: no comments, no processing instructions."""
    return [child for child in element if is_element(child)]


def same(one: Element, other: Element) -> bool:
    """Whether two trees say the same, white space around texts aside."""
    return (
        one.tag == other.tag
        and (one.attrib == other.attrib or _said(one) == _said(other))
        and plain(one.text).strip() == plain(other.text).strip()
        and plain(one.tail).strip() == plain(other.tail).strip()
        and len(one) == len(other)
        and all(same(a, b) for a, b in zip(one, other))
    )


def contains(have: Element, fragment: Element) -> bool:
    """Whether an element says all that a fragment says; libvirt adds addresses and defaults."""
    text = plain(fragment.text).strip()
    return (
        have.tag == fragment.tag
        and all(have.get(key) == value for key, value in _said(fragment).items())
        and (not text or plain(have.text).strip() == text)
        and all(any(contains(child, part) for child in have) for part in fragment)
    )


def _said(element: Element) -> dict[str, str]:
    """The attributes without declarations of the namespaces of ours, which may stand anywhere."""
    return {key: value for key, value in element.attrib.items() if key not in _DECLARATIONS}


_DECLARATIONS = {f"xmlns:{prefix}" for prefix in NAMESPACES}


@lru_cache(maxsize=4096)
def compile_path(path: str) -> tuple[tuple[Step, ...], str | None]:
    """The steps of a path and the attribute at its end, if it names one."""
    parts = list(_split(path))
    attr = parts.pop()[1:] if parts and parts[-1].startswith("@") else None
    return tuple(_step(part) for part in parts), attr


def _split(path: str) -> Iterator[str]:
    # A slash inside a predicate is no separator.
    return (part for part in re.split(r"/(?![^\[]*\])", path) if part)


def _step(text: str) -> Step:
    match = _STEP.fullmatch(text)
    if not match:
        raise ValueError(f"not a step of a path: {text}")
    at, owner = match["at"], bool(match["owner"])
    if match["unlike"] or match["rest"]:
        given = match["unlike"] or match["rest"][1:]
        return Step(match["tag"], UNLIKE if match["unlike"] else REST, given, owner)
    attr = at[1:] if at and at.startswith("@") else at
    return Step(match["tag"], attr, match["value"], owner)


def _children(element: Element, step: Step) -> list[Element]:
    """All that match a step. By their tags alone they are found in C."""
    named = element.findall(step.tag)
    if step.attr is None:
        return named
    if step.attr == UNLIKE:
        return _unlike(named, step)
    if step.attr == REST:
        first = _unlike(named, step)[:1] if step.value else named[:1]
        return [child for child in named if child not in first]
    if "/" in step.attr:
        return [child for child in named if get(child, step.attr) == step.value]
    return [child for child in named if child.get(step.attr) == step.value]


def _unlike(named: list[Element], step: Step) -> list[Element]:
    prefix = step.value or ""
    return [child for child in named if not (get(child, "alias/@name") or "").startswith(prefix)]


def _child(element: Element, step: Step) -> Element | None:
    if step.attr is None:
        return element.find(step.tag)
    return next(iter(_children(element, step)), None)


def _made(element: Element, step: Step) -> Element:
    found = _child(element, step)
    if found is not None:  # an element without children is false, so `or` would not do
        return found
    if step.attr in (None, UNLIKE, REST):
        return child_of(element, step.tag, {})
    if "/" not in step.attr:
        return child_of(element, step.tag, {step.attr: step.value or ""})
    made = child_of(element, step.tag, {})
    put(made, step.attr, step.value)
    return made


def child_of(element: Element, tag: str, attributes: dict[str, str]) -> Element:
    """A new child at the end, which declares its namespace if what it is in is of another."""
    child = Element(tag, attributes)
    prefix = tag.rpartition(":")[0]
    if prefix and not element.tag.startswith(f"{prefix}:"):
        child.set(f"xmlns:{prefix}", NAMESPACES[prefix])
    element.append(child)
    return child


def _walk(element: Element, steps: tuple[Step, ...]) -> Element | None:
    found: Element | None = element
    for step in steps:
        if found is None:
            return None
        found = found.find(step.tag) if step.attr is None else _child(found, step)
    return found


def _take(element: Element, steps: tuple[Step, ...], attr: str | None) -> None:
    chain = [element]
    for step in steps:
        child = _child(chain[-1], step)
        if child is None:
            return
        chain.append(child)
    owner = next((place for place, step in enumerate(steps) if step.owner), None)
    if owner is not None:
        for element in _children(chain[owner], steps[owner]):
            chain[owner].remove(element)
        _prune(chain[: owner + 1], steps[:owner])
        return
    if attr:
        chain[-1].attrib.pop(attr, None)
    else:
        chain[-1].text = None
    _prune(chain, steps)


def _prune(chain: list[Element], steps: tuple[Step, ...]) -> None:
    """Remove elements that hold nothing any more, from the end of the chain up."""
    for place in range(len(steps), 0, -1):
        element, step = chain[place], steps[place - 1]
        kept = _said(element).keys() - {step.attr}
        if kept or len(element) or (element.text or "").strip():
            return
        chain[place - 1].remove(element)
