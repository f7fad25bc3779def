# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a server answers this machine, and what it says first."""

from __future__ import annotations

import socket

from .connection import Host

CONNECT_TIMEOUT_S = 3.0
GREETING_BYTES = 8


def read_reaches(host: Host, address: str, port: str) -> str | None:
    """What comes of a connection from this machine; a refused one shows that there is a way."""
    if not host.is_local:
        return None
    try:
        with socket.create_connection((address, int(port)), CONNECT_TIMEOUT_S):
            return "open"
    except ConnectionRefusedError:
        return "closed"
    except OSError as error:
        return error.strerror or str(error)


def read_greeting(host: Host, address: str, port: str) -> str | None:
    """What a server says before it was asked anything; empty where it says nothing in time."""
    if not host.is_local:
        return None
    try:
        with socket.create_connection((address, int(port)), CONNECT_TIMEOUT_S) as connection:
            connection.settimeout(CONNECT_TIMEOUT_S)
            return connection.recv(GREETING_BYTES).decode("ascii", errors="replace")
    except OSError:
        return ""
