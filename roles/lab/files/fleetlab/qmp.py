# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talks to a QEMU process over its monitor socket, always with a deadline."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from .errors import LabError

SOCKET = "qmp.sock"


class Monitor:
    """A connection to the monitor of the host whose directory is given."""

    def __init__(self, directory: Path, timeout_s: float = 20) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            _connect(self._socket, directory, SOCKET)
            self._lines = self._socket.makefile("r", encoding="utf-8")
            self._next()  # the greeting
            self.execute("qmp_capabilities")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_exception: Any) -> None:
        self._lines.close()
        self._socket.close()

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """The command's result; events that arrive before it are dropped."""
        request = {"execute": command, "arguments": arguments or {}}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self._next()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise LabError(f"QEMU refused {command}: {answer['error']['desc']}")

    def human(self, line: str) -> str:
        """Run a command that only the human monitor has; what it prints is its only result."""
        text: str = self.execute("human-monitor-command", {"command-line": line})
        return text.strip()

    def _next(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except socket.timeout:
            raise LabError("QEMU's monitor did not answer within its deadline") from None
        if not line:
            raise LabError("QEMU closed its monitor")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _connect(client: socket.socket, directory: Path, name: str) -> None:
    """Connect through the directory's descriptor: a socket's path is limited to 107 bytes."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        client.connect(f"/proc/self/fd/{descriptor}/{name}")
    finally:
        os.close(descriptor)
