# SPDX-License-Identifier: GPL-3.0-or-later
"""XML as text: read into a tree and written again to the letter, as libvirt writes it.

What other programs keep in the metadata of a domain is theirs: its comments, processing
instructions and CDATA sections, and where it declares its namespaces. So a name stays as it is
written, `qemu:arg`, and a declaration is an attribute like others. Only what is in a namespace of
NAMESPACES has the prefix that it has there, whatever the document calls it, and nothing else has.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import NamedTuple
from xml.parsers import expat

Element = ET.Element

FLEET_NS = "urn:kvm.fleet:1"
RESTART_NS = f"{FLEET_NS}:restart"
MOVE_NS = f"{FLEET_NS}:move"
HOME_NS = f"{FLEET_NS}:home"
SEED_NS = f"{FLEET_NS}:seed"
DISK_NS = f"{FLEET_NS}:disk"
RESTORE_NS = f"{FLEET_NS}:restore"
NAMESPACES = {
    "fleet": FLEET_NS,
    "fleet-restart": RESTART_NS,
    "fleet-move": MOVE_NS,
    "fleet-home": HOME_NS,
    "fleet-seed": SEED_NS,
    "fleet-disk": DISK_NS,
    "fleet-restore": RESTORE_NS,
    "qemu": "http://libvirt.org/schemas/domain/qemu/1.0",
    "dnsmasq": "http://libvirt.org/schemas/network/dnsmasq/1.0",
}
_PREFIXES = {uri: prefix for prefix, uri in NAMESPACES.items()}
_DECLARED = re.compile(r"""xmlns(?::([^\s=]+))?\s*=\s*(?:"([^"]*)"|'([^']*)')""")

# Characters that no document can hold, so they can say what a tree has no place for.
_CDATA, _CDATA_ENDS, _FOREIGN = "\x01", "\x02", "\x03"


# ---- reading


def parse(text: str) -> Element:
    """The root element of a document. ValueError when it is not well-formed.

    ElementTree's own parser works out namespaces and forgets how they were written. Everything here
    is in C but CDATA, so it takes no more time than that one does.
    """
    builder = ET.TreeBuilder(insert_comments=True, insert_pis=True)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.CommentHandler = builder.comment
    parser.ProcessingInstructionHandler = builder.pi
    parser.StartCdataSectionHandler = lambda: builder.data(_CDATA)
    parser.EndCdataSectionHandler = lambda: builder.data(_CDATA_ENDS)
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise ValueError(f"not well-formed XML: {error}") from error
    root = builder.close()
    if any(_unusual(*declared) for declared in _DECLARED.findall(text)):
        _settle(root, {})
    return root


def check_prefixes(text: str) -> None:
    """ValueError where a prefix is not declared, which parse does not see."""
    try:
        ET.fromstring(text)
    except ET.ParseError as error:
        raise ValueError(f"not well-formed XML: {error}") from error


def _unusual(prefix: str, double: str, single: str) -> bool:
    """Whether a declaration gives a namespace of ours another prefix, or the other way round."""
    uri = double or single
    return NAMESPACES.get(prefix, uri) != uri or _PREFIXES.get(uri, prefix) != prefix


def _settle(element: Element, scope: Mapping[str, str]) -> None:
    """Give what is in our namespaces our prefixes, and see that nothing else is taken for it."""
    if not is_element(element):
        return
    declared = {k[6:]: uri for k, uri in element.attrib.items() if re.match("xmlns(:|$)", k)}
    scope = {**scope, **declared}
    prefix, _colon, local = element.tag.rpartition(":")
    ours = _PREFIXES.get(scope.get(prefix, ""))
    if ours is None and prefix in NAMESPACES:
        element.tag += _FOREIGN
    elif ours is not None and ours != prefix and ours not in declared:
        element.tag = f"{ours}:{local}"
        if scope.get(ours) != NAMESPACES[ours]:
            element.set(f"xmlns:{ours}", NAMESPACES[ours])
            scope[ours] = NAMESPACES[ours]
    for child in element:
        _settle(child, scope)


