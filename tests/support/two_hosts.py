"""Two private libvirtds that are two KVM hosts to each other: VMs really migrate between them.

Each has a UUID and a name of its own, and files of its own behind the same paths, as hosts without
shared storage have. Two wires join them: `control`, over which libvirt is reached by TCP, and
`data`, which only migrations use and which a test may cut.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support.private_libvirtd import (
    LIBVIRTD_PID_FILE,
    START_TIMEOUT_S,
    PrivateLibvirtd,
    wait_until,
)

LIBVIRTD_CONF = """\
listen_tls = 0
listen_tcp = 1
auth_tcp = "none"
host_uuid = "{uuid}"
"""
WIRES = {"control": "192.0.2.", "data": "198.51.100."}
LIBVIRT_PORT = 16509


class TwinHost(PrivateLibvirtd):
    """One of two hosts: a private libvirtd that listens on TCP, and has an identity of its own."""

    def __init__(self, directory: Path, name: str, number: int) -> None:
        super().__init__(directory)
        self.name = name
        self.control, self.data = (f"{net}{number}" for net in WIRES.values())
        self.tcp_uri = f"qemu+tcp://{self.control}/system"

    @property
    def migration_uri(self) -> str:
        """Where QEMU takes what comes from the other host."""
        return f"tcp://{self.data}"

    def start_libvirtd(self) -> None:
        """Run libvirtd so that it listens on TCP too; return when it answers."""
        self.run(["hostname", self.name])
        self.run(["libvirtd", "--daemon", "--listen", "--pid-file", LIBVIRTD_PID_FILE])
        wait_until(self.answers, START_TIMEOUT_S, f"libvirtd to listen on {self.socket}")

    def set_wire(self, wire: str, up: bool) -> None:
        """Plug a wire in or out at this end, which the other one notices as well."""
        self.run(["ip", "link", "set", wire, "up" if up else "down"])

    def _make_folders(self) -> None:
        super()._make_folders()
        text = LIBVIRTD_CONF.format(uuid=uuid.uuid4())
        self.outside("/etc/libvirt/libvirtd.conf").write_text(text)


@dataclass(frozen=True)
class TwoHosts:
    """Two hosts, and what is common to them."""

    source: TwinHost
    target: TwinHost

    @property
    def both(self) -> tuple[TwinHost, TwinHost]:
        """Both of them."""
        return self.source, self.target

    def mend(self) -> None:
        """Have all up again, whatever a test cut or killed."""
        for host in self.both:
            for wire in WIRES:
                host.set_wire(wire, True)
            if not host.answers():
                host.start_libvirtd()


@contextmanager
def two_hosts(folder: Path) -> Iterator[TwoHosts]:
    """Two hosts in folders that begin so, joined by their wires, for as long as the block lasts."""
    source = TwinHost(Path(f"{folder}-a"), "kvm1", 1)
    target = TwinHost(Path(f"{folder}-b"), "kvm2", 2)
    started: list[TwinHost] = []
    try:
        for host in (source, target):
            host.start()
            started.append(host)
        for wire in WIRES:
            _join(source, target, wire)
        yield TwoHosts(source, target)
    finally:
        for host in started:
            with suppress(Exception):
                host.stop()


def _join(one: TwinHost, other: TwinHost, wire: str) -> None:
    """Lay a wire between the network namespaces of two hosts, with an address at each end."""
    there = other.namespaces.split("/")[2]
    enter = ["nsenter", f"--net={one.namespaces}/net", "--"]
    pair = ["ip", "link", "add", wire, "type", "veth", "peer", "name", wire, "netns", there]
    subprocess.run([*enter, *pair], check=True)
    for host in (one, other):
        address = host.control if wire == "control" else host.data
        host.run(["ip", "address", "add", f"{address}/24", "dev", wire])
        host.set_wire(wire, True)
