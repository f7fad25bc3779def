# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The places of definitions that hold secrets, in the XML of every kind.

libvirt itself hides passwords of graphics and cookies of disks from those who may only read. What
else is a secret only who wrote it knows: in QEMU's arguments, mount options, the strings of an
SMBIOS and the metadata of other programs it is told by its name. No row of a table is about such a
place unless it is sensitive; so nothing that a plan compares is masked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from . import xmltext, xmltree
from .hidden import TOKEN, new_salt, token_of
from .xmltree import Element

Swap = Callable[[str], str]

# Attributes and elements that are secrets by their names, whatever they are in.
_NAME = re.compile(r"(?:.*[_.-])?(?:passwd|password|passphrase)|cookie", re.IGNORECASE)
_NAME_IN_ENVIRONMENT = re.compile(r"passw|passphrase|secret|token", re.IGNORECASE)

# Attributes (of an element's local name) and texts ("") in which secrets have names of their own.
_WORDY = {
    "arg": ("value",),  # qemu:arg
    "option": ("name", "value"),  # fs:option, rbd:option
    "source": ("query",),
    "entry": ("",),  # of oemStrings
}
# `password=x`, `"password": "x"`, `secret,id=a,data=x`, `https://me:x@host`, and what systemd takes
# from an SMBIOS. A value ends at a comma, which QEMU doubles where it is part of one.
_KEYS = (
    r"(?:[\w.]{1,40}[_.-])?(?:passwd|password|passphrase)"
    r"|pass|token|secret|sig|signature|cookie|key|(?P<data>data)"
)
_PLAIN = r"(?:,,|[^,\x00-\x1f])+"
_DOUBLE, _SINGLE = r"(?:\\.|[^\"\\\x00-\x1f])+", r"[^'\x00-\x1f]+"
_SAID = re.compile(
    rf"""(?<![\w-])["']?(?:{_KEYS})["']?\s*[=:]\s*"""
    rf"""(?:"(?P<double>{_DOUBLE})"|'(?P<single>{_SINGLE})'|(?P<plain>{_PLAIN}))"""
    r"|://[^\s/:@]*:(?P<login>[^\s/@]+)@"
    r"|io\.systemd\.credential(?:\.binary)?:[\w.@-]+=(?P<credential>[^\x00-\x1f]+)",
    re.IGNORECASE,
)
# Each secret has one of these in its name, or in that of what it is in; or is in the metadata.
_MAY_BE = re.compile(
    r"passw|passphrase|cookie|secret|token|env\b|[:<](?:arg|option|entry)\b|query=|fleet:(?:extra_xml|before|made)\b",
    re.IGNORECASE,
)
_GROUPS = ("double", "single", "plain", "login", "credential")
_OF_SECRET_OBJECT = re.compile(r"""^secret\b|["']secret(_keyring)?["']""")
_NO_SECRETS = ("on", "off", "yes", "no", "true", "false", "null", "")

_IS_DOMAIN = re.compile(r"\s*(<\?xml[^>]*>\s*)?<domain(snapshot|backup|checkpoint)?[\s>]")

# Texts that are XML themselves: fragments of a definition, noted in its metadata.
_FRAGMENTS = ("fleet:extra_xml", "fleet:before", "fleet:made")


def secrets_in(tree: Element) -> list[str]:
    """All secrets of a definition, in the order of the document."""
    found: list[str] = []

    def note(secret: str) -> str:
        found.append(secret)
        return secret

    swap_secrets(tree, note)
    return found


def may_be_in(tree: Element, text: str) -> bool:
    """Whether a definition, of which this is the text, may hold secrets: quicker than to look."""
    metadata = tree.find("metadata")
    others = metadata is not None and not all(map(_is_ours, xmltree.elements(metadata)))
    return others or _MAY_BE.search(text) is not None


def masked(tree: Element) -> Element:
    """A copy of a definition with a token in the place of each secret.

    The same secret of the same resource has the same token, so that copies can be compared.
    """
    copy, salt = xmltree.clone(tree), salt_of(tree)
    swap_secrets(copy, lambda secret: token_of(secret, salt))
    return copy


