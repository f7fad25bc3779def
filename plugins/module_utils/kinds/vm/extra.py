# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML that the table has no option for: put in as written, found again by what it says.

libvirt adds addresses and defaults to what it is given, so a fragment counts as present where an
element says all that the fragment says. What was put in is recorded in the VM's metadata, so that a
changed declaration takes the earlier one out and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.xmltree import Element

RECORD = "metadata/fleet:resource/fleet:extra_xml"
_NAMESPACES = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in xmltree.NAMESPACES.items())


def canonical(text: str) -> str:
    """The fragments as they are recorded. ValueError when they are not well-formed."""
    return "".join(xmltree.serialise(part) for part in _wrapped(text))


def recorded(domain: Element) -> str:
    """What was put into this domain earlier."""
    return xmltree.get(domain, RECORD) or ""


def holds(domain: Element, text: str) -> bool:
    """Whether a domain has all fragments."""
    return all(_existing(domain, path, part) is not None for path, part in _leaves(text))


def elements(domain: Element) -> Iterator[tuple[Element, Element]]:
    """What was put in as extra XML, as the domain has recorded it, each with what it is in."""
    for path, part in _leaves(recorded(domain)):
        there = _existing(domain, path, part)
        if there is not None:
            yield _parent(domain, path), there


def replace(domain: Element, text: str) -> None:
    """Take out what was put in earlier and is not wanted now, put the rest in, and record it all.

    What stays keeps what libvirt added to it, such as the address at which the guest sees it.
    """
    stays = {(path, xmltree.serialise(part)) for path, part in _leaves(text)}
    for path, part in _leaves(recorded(domain)):
        there = _existing(domain, path, part)
        if there is not None and (path, xmltree.serialise(part)) not in stays:
            _take_out(domain, path, there)
    for path, part in _leaves(text):
        if _existing(domain, path, part) is None:
            _parent(domain, path).append(part)
    xmltree.put(domain, RECORD, text or None)


def _wrapped(text: str) -> list[Element]:
    root = xmltree.parse(f"<domain {_NAMESPACES}>{text}</domain>")
    if (root.text or "").strip() or any((part.tail or "").strip() for part in root):
        raise ValueError("there is text outside of elements")
    for element in root.iter():  # how it is indented says nothing
        element.tail = None
        if len(element) and not (element.text or "").strip():
            element.text = None
    return list(root)


def _leaves(text: str) -> Iterator[tuple[tuple[str, ...], Element]]:
    """The elements to put in, each with the containers (devices, features, ...) it goes into."""
    for part in _wrapped(text):
        yield from _below((), part)


def _below(path: tuple[str, ...], part: Element) -> Iterator[tuple[tuple[str, ...], Element]]:
    if not path and len(part) and not part.attrib and not (part.text or "").strip():
        for child in part:
            yield (part.tag,), child
    else:
        yield path, part


def _existing(domain: Element, path: tuple[str, ...], part: Element) -> Element | None:
    parent: Element | None = domain
    for tag in path:
        parent = None if parent is None else parent.find(tag)
    if parent is None:
        return None
    return next((child for child in parent if xmltree.contains(child, part)), None)


def _take_out(domain: Element, path: tuple[str, ...], element: Element) -> None:
    """Remove an element, and its container if that is empty then: libvirt refuses some that are."""
    xmltree.remove(domain, element)
    for container in [found for tag in path for found in domain.findall(tag)]:
        if not len(container) and not container.attrib:
            domain.remove(container)


def _parent(domain: Element, path: tuple[str, ...]) -> Element:
    for tag in path:
        found = domain.find(tag)
        if found is None:
            found = xmltree.Element(tag)
            domain.append(found)
        domain = found
    return domain
