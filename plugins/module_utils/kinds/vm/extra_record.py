# SPDX-License-Identifier: GPL-3.0-or-later
"""extra_xml as text, and the record of it in a VM's metadata.

Who may only read a definition is not shown the passwords in it, but all of its metadata. So the
record has tokens in the place of secrets. As it is read, each is filled in by the secret of the
definition whose token it is; where somebody set another, it stays a token, which nothing equals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from ...engine import xmltext, xmltree
from ...engine.hidden import (
    TOKEN,
    partly_sensitive,
    same_secret,
    secrets_of,
    stands_for_hidden,
    token_of,
)
from ...engine.xmltree import Element
from .fragments import Slice, made_place, set_value, sliced
from .table import EXTRA_RECORD

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
    """The fragments as they are compared, sensitive where secrets are in them.

    ValueError when they are not well-formed, or have in them what is shown instead of a secret.
    """
    value = as_value(written(wrapped(text)))
    if any(map(stands_for_hidden, secrets_of(value))):
        raise ValueError("it has in it what is shown instead of a password; write the password")
    return value


@lru_cache(maxsize=1024)
def as_value(text: str) -> str:
    """Fragments as they are recorded as a value, which shows none of their secrets."""
    from ...engine.sensitive import swap_secrets

    def template_of(gap: Callable[[str], str]) -> str:
        root = wrapped(text)
        swap_secrets(root, gap)
        return written(root)

    return partly_sensitive(text, template_of)


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
    return xmltree.get(domain, EXTRA_RECORD) or ""


def record_of(domain: Element) -> Record:
    """All that is known of what was put into this domain earlier."""
    element = xmltree.find(domain, EXTRA_RECORD)
    if element is None:
        return Record("", None, None)
    element = _filled_in(element, domain)
    texts = (xmltree.get(element, name) for name in (BEFORE, MADE))
    before, made = (None if text is None else sliced(wrapped(text)) for text in texts)
    return Record(xmltext.plain(element.text).strip(), before, made)


def _filled_in(record: Element, domain: Element) -> Element:
    """A record with the secrets of its domain in the place of their tokens."""
    if not any(TOKEN.search(part.text or "") for part in record.iter()):
        return record
    from ...engine.sensitive import secrets_in, swap_secrets

    secrets = [secret for secret in secrets_in(domain) if not is_token(secret)]
    filled = xmltree.clone(record)
    swap_secrets(filled, lambda token: next((s for s in secrets if same_secret(token, s)), token))
    return filled


def is_token(text: str) -> bool:
    """Whether a value is, or has in it, a secret of which nobody knows more than the token."""
    return TOKEN.search(text) is not None


def seal(domain: Element) -> None:
    """Put tokens into the place of all secrets in the record. Earlier versions left them there."""
    record = xmltree.find(domain, EXTRA_RECORD)
    if record is not None:
        from ...engine.sensitive import salt_of, swap_secrets

        swap_secrets(record, lambda secret: token_of(secret, salt_of(domain)))


def sealed(domain: Element, after: Element) -> list[Element]:
    """The records of a domain before and after, if the one is the other without its secrets."""
    before, now = (xmltree.find(form, EXTRA_RECORD) for form in (domain, after))
    if before is None or now is None or xmltree.same(before, now):
        return []
    from ...engine.sensitive import swap_secrets

    bare = [xmltree.clone(before), xmltree.clone(now)]
    for record in bare:
        swap_secrets(record, lambda _secret: "")
    return [before, now] if xmltree.same(*bare) else []


def write_record(domain: Element, record: Record) -> None:
    """Record what was put into a domain; nothing is no record."""
    xmltree.put(domain, f"{EXTRA_RECORD}!", None)
    if not record.asked:
        return
    element = xmltree.ensure(domain, EXTRA_RECORD)
    element.text = record.asked
    for name, part in ((BEFORE, record.before), (MADE, record.made)):
        if part is not None:
            xmltree.ensure(element, name).text = written(_tree_of(part))
    seal(domain)


def _tree_of(part: Slice) -> Element:
    root = xmltree.Element("domain")
    for at, value in part.values.items():
        made_place(root, at[0])
        set_value(root, at, value)
    for path, unit in part.units():
        made_place(root, path).extend(xmltree.clone(element) for element in unit)
    _tidy(root)
    return root
