# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to hosts that may stop answering, of which libvirt itself would never tell."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from ..engine.errors import FleetError
from .connection import libvirt

# As virsh has it: a connection on which nothing came back for so long is lost.
KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 5, 6
# No question is asked before a connection is open, and ssh to a busy host takes its time.
OPENING_TIMEOUT_S = 90.0


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
            f"libvirt at {uri} did not answer within {OPENING_TIMEOUT_S:.0f} s; see whether its "
            "daemon hangs (virsh -c URI uri), restart it, and run again"
        )
    return opened[0]
