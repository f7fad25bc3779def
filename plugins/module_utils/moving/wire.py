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
        return f"tcp://{_bracketed(address_of(move, network))}"
    named = move.target.migration_uri
    host = host_of(named) if named != move.target.uri else ""
    return f"tcp://{host}" if host else ""


def address_of(move: Move, network: str) -> str:
    """The address at the target that is meant: that of its interface, where that is named.

    Any other name is left as it is, and leads wherever the source finds it.
    """
    found = of_interface(move, network) or [network]
    return next((one for one in found if ":" not in one), found[0])


def of_interface(move: Move, network: str) -> list[str] | None:
    """The addresses of an interface of the target; None where it is not known to have one so
    called."""
    if not network or _is_address(network):
        return None
    return (move.target.moves.addresses or {}).get(network)


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
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True
