"""Networks of their own, for hosts and wires on one machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from support.kept_by_networkd import FILTERING
from support.private_libvirtd import wait_until


class Namespace:
    """A network of its own, as long as a process sleeps in it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["unshare", "--net", "--mount", "sleep", "900"])
        wait_until(self._is_there, 10, "a namespace")
        self.run("ip", "link", "set", "lo", "up")
        self.filters = self.try_run("ip", "link", "add", "x", "type", "bridge", *FILTERING)
        self.try_run("ip", "link", "delete", "x")

    def _is_there(self) -> bool:
        done = self._called(["readlink", "/proc/self/ns/net"])
        own = subprocess.run(
            ["readlink", "/proc/self/ns/net"], check=False, capture_output=True, text=True
        )
        return done.returncode == 0 and done.stdout != own.stdout

    @property
    def within(self) -> list[str]:
        return ["nsenter", "--net", "--mount", f"--target={self.process.pid}"]

    def _called(self, command: Iterable[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self.within, *command], check=False, capture_output=True, text=True)

    def run(self, *command: str) -> str:
        done = self._called(command)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def try_run(self, *command: str) -> bool:
        return self._called(command).returncode == 0

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
