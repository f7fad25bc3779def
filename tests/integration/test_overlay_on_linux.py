"""Overlays of bridges of Linux, between three hosts in namespaces of the network.

Where the kernel has bridges that do not filter VLANs, these are left out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host.linux_bridges import (
    fixed_in,
    links_in,
    peers_in,
    vlans_in,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    linux_commands,
    linux_files,
    linux_seen,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.overlay import Overlay
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from support.kept_by_networkd import FILTERING, Keeper, why_not_here
from support.namespaces import Namespace
from support.open_vswitch import CAPTURE
from support.private_libvirtd import wait_until

BRIDGE, TUNNEL, MAC = "br9", "br9-ov", "52:54:00:0e:09:{0}"


class LinuxHost:
    """One on the wire, with a guest."""

    def __init__(self, wire: Namespace, number: int) -> None:
        self.host, self.guest, self.wire = Namespace(), Namespace(), wire
        self.name = f"h{number}"
        self.address, self.of_guest = f"192.0.2.{number}", f"10.99.0.{number}"
        self.mac = MAC.format(number)
        self.now = Switch("net")
        pair = ("type", "veth", "peer", "name")
        wire.run("ip", "link", "add", self.name, *pair, "eth0", "netns", str(self.host.process.pid))
        wire.run("ip", "link", "set", self.name, "master", "wire", "up")
        self.host.run(
            "ip", "link", "add", "port", *pair, "eth0", "netns", str(self.guest.process.pid)
        )
        for where, address in ((self.host, self.address), (self.guest, self.of_guest)):
            where.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
            where.run("ip", "link", "set", "eth0", "up")

    def becomes(self, will: Switch) -> None:
        """What a run tells `ip` and `bridge`, as far as the kernel has it."""
        self._tell(linux_commands.releasing(self.links, BRIDGE, self.now, will))
        self._tell(linux_commands.making(self.links, BRIDGE, will, self.mac))
        self.now = will
        self.host.run("ip", "link", "set", "port", "master", BRIDGE, "up")
        assert not self.astray, self.astray
        assert not list(linux_commands.releasing(self.links, BRIDGE, will, will))

    def _tell(self, commands: Iterable[list[str]]) -> None:
        for command in commands:
            if self.host.filters:
                self.host.run(*command)
            elif command[:2] != ["bridge", "vlan"]:
                self.host.run(*(word for word in command if word not in FILTERING))

    @property
    def links(self) -> dict[str, Any]:
        links = links_in(self._told("ip", "-d", "link", "show"))
        if TUNNEL in links:
            rows = self._told("bridge", "fdb", "show", "dev", TUNNEL)
            [of_tunnel] = self._told("ip", "link", "show", "dev", TUNNEL)
            fixed = fixed_in(rows, of_tunnel["address"])
            links[TUNNEL]["tunnel"].update(peers=peers_in(rows), fixed=fixed)
        return links

    @property
    def astray(self) -> dict[str, str]:
        files = linux_files.files_of(BRIDGE, self.now, self.mac)
        vlans = vlans_in(self._told("bridge", "-compressvlans", "vlan", "show"))
        found = {"links": self.links, "vlans": vlans, "files": {"networkd": files}, "starts": False}
        was = linux_seen.astray(found, BRIDGE, self.now, self.mac)[0]
        return {of: how for of, how in was.items() if self.host.filters or "VLAN" not in of}

    def _told(self, program: str, *asked: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.host.run(program, "-j", *asked) or "[]")
        return rows

    def pinging(self, other: LinuxHost, *said: str) -> list[str]:
        return ["ping", "-c", "1", "-W", "1", *said, other.of_guest]

    def reaches(self, other: LinuxHost, *said: str) -> bool:
        return self.guest.try_run(*self.pinging(other, *said))

    def captured(self, other: LinuxHost) -> list[str]:
        """What passes the wire meanwhile, and for some seconds."""
        within = ["nsenter", "--net", f"--target={self.guest.process.pid}"]
        command = ["python3", "-c", CAPTURE, self.name, *within, *self.pinging(other)]
        return self.wire.run(*command).splitlines()

    def end(self) -> None:
        self.host.end()
        self.guest.end()


@pytest.fixture
def wire() -> Iterator[Namespace]:
    missing = [name for name in ("ip", "bridge", "ping", "nsenter") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    namespace = Namespace()
    namespace.run("ip", "link", "add", "name", "wire", "up", "type", "bridge")
    yield namespace
    namespace.end()


@pytest.fixture
def hosts(wire: Namespace) -> Iterator[list[LinuxHost]]:
    hosts = [LinuxHost(wire, number) for number in (11, 12, 13)]
    yield hosts
    for one in hosts:
        one.end()


def switch_of(host: LinuxHost, peers: Iterable[LinuxHost], number: int = 5000) -> Switch:
    others = tuple(one.address for one in peers if one is not host)
    overlay = Overlay("vxlan", number, others, host.address, 4789)
    return Switch("net", mtu=1446, backend="networkd", overlay=overlay)


def test_guests_on_three_hosts_reach_each_other_by_vxlan(hosts: list[LinuxHost]) -> None:
    here, near, far = hosts
    for one in hosts:
        one.becomes(switch_of(one, hosts))
    for one, other in ((here, near), (near, far), (far, here)):
        wait_until(lambda a=one, b=other: a.reaches(b), 30, f"{one.name} to {other.name}")
    frames = here.captured(near)
    assert len(frames) < 200, "nothing goes in circles"
    tunnelled = [one.split() for one in frames if len(one.split()) > 1]
    assert {(kind, port, number) for kind, port, number, _inner in tunnelled} == {
        ("0800", "4789", "5000")
    }
    assert not [one for one in frames if one.startswith("8100")]
    # What guests are told to send at most passes as it is, and nothing larger.
    assert here.reaches(near, "-M", "do", "-s", str(1446 - 28))
    assert not here.reaches(near, "-M", "do", "-s", str(1500 - 28))

    # What others set of a tunnel is taken back.
    in_the_way = ["bridge", "fdb", "add", "02:00:00:00:00:01", "dev", TUNNEL]
    near.host.run(*in_the_way, "dst", far.address)
    near.host.run(*in_the_way, "master", "static")
    near.host.run(*("bridge", "link", "set", "dev", TUNNEL, "isolated", "on", "learning", "off"))
    near.host.run("ip", "link", "set", "dev", TUNNEL, "type", "vxlan", "nolearning")
    assert {*near.astray} == {
        f"{TUNNEL} {what}"
        for what in ("isolated", "learning of peers", "learning on the bridge", "fixed addresses")
    }
    near.becomes(near.now)

    far.becomes(switch_of(far, [near]))
    here.becomes(switch_of(here, [near]))
    assert here.reaches(near) and not here.reaches(far)
    far.becomes(switch_of(far, hosts))
    here.becomes(switch_of(here, hosts))
    wait_until(lambda: here.reaches(far), 30, "an answer of a peer that came back")
    here.becomes(switch_of(here, hosts, number=7))
    assert not here.reaches(near)
    near.becomes(switch_of(near, hosts, number=7))
    wait_until(lambda: here.reaches(near), 30, "an answer by the other number")

    without = replace(here.now, overlay=None)
    here.becomes(without)
    assert TUNNEL not in here.links
    near._tell(linux_commands.removing(near.links, BRIDGE))
    assert not {BRIDGE, TUNNEL} & {*near.links}


@pytest.fixture
def keeper(hosts: list[LinuxHost]) -> Iterator[Keeper]:
    if reason := why_not_here():
        pytest.skip(reason)
    keeper = Keeper(hosts[0].host.within, hosts[0].host.filters)
    yield keeper
    keeper.end()


def test_networkd_keeps_an_overlay_and_makes_it_when_the_host_starts(
    hosts: list[LinuxHost], keeper: Keeper
) -> None:
    here, near, far = hosts
    for one in (near, far):
        one.becomes(switch_of(one, hosts))

    def here_becomes(will: Switch) -> None:
        keeper.wire(BRIDGE, will.facts)
        here.now = will
        here.host.run("ip", "link", "set", "port", "master", BRIDGE, "up")

    here_becomes(switch_of(here, [near]))
    assert here.links[TUNNEL]["tunnel"]["peers"] == [near.address]
    wait_until(lambda: here.reaches(near), 30, "an answer")

    here_becomes(switch_of(here, [far]))
    assert here.links[TUNNEL]["tunnel"]["peers"] == [far.address]
    wait_until(lambda: here.reaches(far), 30, "an answer of another peer")

    here_becomes(switch_of(here, hosts, number=7))
    assert not here.reaches(far)
    for one in (near, far):
        one.becomes(switch_of(one, hosts, number=7))
    wait_until(lambda: here.reaches(near) and here.reaches(far), 30, "answers by another number")

    for name in (BRIDGE, TUNNEL):
        here.host.run("ip", "link", "delete", name)
    keeper.start_again()
    wait_until(lambda: {BRIDGE, TUNNEL} <= {*here.links}, 30, "what the files say")
    here.host.run("ip", "link", "set", "port", "master", BRIDGE, "up")
    wait_until(lambda: here.reaches(near) and here.reaches(far), 30, "answers after a start")

    here_becomes(replace(here.now, overlay=None))
    assert TUNNEL not in here.links
