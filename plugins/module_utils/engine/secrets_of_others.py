# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in what other programs keep in the metadata of a definition.

Nobody but they know what is one there. No row is about it and no plan compares it, so what has to
do with credentials by its name, by a name that it has, or by its text, is hidden as a whole.
"""

from __future__ import annotations

import re

from . import xmltext
from .hidden import TOKEN
from .secret_words import NO_SECRETS, Swap, pattern
from .xmltree import Element

# Names of secrets, and of what holds some: the files by which a guest is set up.
_NAME = (
    r"pass(?:w|phrase|code|$)|rootpw|secret|token|cred(?:s$|ential)|cookie|signature|hmac"
    r"|(?:api|access|account|auth|private|shared|ssh|secret|encryption|license|product)[_.-]?key|auth$"
    r"|(?:user|vendor)[_.-]?data|cloud[_.-]?(?:init|config)|ignition|kickstart|preseed|unattend"
    r"|(?:^|[_.:-])(?:pass|pw|pwd|psk|pin|key|sig|otp)(?:$|[_.:-])"
    r"|(?-i:[a-z](?:Pass|Pw|Pwd|Psk|Pin|Key)$)"
)
# Texts in which there are secrets.
_TEXT = (
    r"pass(?:w|phrase|code)|secret|token|credential|cookie|api[_.-]?key|(?:access|private)[_.-]?key"
    r"|#cloud-config|\b(?:pass|pw|pwd|psk|key|sig|auth|authorization)\b[\"']?\s*[=:]"
    r"|://[^\s/@]+@|-----BEGIN|\beyJ[\w-]{8,}\.|\$(?:1|2[abxy]|5|6|y)\$"
)
# What says what something is, as in <property name='password'>: itself no secret.
_NAMING = ("name", "key", "id", "label", "type", "property", "option", "variable", "field")
_LABEL = re.compile(r"[\w.:/-]{0,64}")
_SHORTEST = 3


def swap_in_others(element: Element, swap: Swap, is_hidden: bool = False) -> None:
    """Hide what may be a secret in an element of another program, in the order of the document."""
    local = _local(element.tag)
    is_hidden = is_hidden or _names_secret(local) or _is_named_as_secret(element)
    for name, value in element.attrib.items():
        if not _is_label(element, name, value):
            hides = is_hidden or _names_secret(_local(name))
            element.set(name, _of_text(value, hides, swap) or "")
    element.text = _of_text(element.text, is_hidden, swap)
    for child in element:
        if xmltext.is_element(child):
            swap_in_others(child, swap, is_hidden)
        else:
            child.text = _of_text(child.text, is_hidden, swap)
        child.tail = _of_text(child.tail, is_hidden, swap)


def swap_in_remark(remark: Element, swap: Swap) -> None:
    """The same of a comment, which is hidden as a whole."""
    remark.text = _of_text(remark.text, False, swap)


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _names_secret(name: str) -> bool:
    return pattern(_NAME).search(name) is not None


def _is_named_as_secret(element: Element) -> bool:
    """Whether an attribute, or a child, says that it is a secret: <key>password</key>."""
    if any(_local(n) in _NAMING and _names_secret(v) for n, v in element.attrib.items()):
        return True
    children = filter(xmltext.is_element, element)
    said = (xmltext.plain(one.text) for one in children if _local(one.tag) in _NAMING)
    return any(map(_names_secret, said))


def _is_label(element: Element, name: str, value: str) -> bool:
    """Whether an attribute only says what the value, or the text, beside it is."""
    if name.partition(":")[0] == "xmlns":
        return True
    name = _local(name)
    if name not in _NAMING or TOKEN.search(value) or not _LABEL.fullmatch(value):
        return False
    return name != "key" or "value" in map(_local, element.attrib) or bool(element.text)


def _of_text(text: str | None, is_hidden: bool, swap: Swap) -> str | None:
    """A text without its secrets: hidden as a whole, or as it is."""
    plain = xmltext.plain(text)
    said = plain.strip()
    if len(said) < _SHORTEST or said.lower() in NO_SECRETS:
        return text
    if not (is_hidden or TOKEN.fullmatch(said) or pattern(_TEXT).search(said)):
        return text
    made = swap(plain)
    return text if made == plain else made
