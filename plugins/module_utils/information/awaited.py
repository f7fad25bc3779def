# SPDX-License-Identifier: GPL-3.0-or-later
"""A regular expression that is searched for in what a guest writes, with a deadline.

Some expressions take hours over some texts, and what a guest writes is its own. `re` lets signals
through while it searches, so a timer ends it.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

GRACE_S = 5.0  # for the last search, which may begin at the deadline


class Awaited:
    """What is awaited, and whether the search for it had to be given up."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern
        self.deadline = time.monotonic()
        self.given_up = False

    def search(self, text: str) -> str | None:
        """What was found in a text. None, too, where that takes beyond the deadline."""
        if self.given_up:
            return None
        try:
            with _ended_after(max(self.deadline - time.monotonic(), 0) + GRACE_S):
                found = self.pattern.search(text)
        except _TooLateError:
            self.given_up = True
            return None
        return found[0] if found else None


class _TooLateError(Exception):
    """The time for a search is over."""


@contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    def end(*_: Any) -> None:
        raise _TooLateError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
