# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest wrote to its serial port: as it came, and as text to read and search."""

from __future__ import annotations

import re

from .awaited import Awaited

# Escape sequences of terminals: CSI, OSC and other strings, two characters; and other controls.
# What a guest writes may be made to keep its reader busy: each looks no further than the next.
CONTROLS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
# A sequence may come in two pieces: what is searched anew with each piece reaches so far back.
LOOK_BACK = 4096
# More is not kept, or Ansible would carry it all in one answer: the end is what tells.
MOST_BYTES = 16 << 20
LONGEST_LINE = 500


def plain(raw: bytes) -> str:
    """The text without what only a terminal understands."""
    text = CONTROLS.sub("", raw.decode(errors="replace"))
    return re.sub(r"\r+\n?", "\n", text)


def last_lines(raw: bytes, count: int) -> list[str]:
    """The last lines that say something, each cut where it is longer than a screen is wide."""
    lines = [line.rstrip()[:LONGEST_LINE] for line in plain(raw).splitlines()]
    said = [line for line in lines if line]
    return said[-count:] if count else []


class Captured:
    """All that came so far, and whether what is awaited is in it."""

    def __init__(self, awaited: Awaited | None) -> None:
        self.awaited = awaited
        self.raw = bytearray()
        self.matched: str | None = None
        self.lost = 0  # bytes, from the beginning

    def take(self, data: bytes) -> None:
        """Add what came."""
        searched = max(0, len(self.raw) - LOOK_BACK)
        self.raw += data
        if self.awaited and self.matched is None:
            self.matched = self.awaited.search(plain(bytes(self.raw[searched:])))
        if (more := len(self.raw) - MOST_BYTES) > 0:
            del self.raw[:more]
            self.lost += more

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to wait for."""
        given_up = self.awaited is not None and self.awaited.given_up
        return given_up or self.matched is not None
