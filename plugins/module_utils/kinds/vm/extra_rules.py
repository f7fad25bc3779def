# SPDX-License-Identifier: GPL-3.0-or-later
"""What extra_xml cannot be: what an option says, and what libvirt would not keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.fields import Field
from ...engine.hidden import revealed
from ...engine.host import HostFacts
from ...engine.keys import Key, key_of, named
from ...engine.xmltree import Element
from . import extra
from .definition import domain_values
from .device_rows import SINGLE
from .extra_record import wrapped
from .schema import Unreadable, rewritten
from .table import ROWS

if TYPE_CHECKING:
    from .draft import VmDraft

_EXTRA: Key = ("extra_xml",)
_ROW_AT = {row.path.replace("!", ""): row for row in ROWS if isinstance(row, Field)}


def check(draft: VmDraft) -> None:
    """What is wrong with the extra_xml that is declared. Mistakes and warnings are the draft's."""
    if _EXTRA not in draft.want:
        _check_brought(draft)
        return
    said = draft.want[_EXTRA]
    if said == draft.stored.get(_EXTRA):
        draft.mistakes.add(undone(draft.want, draft.stored), named(_EXTRA))
        return
    draft.warnings += warnings(draft.have.stored, draft.definition)
    for message in mistakes(draft.definition, draft.want, draft.world.host) if said else ():
        draft.mistakes.add(message, named(_EXTRA))


def _check_brought(draft: VmDraft) -> None:
    """Options that say the very device that the extra_xml of an earlier declaration put in."""
    for row in SINGLE:
        key = key_of(row.name)
        if key in draft.want and draft.want[key] != draft.after.get(key):
            message = "the VM has it by extra_xml; declare extra_xml too, without it"
            draft.mistakes.add(message, row.name)


def mistakes(definition: Element, want: Mapping[Key, Value], host: HostFacts) -> Iterator[str]:
    """Mistakes in the extra_xml of a definition that is planned.

    libvirt's parser is asked on the host that it is for only: another may be of another version.
    """
    yield from _said_by_options(definition, want)
    yield from _said_otherwise(definition, want)
    if host.is_local:
        yield from _not_kept(definition, host)


def undone(want: Mapping[Key, Value], stored: Mapping[Key, Value]) -> str:
    """What is wrong where options change what extra_xml brought, and is to stay."""
    fragment = wrapped(revealed(want[_EXTRA]))
    options = [
        row.name
        for path, row in _ROW_AT.items()
        if _is_changed(row, want, stored) and xmltree.find(fragment, path) not in (None, fragment)
    ]
    others = " and ".join(options) or "another option of this declaration"
    return f"brought what {others} would make another; leave one of them out"


def _is_changed(row: Field, want: Mapping[Key, Value], stored: Mapping[Key, Value]) -> bool:
    key = key_of(row.name)
    return key in want and want[key] != stored.get(key)


def warnings(before: Element | None, definition: Element) -> Iterator[str]:
    """What extra_xml leaves as it put it there."""
    for path in extra.not_given_back(before, definition) if before is not None else ():
        yield (
            f"extra_xml: {path} held another secret before extra_xml came, which is not kept; that "
            "of extra_xml stays there"
        )


def _said_by_options(definition: Element, want: Mapping[Key, Value]) -> Iterator[str]:
    for path, before, after in extra.overwritten(definition):
        row = _ROW_AT.get(path)
        if row is not None and (key_of(row.name) in want or _can_be_said(row, after)):
            yield (
                f"says {after!r} for {path}, which is {before!r} and what the option {row.name} "
                "is for; use that"
            )


def _said_otherwise(definition: Element, want: Mapping[Key, Value]) -> Iterator[str]:
    """What overwrites nothing, as an option had it taken away: a value, or something that says it
    by being there."""
    extra_xml = wrapped(extra.recorded(definition))
    told = {path for path, _before, _after in extra.overwritten(definition)}
    values = domain_values(definition)
    for path, row in _ROW_AT.items():
        key = key_of(row.name)
        has = _part_of(extra_xml, path) if want.get(key) is not None and path not in told else ""
        if has and values[key] != want[key]:
            yield f"has {has}, and the option {row.name} says {want[key]!r}; leave one of them out"


def _part_of(extra_xml: Element, path: str) -> str:
    """What of a path it brings: all, or the element of an attribute, which may say that too."""
    if xmltree.get(extra_xml, path) is not None:
        return path
    is_there = xmltree.find(extra_xml, path) not in (None, extra_xml)
    return path.rpartition("/@")[0] if is_there else ""


def _can_be_said(row: Field, text: str) -> bool:
    try:
        row.codec.parse(row.codec.decode(text))
    except (ValueError, TypeError):
        return False
    return True


def _not_kept(definition: Element, host: HostFacts) -> Iterator[str]:
    try:
        written = rewritten(definition, host)
    except Unreadable as error:
        text = extra.recorded(definition)
        wrong = [name for name, part in extra.single_parts(text) if not _is_readable(part, host)]
        if not wrong:  # it is something else of the VM, which libvirt let others write
            return
        reason = " ".join(str(error).rsplit("domain.rng", maxsplit=1)[-1].split())
        yield (
            f"{' and '.join(wrong)} is not as libvirt's schema has it ({reason}); write it "
            "as https://libvirt.org/formatdomain.html has it"
        )
        return
    lost = extra.lost_in(definition, written) if written is not None else []
    if lost:
        yield (
            f"libvirt would leave out {' and '.join(lost)}; write it as virsh dumpxml shows it, "
            "or leave it out"
        )


def _is_readable(part: Element, host: HostFacts) -> bool:
    domain = xmltree.parse(
        "<domain type='qemu'><memory>65536</memory><os><type>hvm</type></os></domain>"
    )
    for element in domain.findall(part.tag):
        part.extend(element)
        domain.remove(element)
    domain.append(part)
    try:
        rewritten(domain, host)
    except Unreadable:
        return False
    return True
