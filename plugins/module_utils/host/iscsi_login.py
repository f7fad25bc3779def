# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an iSCSI server would begin a login to a target, by the first request of one (RFC 7143).

The server looks up the target, and the initiator in its access list, before anything else. The
connection is closed then, so that there never is a session.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from pathlib import Path

from ..engine.host import FORBIDS, HAS_NONE, LETS_IN
from .connection import Host

DEADLINE_S = 5.0
NAME_FILE = Path("/etc/iscsi/initiatorname.iscsi")

# Of the class of errors of an initiator: forbidden, not found, removed. Others tell of the request.
REFUSALS = {(2, 2): FORBIDS, (2, 3): HAS_NONE, (2, 4): HAS_NONE}
LETTING_IN = 0

_HEADER = struct.Struct(">BB2xI6sHIH2xII16x")
_REQUEST, _ANSWER = 0x43, 0x23
_FROM_SECURITY_TO_OPERATIONS = 0x81
_RANDOM_SESSION = 0x80  # a session of the same name that is there already is another one
_STATUS_AT = 36


def read_iscsi_login(
    host: Host, address: str, port: str, target: str, initiator: str
) -> str | None:
    """What comes of a login, by the host's own name where none is given; None: nobody can tell."""
    name = initiator or own_name()
    if not host.is_local or not name:
        return None
    try:
        with socket.create_connection((address, int(port)), DEADLINE_S) as connection:
            connection.settimeout(DEADLINE_S)
            connection.sendall(request(name, target))
            return meant(_received(connection, _HEADER.size))
    except OSError:
        return None


def own_name() -> str:
    """The name by which open-iscsi logs in; empty where there is none, or it cannot be read."""
    try:
        text = NAME_FILE.read_text(errors="replace")
    except OSError:
        return ""
    said = re.search(r"^\s*InitiatorName\s*=\s*(\S+)", text, re.MULTILINE)
    return said.group(1) if said else ""


def request(initiator: str, target: str) -> bytes:
    """The first request of a login."""
    said = (
        f"InitiatorName={initiator}",
        f"TargetName={target}",
        "SessionType=Normal",
        "AuthMethod=CHAP,None",
    )
    data = b"".join(one.encode() + b"\0" for one in said)
    session = bytes([_RANDOM_SESSION]) + os.urandom(3) + b"\0\0"
    header = _HEADER.pack(_REQUEST, _FROM_SECURITY_TO_OPERATIONS, len(data), session, 0, 0, 0, 0, 0)
    return header + data + b"\0" * (-len(data) % 4)


def meant(answer: bytes) -> str | None:
    """What the header of an answer says."""
    if len(answer) < _HEADER.size or answer[0] != _ANSWER:
        return None
    kind, detail = answer[_STATUS_AT : _STATUS_AT + 2]
    return LETS_IN if kind == LETTING_IN else REFUSALS.get((kind, detail))


def _received(connection: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer where the server says no more."""
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            break
        data += more
    return data
