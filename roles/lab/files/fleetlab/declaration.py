# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user declares, checked as a whole, as frozen values. Pure: no files, no processes."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import LabError

RELEASES = ("bookworm", "trixie")
PROFILES = ("kvm_host", "bare")
COMPONENTS = ("contrib", "non-free", "non-free-firmware")  # of Debian, beside main
SSH_NIC = "lab0"

RESERVED = "failed"
DEFAULT_MEMORY = "1536MiB"
HOST_OPTIONS = (
    *("name", "release", "profile", "packages", "components", "memory", "cpus"),
    *("numa_nodes", "kernel_parameters", "disks", "nics"),
)
FIRST_ADDRESS = 11

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_NIC_NAME = re.compile(r"[a-z][a-z0-9._-]{0,14}")
_DISK_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_PARAMETER = re.compile(r"[!-~]+")
_SIZE = re.compile(r"([1-9][0-9]*)(MiB|GiB)")
_UNIT_MIB = {"MiB": 1, "GiB": 1024}

_UUID_NAMESPACE = uuid.UUID("6d1f0f6e-6c61-4b56-9d3e-6b766d666c74")


@dataclass(frozen=True)
class ImageSpec:
    """What a lab host's disk holds; equal specs share one image."""

    release: str
    profile: str
    packages: tuple[str, ...] = ()
    components: tuple[str, ...] = ()


@dataclass(frozen=True)
class Disk:
    name: str
    size_mib: int


@dataclass(frozen=True)
class Nic:
    name: str
    network: str
    mac: str
    address: str | None = None


@dataclass(frozen=True)
class Host:
    name: str
    uuid: str
    image: ImageSpec
    memory_mib: int
    cpus: int | None
    numa_nodes: int
    kernel_parameters: tuple[str, ...]
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]

    def nic(self, name: str) -> Nic | None:
        return next((nic for nic in self.nics if nic.name == name), None)


@dataclass(frozen=True)
class Lab:
    name: str
    hosts: tuple[Host, ...]

    def host(self, name: str) -> Host:
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise LabError(f"lab {self.name} has no host {name}; it has {known}")

    def networks(self) -> dict[str, list[tuple[Host, Nic]]]:
        """The NICs on every network and uplink, in the order of the declaration."""
        ends: dict[str, list[tuple[Host, Nic]]] = {}
        for host in self.hosts:
            for nic in host.nics:
                ends.setdefault(nic.network, []).append((host, nic))
        return ends


