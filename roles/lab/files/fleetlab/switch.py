# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of more than two NICs: a learning switch between the QEMU processes' sockets.

A program of its own, started in the lab's directory: MARK LOCAL=REMOTE... names each port's own
socket and that of the NIC behind it. A multicast group would do without a process, but it hands
every host its own frames back, which breaks a bridge inside the host.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FRAME_MAX = 65536 + 18
_MULTICAST_BIT = 0x01


@dataclass(frozen=True)
class Port:
    socket: socket.socket
    remote: str

    def send(self, frame: bytes) -> None:
        # A host that is down or busy loses frames, as on any switch.
        with contextlib.suppress(OSError):
            self.socket.sendto(frame, self.remote)


def main() -> None:
    ports = [_open(*argument.split("=", 1)) for argument in sys.argv[2:]]
    selector = selectors.DefaultSelector()
    for port in ports:
        selector.register(port.socket, selectors.EVENT_READ, port)
    learned: dict[bytes, Port] = {}
    while True:
        for key, _events in selector.select():
            forward(key.data, key.data.socket.recv(FRAME_MAX), ports, learned)


def forward(source: Port, frame: bytes, ports: Sequence[Port], learned: dict[bytes, Port]) -> None:
    """Send ``frame`` on to the port where its destination was seen, or else to all others."""
    if len(frame) < 14:
        return
    destination, sender = frame[:6], frame[6:12]
    learned[sender] = source
    known = None if destination[0] & _MULTICAST_BIT else learned.get(destination)
    for port in [known] if known else ports:
        if port is not source:
            port.send(frame)


def _open(local: str, remote: str) -> Port:
    Path(local).unlink(missing_ok=True)
    endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    endpoint.setblocking(False)
    endpoint.bind(local)
    return Port(endpoint, remote)


if __name__ == "__main__":
    main()
