"""XML as libvirt prints it: definitions in its own style, and in metadata whatever others keep."""

from __future__ import annotations

import re

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import Element
from support.strategies import LINES, ONE_LINE

_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_QUOTES = {'"': "&quot;", "'": "&apos;"}
_SPACES = {"\n": "&#10;", "\t": "&#9;"}
_PREFIXES = ["a", "b", "ns0", "fleetx", "qemu2", "x-y.z"]
NAMES = st.sampled_from(["a", "b", "c", "source", "x-y.z"])


def _escaped(text: str, *tables: dict[str, str]) -> str:
    return text.translate(str.maketrans({k: v for table in tables for k, v in table.items()}))


# ---- metadata, which libxml2 prints


def _quoted(text: str) -> str:
    """An attribute as libxml2 writes it: in ASCII."""
    escaped = _escaped(text, _MARKUP, _SPACES, {'"': "&quot;"})
    return re.sub(r"[^\x00-\x7f]", lambda found: f"&#x{ord(found[0]):X};", escaped)


_COMMENTS = ONE_LINE.filter(lambda text: "-" not in text).map("<!--{}-->".format)
_INSTRUCTIONS = st.sampled_from(["<?go?>", "<?go a  b?>", "<?xx <&?>"])
_SECTIONS = LINES.filter(lambda text: "]]>" not in text and "\r" not in text)
_INSIDE = st.one_of(
    LINES.map(lambda text: _escaped(text, _MARKUP)),
    _SECTIONS.map("<![CDATA[{}]]>".format),
    _COMMENTS,
    _INSTRUCTIONS,
)


@st.composite
def metadata(draw: st.DrawFn, bound: tuple[str, ...] = (), depth: int = 0) -> str:
    """An element of others, with its namespaces declared where it likes."""
    prefix = draw(st.sampled_from([*bound, *_PREFIXES]))
    declared = {prefix, *draw(st.sets(st.sampled_from(_PREFIXES), max_size=1))} - set(bound)
    head = [f'xmlns:{one}="urn:{one}{draw(st.integers(0, 2))}"' for one in sorted(declared)]
    head += draw(st.sampled_from([[], ['xmlns="urn:plain"'], ['xml:space="preserve"']]))
    head += [f'{one}:at="{_quoted(draw(LINES))}"' for one in sorted(declared)[:1]]
    bound = (*bound, *sorted(declared))
    parts = st.one_of(_INSIDE, metadata(bound, depth + 1)) if depth < 3 else _INSIDE
    body = "".join(draw(st.lists(parts, max_size=3)))
    opening = " ".join([f"{prefix}:e", *head])
    return f"<{opening}>{body}</{prefix}:e>" if body else f"<{opening}/>"


# ---- the rest, which libvirt prints


@st.composite
def printed(draw: st.DrawFn, depth: int = 0) -> str:
    """An element of a definition."""
    tag = draw(NAMES)
    attributes = draw(st.dictionaries(NAMES, ONE_LINE, max_size=2))
    styles = (_MARKUP, _QUOTES, _SPACES)
    head = "".join(f" {name}='{_escaped(value, *styles)}'" for name, value in attributes.items())
    below = st.lists(printed(depth + 1), max_size=2).map("\n".join)
    text = ONE_LINE.map(lambda said: _escaped(said, _MARKUP, _QUOTES))
    body = draw(st.one_of(text, below) if depth < 3 else text)
    return f"<{tag}{head}>{body}</{tag}>" if body else f"<{tag}{head}/>"


@st.composite
def domains(draw: st.DrawFn) -> str:
    """A whole definition, with metadata of several."""
    kept = "".join(draw(st.lists(metadata(), max_size=2)))
    devices = "".join(draw(st.lists(printed(), max_size=3)))
    return (
        "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
        f'  <metadata xmlns:up="urn:up">\n    {kept}\n  </metadata>\n  <devices/>{devices}\n'
        "  <qemu:commandline>\n    <qemu:arg value='b&apos;c&quot;é'/>\n  </qemu:commandline>\n"
        "</domain>"
    )


# ---- trees


@st.composite
def trees(draw: st.DrawFn, depth: int = 0) -> Element:
    """A small tree, many of whose elements are alike."""
    few = st.sampled_from(["a", "b", "c"])
    element = Element(draw(few), draw(st.dictionaries(few, few, max_size=2)))
    element.text = draw(st.sampled_from([None, "", "\n  ", "x", "y"]))
    below: SearchStrategy[list[Element]] = st.lists(trees(depth + 1), max_size=3)
    for child in draw(below) if depth < 3 else ():
        element.append(child)
    return element
