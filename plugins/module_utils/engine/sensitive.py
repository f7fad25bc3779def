# SPDX-License-Identifier: GPL-3.0-or-later
"""The places of definitions that hold secrets, in the XML of every kind.

libvirt itself hides passwords of graphics and cookies of disks from those who may only read. What
else is a secret only who wrote it knows: in QEMU's arguments, mount options, a kernel's arguments,
names of images, the strings of an SMBIOS and the metadata of other programs it is told by its name.
No row of a table is about such a place unless its values are sensitive; so whatever is masked here
is compared as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from . import xmltext, xmltree
from .hidden import TOKEN, new_salt, token_of
from .secret_words import Swap, pattern, swap_in_cmdline, swap_in_name, swap_in_words
from .secrets_of_others import swap_in_others, swap_in_remark
from .xmltree import Element

# Attributes and elements that are secrets by their names, whatever they are in.
_NAME = r"(?:.*[_.-])?(?:passwd|password|passphrase)|cookie"
_NAME_IN_ENVIRONMENT = r"pass|secret|token|cred|cookie|pw(?:d)?$|key(?![a-z])"

# Attributes (of an element's local name) and texts ("") in which secrets have names of their own.
_WORDY = {
    "arg": ("value",),  # qemu:arg
    "env": ("value",),  # qemu:env
    "option": ("name", "value"),  # fs:option, rbd:option
    "source": ("query", "name"),
    "entry": ("",),  # of oemStrings
}
# Each secret is in a thing with such a name, or has one of these in its own; or is in metadata.
_MAY_HOLD = {"arg", "cmdline", "cookie", "entry", "env", "option", "property", "protocol", "query"}
_MAY_BE = ("passw", "passphrase", "cookie", "secret", "token")

_IS_DOMAIN = re.compile(r"\s*(<\?xml[^>]*>\s*)?<domain(snapshot|backup|checkpoint)?[\s>]")

# The notes of this collection in metadata.
_OURS = ("fleet:", "fleet-restart:", "fleet-move:", "fleet-home:", "fleet-seed:", "fleet-disk:")

# Texts that are XML themselves: fragments of a definition, noted in its metadata.
_FRAGMENTS = {"fleet:extra_xml", "fleet:before", "fleet:made"}


def secrets_in(tree: Element) -> list[str]:
    """All secrets of a definition, in the order of the document."""
    found: list[str] = []

    def note(secret: str) -> str:
        found.append(secret)
        return secret

    swap_secrets(tree, note)
    return found


def may_be_in(tree: Element) -> bool:
    """Whether a definition may hold secrets, by the names in it: quicker than to look."""
    names = {tag for node in tree.iter() if isinstance(tag := node.tag, str)}
    names.update(*(node.attrib for node in tree.iter()))
    if not _FRAGMENTS.isdisjoint(names):
        return True
    if "metadata" in names and any(map(_is_of_others, tree.iter("metadata"))):
        return True
    if "backingStore" in names:
        paths = (path.text or "" for path in tree.iterfind(".//backingStore/path"))
        if any(":" in path for path in paths):
            return True
    return _may_hold(frozenset(names))


@lru_cache(maxsize=64)
def _may_hold(names: frozenset[str]) -> bool:
    """Whether one of these names is that of a secret; most definitions of a kind have the same."""
    local = {name.rpartition(":")[2].lower() for name in names}
    together = " ".join(local)
    return not _MAY_HOLD.isdisjoint(local) or any(word in together for word in _MAY_BE)


def _is_of_others(metadata: Element) -> bool:
    return not all(map(_is_ours, xmltree.elements(metadata)))


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
    return pattern(_NAME).fullmatch(name.rpartition(":")[2]) is not None


def swap_secrets(tree: Element, swap: Swap, parent: str = "") -> None:
    """Put into the place of each secret what is made of it, in the order of the document."""
    local = tree.tag.rpartition(":")[2]
    for name, value in tree.attrib.items():
        made = _in_attribute(tree, local, name, value, swap)
        if made != value:
            tree.set(name, made)
    text = tree.text
    if text and not text.isspace():
        made = _in_text(tree.tag, parent, text, swap)
        if made != text:
            tree.text = made
    for child in tree:
        if not xmltext.is_element(child):  # of a comment no program tells what is what
            swap_in_remark(child, swap)
        elif local == "metadata" and not _is_ours(child):
            swap_in_others(child, swap)
        else:
            swap_secrets(child, swap, local)


def _is_ours(element: Element) -> bool:
    """Whether an element of the metadata is this collection's own."""
    return element.tag.startswith(_OURS)


def _in_attribute(element: Element, local: str, name: str, value: str, swap: Swap) -> str:
    """The value of an attribute without its secrets."""
    if is_secret(name) or (local == "env" and name == "value" and _is_secret_of(element)):
        return swap(value) if value.strip() else value
    if (local, name) == ("property", "value"):  # qemu:property
        return _of_property(element.get("name", ""), value, swap)
    return swap_in_words(value, swap) if name in _WORDY.get(local, ()) else value


def _of_property(name: str, value: str, swap: Swap) -> str:
    """The value of a property of QEMU: a secret by the property's name, or a text with one."""
    told = f"{name}=any"
    is_one = swap_in_words(told, lambda _any: "") != told
    return swap(value) if is_one and value.strip() else swap_in_words(value, swap)


def _in_text(tag: str, parent: str, text: str, swap: Swap) -> str:
    """The text of an element without its secrets."""
    if tag in _FRAGMENTS:
        return swap_in_fragments(text, swap)
    local = tag.rpartition(":")[2]
    plain = xmltext.plain(text)
    if is_secret(local) or (local == "entry" and parent == "sysinfo"):
        made = swap(plain)  # an entry of the firmware's: whatever a guest is set up by
    elif (parent, local) == ("os", "cmdline"):
        made = swap_in_cmdline(plain, swap)
    elif (parent, local) == ("backingStore", "path"):
        made = swap_in_name(plain, swap)
    else:
        return swap_in_words(text, swap) if "" in _WORDY.get(local, ()) else text
    return text if made == plain else made


def _is_secret_of(environment: Element) -> bool:
    return pattern(_NAME_IN_ENVIRONMENT).search(environment.get("name", "")) is not None


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
