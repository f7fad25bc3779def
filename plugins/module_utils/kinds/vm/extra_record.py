# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""extra_xml as text, and the record of it in a VM's metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...engine import xmltext, xmltree
from ...engine.xmltree import Element
from .fragments import Slice, made_place, set_value, sliced

RECORD = "metadata/fleet:resource/fleet:extra_xml"
MADE, BEFORE = "fleet:made", "fleet:before"
_NAMESPACES = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in xmltree.NAMESPACES.items())


@dataclass(frozen=True)
class Record:
    """What was put in: as it was asked for, what was there before, and what libvirt made of it."""

    asked: str
    before: Slice | None
    made: Slice | None  # None until it is known

    @property
    def slice(self) -> Slice:
        """What was asked for, part by part."""
        return sliced(wrapped(self.asked))


# ---- the text


def canonical(text: str) -> str:
    """The fragments as they are recorded. ValueError when they are not well-formed."""
    return written(wrapped(text))


def written(root: Element) -> str:
    """The text of all that is in an element."""
    return "".join(xmltree.serialise(part) for part in root)


def wrapped(text: str) -> Element:
    """The fragments in a domain of their own. ValueError when they are not well-formed."""
    document = f"<domain {_NAMESPACES}>{text}</domain>"
    xmltext.check_prefixes(document)
    root = xmltree.parse(document)
    if xmltext.plain(root.text).strip() or any((part.tail or "").strip() for part in root):
        raise ValueError("there is text outside of elements")
    _tidy(root)
    return root


def _tidy(element: Element) -> None:
    """Drop what libvirt drops: comments, and how it is indented. In metadata it keeps them."""
    if element.tag == "metadata":
        return
    for child in list(element):
        child.tail = None
        if xmltext.is_element(child):
            _tidy(child)
        else:
            element.remove(child)
    if len(element) and not (element.text or "").strip():
        element.text = None


def single_parts(text: str) -> Iterator[tuple[str, Element]]:
    """Each fragment alone, as what stands in a domain, with a name to call it by."""
    for part in wrapped(text):
        if part.attrib or not len(part):
            yield part.tag, part
            continue
        for child in part:
            alone = xmltree.Element(part.tag)
            alone.append(child)
            yield f"{part.tag}/{child.tag}", alone


# ---- the record


def recorded(domain: Element) -> str:
    """What was put into this domain earlier, as it was asked for."""
    return xmltree.get(domain, RECORD) or ""


def record_of(domain: Element) -> Record:
    """All that is known of what was put into this domain earlier."""
    element = xmltree.find(domain, RECORD)
    parts = {}
    for name in (BEFORE, MADE):
        text = None if element is None else xmltree.get(element, name)
        parts[name] = None if text is None else sliced(wrapped(text))
    return Record(recorded(domain), parts[BEFORE], parts[MADE])


def write_record(domain: Element, record: Record) -> None:
    """Record what was put into a domain; nothing is no record."""
    xmltree.put(domain, f"{RECORD}!", None)
    if not record.asked:
        return
    element = xmltree.ensure(domain, RECORD)
    element.text = record.asked
    for name, part in ((BEFORE, record.before), (MADE, record.made)):
        if part is not None:
            xmltree.ensure(element, name).text = written(_tree_of(part))


def _tree_of(part: Slice) -> Element:
    root = xmltree.Element("domain")
    for at, value in part.values.items():
        made_place(root, at[0])
        set_value(root, at, value)
    for path, unit in part.units():
        made_place(root, path).extend(xmltree.clone(element) for element in unit)
    _tidy(root)
    return root