def masked_text(text: str) -> str:
    """The same of a text, where that is a domain's definition, or has one in it as snapshots do."""
    if not _IS_DOMAIN.match(text):
        return text
    try:
        tree = xmltree.parse(text)
    except ValueError:
        return text
    return xmltree.serialise(masked(tree)) if secrets_in(tree) else text


def salt_of(tree: Element) -> str:
    """The salt of a definition's tokens: that of those which it has, or the one of its UUID."""
    for element in tree.iter():
        for text in (element.text, *element.attrib.values()):
            match = TOKEN.search(text or "")
            if match:
                return match[1]
    return new_salt(xmltree.get(tree, "uuid") or xmltree.get(tree, "name") or "")


def is_secret(name: str) -> bool:
    """Whether an attribute or an element is a secret by its name, whatever it is in."""
    return _NAME.fullmatch(name.rpartition(":")[2]) is not None


def swap_secrets(tree: Element, swap: Swap) -> None:
    """Put into the place of each secret what is made of it, in the order of the document."""
    for element, is_foreign in _elements(tree, False):
        local = element.tag.rpartition(":")[2]
        for name, value in element.attrib.items():
            made = _swapped(element, local, name, value, is_foreign, swap)
            if made != value:
                element.set(name, made)
        text = element.text
        if text and not text.isspace():
            made = (
                swap_in_fragments(text, swap)
                if element.tag in _FRAGMENTS
                else _swapped(element, local, "", text, is_foreign, swap)
            )
            if made != text:
                element.text = made


def _elements(element: Element, is_foreign: bool) -> Iterator[tuple[Element, bool]]:
    """All elements, and whether each is another program's, in the metadata."""
    yield element, is_foreign
    is_metadata = element.tag == "metadata"
    for child in xmltree.elements(element):
        is_ours = _is_ours(child)
        yield from _elements(child, is_foreign or (is_metadata and not is_ours))


def _is_ours(element: Element) -> bool:
    """Whether an element of the metadata is this collection's own."""
    return element.tag.startswith(("fleet:", "fleet-restart:"))


def _swapped(
    element: Element, local: str, name: str, value: str, is_foreign: bool, swap: Swap
) -> str:
    """The value of an attribute, or the text, of an element without its secrets."""
    if is_secret(name or local) or (local == "env" and name == "value" and _is_secret_of(element)):
        plain = xmltext.plain(value)
        made = swap(plain) if plain.strip() else plain
        return value if made == plain else made
    if is_foreign or name in _WORDY.get(local, ()):
        return swap_in_words(value, swap)
    return value


def _is_secret_of(environment: Element) -> bool:
    return _NAME_IN_ENVIRONMENT.search(environment.get("name", "")) is not None


def swap_in_words(text: str, swap: Swap) -> str:
    """The same in a text in which secrets are told by their names: `a=b,password=x`."""
    of_secret = _OF_SECRET_OBJECT.search(text) is not None

    def put(match: re.Match[str]) -> str:
        group = next(one for one in _GROUPS if match[one] is not None)
        secret = match[group]
        is_other = match["data"] is not None and not of_secret
        if is_other or secret.strip().lower() in _NO_SECRETS:
            return match[0]
        start, end = (place - match.start() for place in match.span(group))
        return f"{match[0][:start]}{swap(secret)}{match[0][end:]}"

    return _SAID.sub(put, text)


def swap_in_fragments(text: str, swap: Swap) -> str:
    """The same in a text of fragments; what is none may be a secret from end to end."""
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in xmltree.NAMESPACES.items())
    try:
        root = xmltree.parse(f"<domain {declared}>{text}</domain>")
    except ValueError:
        return swap(text)
    if any(not part.isspace() for part in filter(None, (root.text, *(one.tail for one in root)))):
        return swap(text)
    before = "".join(xmltree.serialise(part) for part in root)
    swap_secrets(root, swap)
    after = "".join(xmltree.serialise(part) for part in root)
    return text if after == before else after