class _Reader:
    """Reads mappings and collects every mistake, so that the user sees all of them at once."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def error(self, where: str, what: str) -> None:
        self.errors.append(f"{where}: {what}")

    def mapping(self, value: Any, where: str, allowed: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self.error(where, f"expected a mapping, found {value!r}")
            return {}
        for key in value:
            if key not in allowed:
                self.error(where, f"unknown option {key}; options are {', '.join(allowed)}")
        return value

    def items(self, value: Any, where: str) -> Sequence[Any]:
        if value is None:
            return []
        if not isinstance(value, Sequence) or isinstance(value, str):
            self.error(where, f"expected a list, found {value!r}")
            return []
        return value

    def name(self, value: Any, where: str, pattern: re.Pattern[str]) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.error(where, f"{value!r} is no valid name (it must match {pattern.pattern})")
        return str(value)

    def choice(self, value: Any, where: str, choices: Sequence[str]) -> str:
        if value not in choices:
            self.error(where, f"{value!r} is not one of {', '.join(choices)}")
        return str(value)

    def size_mib(self, value: Any, where: str) -> int:
        match = _SIZE.fullmatch(str(value))
        if not match:
            self.error(where, f"{value!r} is no size; write for example 1536MiB or 4GiB")
            return 0
        return int(match[1]) * _UNIT_MIB[match[2]]

    def distinct(self, names: Sequence[str], where: str, what: str) -> None:
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.error(where, f"two {what} {name}")


def check_name(name: str) -> str:
    """The name, if it can be that of a lab; it becomes a directory, which destroying removes."""
    if not _NAME.fullmatch(name):
        raise LabError(f"{name!r} is no name of a lab (it must match {_NAME.pattern})")
    return name


def parse(declaration: Any, default_name: str = "default") -> Lab:
    """The lab that ``declaration`` describes; a LabError that lists every mistake in it."""
    reader = _Reader()
    top = reader.mapping(declaration, "lab", ("name", "hosts", "networks", "uplinks"))
    name = reader.name(top.get("name") or default_name, "lab.name", _NAME)
    subnets = _subnets(reader, top.get("networks"))
    raw_hosts = reader.items(top.get("hosts"), "lab.hosts")
    if not raw_hosts:
        reader.error("lab.hosts", "at least one host is needed")
    uplinks = _uplinks(reader, top.get("uplinks"), subnets)
    hosts = tuple(
        _host(reader, raw, index, subnets, uplinks) for index, raw in enumerate(raw_hosts)
    )
    host_names = [host.name for host in hosts]
    reader.distinct(host_names, "lab.hosts", "hosts are named")
    if RESERVED in host_names:
        reader.error("lab.hosts", f"the name {RESERVED} is reserved for the logs of lost hosts")
    addresses = [nic.address for host in hosts for nic in host.nics if nic.address]
    bare = [address.partition("/")[0] for address in addresses]
    reader.distinct(bare, "lab.hosts", "NICs have the address")
    for host_name in sorted(set(uplinks) - set(host_names)):
        reader.error("lab.uplinks", f"there is no host {host_name}")
    if reader.errors:
        raise LabError("the lab declaration is wrong:\n" + _bullets(reader.errors))
    return Lab(name, hosts)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"  - {line}" for line in lines)


def _subnets(reader: _Reader, raw: Any) -> dict[str, ipaddress.IPv4Network | None]:
    subnets: dict[str, ipaddress.IPv4Network | None] = {}
    for index, item in enumerate(reader.items(raw, "lab.networks")):
        where = f"lab.networks[{index}]"
        network = reader.mapping(item, where, ("name", "subnet"))
        name = reader.name(network.get("name"), f"{where}.name", _NAME)
        if name in subnets:
            reader.error(where, f"two networks are named {name}")
        subnets[name] = _subnet(reader, network.get("subnet"), f"{where}.subnet")
    return subnets


def _subnet(reader: _Reader, value: Any, where: str) -> ipaddress.IPv4Network | None:
    if value is None:
        return None
    try:
        return ipaddress.IPv4Network(value)
    except ValueError as error:
        reader.error(where, str(error))
        return None


def _uplinks(
    reader: _Reader, raw: Any, subnets: Mapping[str, Any]
) -> dict[str, list[tuple[str, str]]]:
    """For each host its uplinks, as pairs of NIC name and the wire it is on."""
    ends: dict[str, list[tuple[str, str]]] = {}
    for index, item in enumerate(reader.items(raw, "lab.uplinks")):
        where = f"lab.uplinks[{index}]"
        pair = reader.items(item, where)
        parts = [str(end).split(":") for end in pair]
        if len(parts) != 2 or any(len(part) != 2 for part in parts):
            reader.error(where, f"{item!r} is no uplink; write for example [kvm1:up0, kvm2:up0]")
            continue
        wire = f"uplink-{index}"
        if wire in subnets:
            reader.error(where, f"the network name {wire} is reserved for uplinks")
        for host, nic in parts:
            ends.setdefault(host, []).append((nic, wire))
    return ends


def _host(
    reader: _Reader,
    raw: Any,
    index: int,
    subnets: Mapping[str, ipaddress.IPv4Network | None],
    uplinks: Mapping[str, list[tuple[str, str]]],
) -> Host:
    where = f"lab.hosts[{index}]"
    data = reader.mapping(raw, where, HOST_OPTIONS)
    name = reader.name(data.get("name"), f"{where}.name", _NAME)
    where = f"lab.hosts[{name}]"
    declared = [
        _nic(reader, item, name, index, subnets, f"{where}.nics[{position}]")
        for position, item in enumerate(reader.items(data.get("nics"), f"{where}.nics"))
    ]
    wired = [
        Nic(reader.name(nic, f"lab.uplinks of {name}", _NIC_NAME), wire, mac_of(name, nic))
        for nic, wire in uplinks.get(name, [])
    ]
    nics = tuple(declared + wired)
    reader.distinct([SSH_NIC, *(nic.name for nic in nics)], where, "NICs are named")
    return Host(
        name=name,
        uuid=str(uuid.uuid5(_UUID_NAMESPACE, name)),
        image=_image(reader, data, where),
        memory_mib=reader.size_mib(data.get("memory", DEFAULT_MEMORY), f"{where}.memory"),
        cpus=_number(reader, data.get("cpus"), f"{where}.cpus", "CPUs", 64),
        numa_nodes=_numa_nodes(reader, data, where),
        kernel_parameters=tuple(
            reader.name(word, f"{where}.kernel_parameters", _PARAMETER)
            for word in reader.items(data.get("kernel_parameters"), f"{where}.kernel_parameters")
        ),
        disks=_disks(reader, data.get("disks"), f"{where}.disks"),
        nics=nics,
    )


def _image(reader: _Reader, data: Mapping[str, Any], where: str) -> ImageSpec:
    packages = [
        reader.name(package, f"{where}.packages", _PACKAGE)
        for package in reader.items(data.get("packages"), f"{where}.packages")
    ]
    components = [
        reader.choice(component, f"{where}.components", COMPONENTS)
        for component in reader.items(data.get("components"), f"{where}.components")
    ]
    return ImageSpec(
        release=reader.choice(data.get("release", RELEASES[0]), f"{where}.release", RELEASES),
        profile=reader.choice(data.get("profile", PROFILES[0]), f"{where}.profile", PROFILES),
        packages=tuple(sorted(set(packages))),
        components=tuple(sorted(set(components))),
    )


def _number(reader: _Reader, value: Any, where: str, what: str, most: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        reader.error(where, f"{value!r} is no number of {what} from 1 to {most}")
        return None
    return value


def _numa_nodes(reader: _Reader, data: Mapping[str, Any], where: str) -> int:
    """How many nodes share its CPUs, of which each is to have as many."""
    nodes = _number(reader, data.get("numa_nodes"), f"{where}.numa_nodes", "NUMA nodes", 8) or 1
    cpus = data.get("cpus")
    if nodes > 1 and isinstance(cpus, int) and cpus % nodes:
        reader.error(where, f"{cpus} CPUs cannot be divided evenly among {nodes} NUMA nodes")
    return nodes


def _disks(reader: _Reader, raw: Any, where: str) -> tuple[Disk, ...]:
    disks = []
    for index, item in enumerate(reader.items(raw, where)):
        disk = reader.mapping(item, f"{where}[{index}]", ("name", "size"))
        disks.append(
            Disk(
                name=reader.name(disk.get("name"), f"{where}[{index}].name", _DISK_NAME),
                size_mib=reader.size_mib(disk.get("size"), f"{where}[{index}].size"),
            )
        )
    reader.distinct([disk.name for disk in disks], where, "disks are named")
    return tuple(disks)


def _nic(
    reader: _Reader,
    raw: Any,
    host: str,
    index: int,
    subnets: Mapping[str, ipaddress.IPv4Network | None],
    where: str,
) -> Nic:
    data = reader.mapping(raw, where, ("name", "network", "address"))
    name = reader.name(data.get("name"), f"{where}.name", _NIC_NAME)
    network = str(data.get("network"))
    if network not in subnets:
        reader.error(f"{where}.network", f"network {network} is not declared in lab.networks")
        return Nic(name, network, mac_of(host, name))
    address = data.get("address") or _nth_address(reader, subnets[network], index, where)
    return Nic(name, network, mac_of(host, name), _interface(reader, address, f"{where}.address"))


def _nth_address(
    reader: _Reader, subnet: ipaddress.IPv4Network | None, index: int, where: str
) -> str | None:
    if subnet is None:
        return None
    number = FIRST_ADDRESS + index
    if number >= subnet.num_addresses - 1:
        reader.error(where, f"subnet {subnet} is too small: it has no address number {number}")
        return None
    return f"{subnet[number]}/{subnet.prefixlen}"


def _interface(reader: _Reader, address: Any, where: str) -> str | None:
    if address is None:
        return None
    if not isinstance(address, str):  # a number would be taken for 0.0.0.7
        reader.error(where, f"{address!r} is no address; write one such as 10.0.0.7/24")
        return None
    try:
        return str(ipaddress.IPv4Interface(address))
    except ValueError as error:
        reader.error(where, str(error))
        return None


def mac_of(host: str, nic: str) -> str:
    """A MAC in QEMU's range that is the same in every run, as snapshots need."""
    digest = hashlib.sha256(f"{host}/{nic}".encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])
