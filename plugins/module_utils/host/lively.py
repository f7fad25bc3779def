# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to hosts that may stop answering, of which libvirt itself would never tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from ..engine.errors import FleetError
from ..engine.secret_words import without_login
from .connection import libvirt, said

# As virsh has it: a connection on which nothing came back for so long is lost.
KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 5, 6
# No question is asked before a connection is open, and ssh to a busy host takes its time.
OPENING_TIMEOUT_S = 90.0
PULSE_EVERY_S = 1.0


def open_watched(open_it: Callable[[str], Any], uri: str) -> Any:
    """A connection that ends by itself where the other side no longer answers."""
    _watch()
    conn = _in_time(open_it, uri)
    with suppress(libvirt.libvirtError):  # a daemon that knows no keepalive
        conn.setKeepAlive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)
    return conn


@cache
def _watch() -> None:
    """Have libvirt's event loop run beside all else: it is what sends the questions."""
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_run_events, name="libvirt-events", daemon=True).start()


def _run_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _in_time(open_it: Callable[[str], Any], uri: str) -> Any:
    """What is opened; a call that does not come back is left behind."""
    opened: list[Any] = []
    failed: list[libvirt.libvirtError] = []

    def try_it() -> None:
        try:
            opened.append(open_it(uri))
        except libvirt.libvirtError as error:
            failed.append(error)

    trying = threading.Thread(target=try_it, name="libvirt-open", daemon=True)
    trying.start()
    trying.join(OPENING_TIMEOUT_S)
    for error in failed:
        raise error
    if not opened:
        raise FleetError(
            f"libvirt at {without_login(uri, uri)} did not answer within "
            f"{OPENING_TIMEOUT_S:.0f} s; see whether its daemon hangs "
            "(virsh -c URI uri), restart it, and run again"
        )
    return opened[0]


@contextmanager
def beside(uri: str) -> Iterator[Any]:
    """Another connection to a host, by which to ask while the first one waits for an answer.

    When a connection is given up, libvirt's client ends one of the calls that wait on it, and
    leaves the others waiting for ever (seen with 9.0).
    """
    try:
        conn = open_watched(libvirt.open, uri)
    except libvirt.libvirtError as error:
        told = without_login(f"{uri} a second time: {said(error)}", uri)
        raise FleetError(
            f"could not connect to {told}; see max_clients in its libvirtd.conf (virtqemud.conf), "
            "and run again"
        ) from error
    try:
        yield conn
    finally:
        with suppress(libvirt.libvirtError):
            conn.close()


class Pulse(threading.Thread):
    """Asks a host again and again, beside what else is asked of it."""

    def __init__(self, uri: str) -> None:
        super().__init__(name="libvirt-pulse", daemon=True)
        self._uri = uri
        self._over = threading.Event()
        self._asked_at: float | None = None

    @property
    def silent_s(self) -> float:
        """For how long a question has been open."""
        asked_at = self._asked_at
        return 0.0 if asked_at is None else time.monotonic() - asked_at

    def run(self) -> None:
        """Ask until it is over, or the connection is lost. How long it takes to open says nothing:
        ssh to a busy host takes its time."""
        with suppress(libvirt.libvirtError, FleetError), beside(self._uri) as conn:
            while not self._over.wait(PULSE_EVERY_S):
                self._asked_at = time.monotonic()
                conn.getLibVersion()
                self._asked_at = None

    def end(self) -> None:
        """Ask no more; what is still asked is not waited for."""
        self._over.set()


@contextmanager
def pulse_of(uri: str) -> Iterator[Pulse]:
    """The pulse of a host for as long as the block lasts."""
    pulse = Pulse(uri)
    pulse.start()
    try:
        yield pulse
    finally:
        pulse.end()
