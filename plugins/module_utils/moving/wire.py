# SPDX-License-Identifier: GPL-3.0-or-later
"""Over what the data of a live migration goes, from QEMU to QEMU."""

from __future__ import annotations

import ipaddress
import re

from .move import Move
from .options import TLS

_HOST = re.compile(r"^[a-z+0-9]+://(?:[^@/]*@)?(\[[^\]]+\]|[^:/?]+)")


def data_uri(move: Move) -> str:
    """Where the target's QEMU takes the data; empty where libvirt there is to say it.

    Its own answer is what migration_host of its qemu.conf says, or else its host name.
    """
    network = move.options.network
    if network:
        return f"tcp://{_bracketed(network)}"
    named = move.target.migration_uri
    host = host_of(named) if named != move.target.uri else ""
    return f"tcp://{host}" if host else ""


def tls_name(move: Move) -> str:
    """By which name the target's certificate is checked, where that is not the data's address."""
    if move.options.transport != TLS or not move.options.network:
        return ""
    return host_of(move.target.migration_uri).strip("[]")


def host_of(uri: str) -> str:
    """The host in a libvirt URI; empty where it is the machine itself."""
    found = _HOST.match(uri)
    return found.group(1) if found else ""


def _bracketed(address: str) -> str:
    try:
        return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    except ValueError:
        return address  # a name, or brackets are there already
