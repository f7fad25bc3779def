"""Talk to a tiny guest (role tiny_guest) in a running domain.

Independent of the collection: standard library and virsh only. Every wait has a deadline.
The protocol is one line each way: `#ID COMMAND ARGUMENT...`, `GUEST-ANSWER ID {json}`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import select
import shlex
import shutil
import socket
import stat
import subprocess
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BUILDER = ROOT / "roles" / "tiny_guest" / "files" / "build-tiny-guest"
CACHE = ROOT / ".cache" / "tiny-guest"
# For direct kernel boot; `g.` options may follow (see the role's README).
COMMAND_LINE = "console=ttyS0 quiet cryptomgr.notests"
CHANNEL = "org.kvm.fleet.guest.0"
BLOCK_BYTES = 4096
# Emulated guests on a busy machine take their time: slow is no failure, silent is.
BOOT_TIMEOUT_S = 300.0
ANSWER_TIMEOUT_S = 180.0
ASK_AGAIN_S = 2.0


class GuestError(Exception):
    """The guest did not answer in time, or answered that it failed."""


class TinyGuest:
    """The tiny guest in the running domain NAME, reached by its channel or its serial console.

    OUTSIDE translates a path of libvirtd's, for a libvirtd that sees other files than we do.
    """

    def __init__(
        self,
        name: str,
        uri: str = "qemu:///system",
        outside: Callable[[str], str | Path] = Path,
    ) -> None:
        self.name = name
        self.uri = uri
        self.outside = outside

    def wait_ready(self, timeout_s: float = BOOT_TIMEOUT_S) -> dict[str, Any]:
        """Wait until the guest has booted; who it is: name, uuid, cpus, memory_kib, uptime_s."""
        return self._ask("hello", timeout_s=timeout_s)

    def report(self, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """All that the guest sees of its hardware: nics, disks, cpus, memory, firmware, knobs."""
        return self._ask("report", timeout_s=timeout_s)

    def wait_report(self, what: str, holds: Callable[[dict[str, Any]], Any],
                    timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:  # fmt: skip
        """The first report for which HOLDS(report) is true; hot-plug takes the guest a moment."""
        deadline = time.monotonic() + timeout_s
        while True:
            report = self.report()
            if holds(report):
                return report
            if time.monotonic() > deadline:
                raise GuestError(f"{self.name}: not within {timeout_s} s: {what}; last: {report}")
            time.sleep(0.5)

    def nic(self, mac: str) -> dict[str, Any] | None:
        """The NIC with this MAC as the guest sees it now."""
        return _nic(self.report(), mac)

    def wait_address(self, mac: str | None = None, timeout_s: float = ANSWER_TIMEOUT_S) -> str:
        """The IPv4 address, without prefix, of the NIC with this MAC (the first by default)."""
        report = self.wait_report(
            f"an address on {mac or 'the first NIC'}",
            lambda report: _ipv4(_nic(report, mac)),
            timeout_s,
        )
        return _ipv4(_nic(report, mac))

    def write(self, disk: str, first: int, count: int, pattern: str) -> str:
        """Fill COUNT blocks of 4 KiB of a disk (by name or serial); the checksum to expect."""
        if not pattern or set(pattern) & set(" \t\r\n"):
            raise ValueError(f"a pattern is one word, not {pattern!r}")
        self._ask("write", disk, first, count, pattern)
        line = f"{pattern}\n".encode()
        size = count * BLOCK_BYTES
        return hashlib.sha256((line * (size // len(line) + 1))[:size]).hexdigest()

    def checksum(self, disk: str, first: int, count: int) -> str:
        """The SHA-256 of what these blocks of the disk hold, read from the disk itself."""
        answer = self._ask("checksum", disk, first, count)
        if answer["bytes"] != count * BLOCK_BYTES:
            raise GuestError(f"{self.name}: only {answer['bytes']} bytes came from {disk}")
        return str(answer["sha256"])

    def ping(self, address: str, count: int = 3) -> int:
        """How many of COUNT pings to the address came back."""
        return int(self._ask("ping", address, count)["received"])

    def burn(self, cpus: int, seconds: int = 0) -> None:
        """Keep CPUs busy in the background, without end by default, until `calm`."""
        self._ask("burn", cpus, seconds)

    def dirty(self, mib: int, seconds: int = 0) -> None:
        """Rewrite so much memory over and over in the background, until `calm`."""
        self._ask("dirty", mib, seconds)

    def calm(self) -> None:
        """End what `burn` and `dirty` began."""
        self._ask("calm")

    def renew_dhcp(self, nic: str) -> None:
        """Ask for a lease anew, as after a change of the network behind the NIC."""
        self._ask("dhcp", nic)

    def shell(self, command: str, timeout_s: float = ANSWER_TIMEOUT_S) -> tuple[int, str]:
        """Run a command in the guest's shell: its exit code and its output."""
        quoted = shlex.quote(base64.b64encode(command.encode()).decode())
        answer = self._ask("shell", f"echo {quoted} | base64 -d | sh", timeout_s=timeout_s)
        return answer["rc"], base64.b64decode(answer["output"]).decode(errors="replace")

    def poweroff(self, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """Let the guest switch itself off, and wait until the domain has ended."""
        self._ask("poweroff")
        self.wait_state("shut off", timeout_s)

    def reboot(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Let the guest reboot, and wait until it is back."""
        before = self._ask("hello")["boot_id"]
        self._ask("reboot")
        self.wait_reboot(before, timeout_s)

    def wait_reboot(self, boot_id: str, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Wait until the guest is up in another boot than BOOT_ID (from hello or report)."""
        deadline = time.monotonic() + timeout_s
        while self.wait_ready(deadline - time.monotonic())["boot_id"] == boot_id:
            time.sleep(0.5)

    def crash(self) -> None:
        """Panic the guest's kernel."""
        self._ask("crash")

    def wait_state(self, state: str, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """Wait until virsh calls the domain's state so; a transient domain that is gone is off."""
        deadline = time.monotonic() + timeout_s
        while (now := self.state()) != state:
            if time.monotonic() > deadline:
                raise GuestError(f"{self.name}: is {now!r} after {timeout_s} s, not {state!r}")
            time.sleep(0.2)

    def state(self) -> str:
        done = self._run_virsh("domstate", self.name)
        if done.returncode and re.search("failed to get domain|Domain not found", done.stderr):
            return "shut off"
        return self._output(done)

    def virsh(self, *arguments: str) -> str:
        """The output of virsh on the guest's libvirt."""
        return self._output(self._run_virsh(*arguments))

    def _ask(self, *words: object, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """The answer to one request, asked again while the guest is deaf (it may be booting)."""
        request = " ".join(str(word) for word in words)
        deadline = time.monotonic() + timeout_s
        identity = uuid.uuid4().hex[:8]
        with _open(Path(self.outside(self._endpoint()))) as stream:
            lines = _Lines(stream)
            answer = None
            while answer is None:
                if time.monotonic() > deadline:
                    raise GuestError(f"{self.name}: no answer to {request!r} in {timeout_s} s")
                lines.send(f"#{identity} {request}\n")
                patience = deadline if words[0] != "hello" else time.monotonic() + ASK_AGAIN_S
                answer = lines.answer(identity, min(deadline, patience))
        if not answer["ok"]:
            raise GuestError(f"{self.name}: {request}: {answer['error']}")
        return answer

    def _endpoint(self) -> str:
        """The socket of the channel, or else the socket or pty of the serial console."""
        devices = ET.fromstring(self.virsh("dumpxml", self.name)).find("devices")
        if devices is None:
            raise GuestError(f"{self.name}: a domain without devices")
        for channel in devices.iterfind("channel"):
            source, target = channel.find("source"), channel.find("target")
            if target is not None and target.get("name") == CHANNEL and source is not None:
                return source.attrib["path"]
        for serial in devices.iterfind("serial"):
            source = serial.find("source")
            if serial.get("type") in ("pty", "unix") and source is not None:
                return source.attrib["path"]
        raise GuestError(
            f"{self.name}: not running, or neither a channel {CHANNEL} nor a serial console of "
            "type unix or pty"
        )

    def _run_virsh(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["virsh", "--quiet", "--connect", self.uri, *arguments],
            capture_output=True, text=True, timeout=300, env={**os.environ, "LC_ALL": "C"},
            check=False,
        )  # fmt: skip

    def _output(self, done: subprocess.CompletedProcess[str]) -> str:
        if done.returncode:
            raise GuestError(f"{self.name}: {' '.join(done.args[3:])}: {done.stderr.strip()}")
        return done.stdout.strip()


class _Lines:
    """Requests into, and answers out of, a stream that carries other text too."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = b""

    def send(self, line: str) -> None:
        data = line.encode()
        while data:
            data = data[os.write(self._descriptor, data) :]

    def answer(self, identity: str, deadline: float) -> dict[str, Any] | None:
        """The answer with this identity, None if it is not there by the deadline."""
        marker = f"GUEST-ANSWER {identity} ".encode()
        while (remaining := deadline - time.monotonic()) > 0:
            head, newline, self._pending = self._pending.partition(b"\n")
            if newline:
                _before, found, text = head.partition(marker)
                if found:
                    return json.loads(text)
                continue
            self._pending = head
            if select.select([self._descriptor], [], [], remaining)[0]:
                self._pending += self._read()
        return None

    def _read(self) -> bytes:
        try:
            data = os.read(self._descriptor, 65536)
        except OSError as error:  # a pty says EIO where a socket just ends
            raise GuestError(f"the connection to the guest failed: {error}") from error
        if not data:
            raise GuestError("the connection to the guest has ended: did the domain stop?")
        return data


@contextlib.contextmanager
def _open(path: Path) -> Iterator[int]:
    """A descriptor that talks with the character device's other end."""
    if not stat.S_ISSOCK(path.stat().st_mode):
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        return
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_TIMEOUT_S)
        connection.connect(str(path))
        connection.settimeout(None)
        yield connection.fileno()


def _nic(report: dict[str, Any], mac: str | None) -> dict[str, Any] | None:
    for nic in report["nics"]:
        if mac in (None, nic["mac"]):
            return nic
    return None


def _ipv4(nic: dict[str, Any] | None) -> str:
    for address in nic["addresses"] if nic else ():
        if "." in address:
            return str(address).split("/", maxsplit=1)[0]
    return ""


def build(directory: Path = CACHE) -> Path:
    """Build the guest there unless it is there and up to date; the directory."""
    done = subprocess.run(
        [str(BUILDER), str(directory)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise GuestError(done.stderr.strip())
    return directory


def provide(directory: Path) -> None:
    """Copy the guest's files to where QEMU's user can read them, as below /root it cannot."""
    directory.mkdir(mode=0o711, exist_ok=True)
    built = build()
    for name in ("vmlinuz", "initramfs.img", "tiny.qcow2"):
        shutil.copy(built / name, directory / name)
