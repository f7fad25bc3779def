# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks many at once, each in a process of its own, with a deadline for each.

Processes and not threads: a call that hangs in libvirt, or in the ssh that it started, can be ended
only with its process; and what is read is taken apart on all CPUs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any, Generic, TypeVar

from ..engine.errors import FleetError, FleetErrors

Answer = TypeVar("Answer")

# How many are asked at a time.
AT_ONCE = 64
# After its deadline an asker ends by itself: whoever was to end it may be gone.
GRACE_S = 5
# By `fork` an asker starts in milliseconds with all that was imported, as Ansible's own workers do.
_FORKED = multiprocessing.get_context("fork")


@dataclass
class Outcome(Generic[Answer]):
    """The last answer, None if there was none, and why there is no further one."""

    answer: Answer | None = None
    error: str = ""


def ask_all(
    askers: Mapping[str, Callable[[], Iterator[Answer]]], timeout_s: float
) -> dict[str, Outcome[Answer]]:
    """What each asker has for an answer within the time. Each may answer again and know more."""
    waiting = list(askers)
    running: dict[Any, _Asker[Answer]] = {}
    outcomes: dict[str, Outcome[Answer]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                name = waiting.pop(0)
                asker = _Asker(name, askers[name], timeout_s)
                running[asker.pipe] = asker
            _listen(running)
            for pipe in [pipe for pipe, asker in running.items() if asker.is_done()]:
                asker = running.pop(pipe)
                asker.end()
                outcomes[asker.name] = asker.outcome
    finally:
        for asker in running.values():
            asker.end()
    return {name: outcomes[name] for name in askers}


def _listen(running: Mapping[Any, _Asker[Answer]]) -> None:
    """Take what comes until the first deadline."""
    left = min(asker.deadline for asker in running.values()) - time.monotonic()
    for pipe in connection.wait(list(running), max(left, 0)):
        running[pipe].take()


class _Asker(Generic[Answer]):
    """One process that asks."""

    def __init__(self, name: str, ask: Callable[[], Iterator[Answer]], timeout_s: float) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self.deadline = time.monotonic() + timeout_s
        self.outcome: Outcome[Answer] = Outcome()
        self.pipe, theirs = _FORKED.Pipe(duplex=False)
        self._ended = False
        self._process = _FORKED.Process(target=_ask, args=(ask, theirs, timeout_s), daemon=True)
        self._process.start()
        theirs.close()

    def take(self) -> None:
        """Take an answer, or the end."""
        try:
            kind, said = self.pipe.recv()
        except (EOFError, OSError):
            self._ended = True
            if self.outcome.answer is None and not self.outcome.error:
                self.outcome.error = "was not read: the process that asked it ended"
            return
        if kind == "answer":
            self.outcome.answer = said
        else:
            self.outcome.error = said

    def is_done(self) -> bool:
        """Whether nothing more comes, or nothing that would be in time."""
        if not self._ended and time.monotonic() > self.deadline:
            self._ended = True
            self.outcome.error = f"did not answer within {self.timeout_s:g} s"
        return self._ended

    def end(self) -> None:
        """End the process and all that it started."""
        if self._process.pid is not None:
            with suppress(OSError):  # it has ended, or leads no group yet
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _ask(ask: Callable[[], Iterator[Any]], pipe: Any, timeout_s: float) -> None:
    """Ask, and send every answer as it comes. Runs in a process of its own."""
    # A group of its own, to be ended as a whole, and without a terminal: nobody can answer the
    # questions of many ssh at once.
    os.setsid()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, timeout_s + GRACE_S)
    try:
        for answer in ask():
            pipe.send(("answer", answer))
    except (FleetError, FleetErrors) as error:
        pipe.send(("error", str(error)))
    except Exception as error:  # no traceback reaches a user, and no host takes others along
        pipe.send(("error", f"{type(error).__name__}: {error}"))
    finally:
        pipe.close()
