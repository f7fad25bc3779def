# SPDX-License-Identifier: GPL-3.0-or-later
"""A slice's unit file as a tree, and the tree as a file again, to the letter.

The tree has an element for each section and in it one for each setting. Of a setting that is said
several times it has what holds: the last. The file as it was read is beside them, and a file is
written by changing those of its lines that say something else than the tree. What others wrote
there, comments and all, stays as it is.

Source of the syntax: systemd.syntax(7), and config_parse in systemd's conf-parser.c.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from ...engine import xmltree
from ...engine.xmltree import Element

HEADER = "# Made by kvm.fleet\n"
FILE = "file"  # the attribute with the text that was read, as JSON: XML has no place for all of it

Place = tuple[str, str]  # section and key
_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Setting(NamedTuple):
    """One assignment of a unit file, and the lines that it takes."""

    place: Place
    value: str
    first: int
    last: int


# ---- reading


def tree_of(text: str, managed: Collection[Place]) -> Element:
    """A unit file as a tree; of what is `managed` the value that holds."""
    tree = Element("unit", {FILE: json.dumps(text)})
    settings = settings_of_text(text)
    last = {one.place: one for one in settings}
    for one in settings:
        if one.place in managed and last[one.place] is not one:
            continue
        section = _child(tree, one.place[0])
        _element(section, one.place[1]).text = _kept(one.value)
    return tree


def _child(tree: Element, section: str) -> Element:
    tag = section if _TAG.fullmatch(section) else "section"
    found = [one for one in tree.findall(tag) if one.get("name", section) == section]
    return found[0] if found else _element(tree, section, "section")


def _element(parent: Element, name: str, otherwise: str = "setting") -> Element:
    if _TAG.fullmatch(name):
        return xmltree.child_of(parent, name, {})
    return xmltree.child_of(parent, otherwise, {"name": _kept(name)})


def _kept(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)


def settings_of_text(text: str) -> list[Setting]:
    """All assignments of a file, in their order."""
    return list(settings_of(_lines(text)))


def settings_of(lines: Sequence[str]) -> Iterator[Setting]:
    """All assignments, in their order."""
    section, at = "", 0
    while at < len(lines):
        said, first = _said(lines[at]), at
        at += 1
        if not said or _is_comment(said):
            continue
        while said.endswith("\\") and at < len(lines):
            more = _said(lines[at])
            at += 1
            if not _is_comment(more):
                said = f"{said[:-1]} {more}"
        if said.startswith("["):
            section = said[1:-1] if said.endswith("]") else ""
        elif "=" in said and section:
            key, _equals, value = said.partition("=")
            yield Setting((section, key.rstrip()), value.strip(" \t"), first, at - 1)


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _said(line: str) -> str:
    return line.strip(" \t\r\n\ufeff")


def _is_comment(said: str) -> bool:
    return said[:1] in ("#", ";")


# ---- writing


def text_of(tree: Element, managed: Sequence[Place]) -> str:
    """The file that says what the tree says of all that is managed."""
    lines = _lines(json.loads(tree.get(FILE) or json.dumps(HEADER)))
    for place in managed:
        _put(lines, place, xmltree.get(tree, "/".join(place)))
    return "".join(lines)


def _put(lines: list[str], place: Place, value: str | None) -> None:
    there = [one for one in settings_of(lines) if one.place == place]
    if value is None:
        for one in reversed(there):
            lines[one.first : one.last + 1] = _comments(lines, one)
    elif not there:
        _add(lines, place, value)
    elif _kept(there[-1].value) != value:
        one = there[-1]
        line = f"{place[1]}={value}{_end(lines)}"
        lines[one.first : one.last + 1] = [line, *_comments(lines, one)]


def _comments(lines: Sequence[str], setting: Setting) -> list[str]:
    """What somebody wrote between the lines of one setting."""
    return [one for one in lines[setting.first : setting.last + 1] if _is_comment(_said(one))]


def _add(lines: list[str], place: Place, value: str) -> None:
    """At the end of its section, before what sets that apart from the next one."""
    section, key = place
    end = _end(lines)
    heads = [at for at, line in enumerate(lines) if _said(line).startswith("[")]
    mine = [at for at in heads if _said(lines[at]) == f"[{section}]"]
    at = next((head for head in heads if mine and head > mine[-1]), len(lines))
    if at == len(lines) and lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    if not mine:
        lines += [*([end] if heads else []), f"[{section}]{end}", f"{key}={value}{end}"]
        return
    while not _said(lines[at - 1]) or (_is_comment(_said(lines[at - 1])) and at < len(lines)):
        at -= 1
    lines.insert(at, f"{key}={value}{end}")


def _end(lines: Sequence[str]) -> str:
    return "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
