# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts as libvirt gives them back, so that what is declared can be compared with what is there."""

from __future__ import annotations

import re
from typing import Any

# What is not in https://www.w3.org/TR/xml/#charsets. (To name what is takes re ten times as long.)
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

# Of the 255 bytes of a file's name; libvirt writes NAME.xml as NAME.xml.new first.
LONGEST_NAME = 255 - len(".xml.new")


def why_no_file(name: str, longest: int = LONGEST_NAME) -> str:
    """Why libvirt cannot keep a file of this name; empty where it can."""
    if name in (".", ".."):
        return f"{name!r} is a folder, and libvirt keeps a file of that name"
    length = len(name.encode(errors="replace"))
    if length > longest:
        return f"is {length} bytes long, and libvirt can keep no more than {longest} as a file"
    return ""


class Prose(str):
    """A text for people, as it is written. White space around it is kept, and says nothing: with
    another it is the same text."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.strip() == other.strip()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.strip())


def as_kept(given: Any, in_attribute: bool) -> Any:
    """A text as it is read again after it was stored. ValueError for one that cannot be kept.

    Of an element's text all lines are kept, but spaces and line ends around it say nothing: they
    are how a document is laid out. An attribute is one line, to whose spaces libvirt is true.
    """
    if not isinstance(given, str):
        return given
    if not in_attribute:
        return as_written(given).strip()
    _refuse_no_xml(given)
    if re.search("[\t\n\r]", given):
        raise ValueError(
            f"{given!r} has a line end or a tab, which libvirt does not keep; write it on one line "
            "(in YAML, without | or >)"
        )
    return given


def as_written(given: str) -> str:
    """A text of lines as XML holds it, with what is around it. ValueError for one that it cannot
    hold."""
    _refuse_no_xml(given)
    return given.replace("\r\n", "\n").replace("\r", "\n")


def _refuse_no_xml(given: str) -> None:
    wrong = _NO_XML.search(given)
    if wrong:
        raise ValueError(f"{given!r} holds {wrong[0]!r}, which XML cannot")