def is_element(node: Element) -> bool:
    """Whether it is no comment and no processing instruction; these too are nodes of a tree."""
    return isinstance(node.tag, str)


def plain(text: str | None) -> str:
    """The text of an element without what says that some of it is a CDATA section."""
    if not text:
        return ""
    return text.replace(_CDATA, "").replace(_CDATA_ENDS, "") if _CDATA in text else text


# ---- writing


class _Style(NamedTuple):
    """How values are quoted and escaped: by libvirt, and in metadata by libxml2."""

    quote: str
    text: dict[int, str]
    attribute: dict[int, str]
    ascii_attributes: bool


_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_QUOTES = {"'": "&apos;", '"': "&quot;"}
_SPACES = {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}
_LIBVIRT = _Style(
    "'",
    str.maketrans({**_MARKUP, **_QUOTES, "\r": "&#13;"}),
    str.maketrans({**_MARKUP, **_QUOTES, **_SPACES}),
    False,
)
_LIBXML2 = _Style(
    '"',
    str.maketrans({**_MARKUP, "\r": "&#13;"}),
    str.maketrans({**_MARKUP, **_SPACES, '"': "&quot;"}),
    True,
)
# Most values hold nothing that is written in another way, which is quick to see.
_SPECIAL = re.compile(f"[&<>'\"\n\t\r{_CDATA}]|[^\\x00-\\x7f]")
_SECTIONS = re.compile(f"({_CDATA}[^{_CDATA_ENDS}]*{_CDATA_ENDS})")


def serialise(element: Element) -> str:
    """The document text of an element, as libvirt would write it."""
    parts: list[str] = []
    _write(element, parts, _LIBVIRT)
    return "".join(parts)


def _write(node: Element, parts: list[str], style: _Style) -> None:
    tag: object = node.tag  # of comments it is a function, which the types do not know
    if tag is ET.Comment:
        parts.append(f"<!--{node.text or ''}-->")
    elif tag is ET.ProcessingInstruction:
        parts.append(f"<?{node.text}?>")
    else:
        _write_element(node, parts, _LIBXML2 if tag == "metadata" else style)


def _write_element(element: Element, parts: list[str], style: _Style) -> None:
    tag, text = element.tag.rstrip(_FOREIGN), element.text
    start = f"<{tag}{_attributes(element.attrib, style)}" if element.attrib else f"<{tag}"
    if not text and not len(element):
        parts.append(f"{start}/>")
        return
    parts.append(f"{start}>{_text(text, style)}" if text else f"{start}>")
    for child in element:
        _write(child, parts, style)
        if child.tail:
            parts.append(_text(child.tail, style))
    parts.append(f"</{tag}>")


def _attributes(values: Mapping[str, str], style: _Style) -> str:
    quote = style.quote
    if _SPECIAL.search("".join(values.values())):
        return "".join([f" {name}={_attribute(value, style)}" for name, value in values.items()])
    return "".join([f" {name}={quote}{value}{quote}" for name, value in values.items()])


def _attribute(value: str, style: _Style) -> str:
    value = value.translate(style.attribute)
    if style.ascii_attributes:
        value = re.sub(r"[^\x00-\x7f]", lambda match: f"&#x{ord(match[0]):X};", value)
    return f"{style.quote}{value}{style.quote}"


def _text(text: str, style: _Style) -> str:
    if text.isspace():
        return text.replace("\r", "&#13;")
    if not _SPECIAL.search(text):
        return text
    if _CDATA not in text:
        return text.translate(style.text)
    return "".join(
        f"<![CDATA[{part[1:-1]}]]>" if part.startswith(_CDATA) else part.translate(style.text)
        for part in _SECTIONS.split(text)
    )
