# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a server answers this machine."""

from __future__ import annotations

import socket

from .connection import Host

CONNECT_TIMEOUT_S = 3.0


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
