# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says of the facts that it would have needed, and that a snapshot does not have."""

from __future__ import annotations

from collections.abc import Iterable

from .facts import Fact

OF_PATHS = ("file", "written", "image", "folder", "place", "real_path", "made_from")
OF_LIBVIRT = {
    "refusal": "libvirt has not judged the plan, which is made from a snapshot",
    "parsed": "libvirt's parser has not judged extra_xml: its Python binding is not here",
    "parser_refusal": "libvirt's parser has not judged the plan: its Python binding is not here",
}


def said(missing: Iterable[Fact]) -> list[str]:
    """Each thing that is not known, once, and in the order in which it was asked for."""
    return list(dict.fromkeys(map(_said, missing)))


def _said(fact: Fact) -> str:
    asked, *of = fact
    if asked in OF_LIBVIRT:
        return OF_LIBVIRT[asked]
    if asked == "checksum":
        return f"the snapshot does not know the checksum of {of[0]}, which a run compares"
    if asked == "listed_checksum":
        return f"the snapshot does not know what {of[0]} has for {of[1]}, which a run compares"
    if asked == "cut_off":
        return f"the snapshot does not know whether {of[0]} is whole, at which a run looks"
    if asked in OF_PATHS:
        return f"the snapshot does not know {of[0]}, and the plan is made without"
    return f"the snapshot does not tell {' '.join(fact)}, and the plan is made without"
