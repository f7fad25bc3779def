# SPDX-License-Identifier: GPL-3.0-or-later
"""What a definition cannot be, where libvirt says so late, in other words, or not at all."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.cpu_lists import cpus_in, listed
from ...engine.errors import FleetError, Mistakes
from ...engine.fields import items_of
from ...engine.keys import named
from ...engine.xmltree import Element
from . import cpu_time, memory_rules, platform, room, shared_folders
from .nic_rows import NICS
from .pinning import IOTHREADS, iothreads_of
from .port_rows import CONSOLES, SERIAL, SERIALS
from .screen_rows import DISPLAYS
from .table import DISKS

VNC_PORTS = 5900
SOCKET_PATH = 107  # Linux has place for so many, and the end


def check(after: Element, before: Element | None, mistakes: Mistakes) -> None:
    """What is wrong with a definition as it would be, and was not wrong with it before."""
    found = [] if before is None else [*_wrong(before, None)]
    known = {(error.field, error.message) for error in found}
    mistakes.extend(e for e in _wrong(after, before) if (e.field, e.message) not in known)


def _wrong(domain: Element, before: Element | None) -> Iterator[FleetError]:
    yield from cpu_time.wrong(domain)
    yield from memory_rules.wrong(domain, before)
    yield from platform.wrong(domain)
    yield from room.wrong(domain)
    yield from shared_folders.wrong(domain)
    yield from _goes_with_a_kernel(domain)
    yield from _goes_with_a_cache(domain)
    yield from _has_its_vcpus(domain)
    yield from _has_its_iothreads(domain)
    yield from _has_a_port_of_vnc(domain)
    yield from _has_one_screen_of_a_type(domain)
    yield from _has_paths_that_can_be(domain)
    yield from _has_no_path_to_lose(domain)
    yield from _is_an_emulated_tpm(domain)
    yield from _is_on_a_network(domain)


def _goes_with_a_kernel(domain: Element) -> Iterator[FleetError]:
    """libvirt stores it, and QEMU does not start."""
    if xmltree.get(domain, "os/kernel"):
        return
    for tag in ("initrd", "cmdline"):
        if xmltree.get(domain, f"os/{tag}"):
            yield FleetError(
                'goes with a kernel only; set boot.kernel too, or this to ""', field=f"boot.{tag}"
            )


def _goes_with_a_cache(domain: Element) -> Iterator[FleetError]:
    """QEMU's native I/O bypasses the host's cache (virDomainDiskDefValidate)."""
    for name, disk in items_of(DISKS, domain).items():
        cache = xmltree.get(disk, "driver/@cache") or "default"
        if xmltree.get(disk, "driver/@io") == "native" and cache not in ("none", "directsync"):
            yield FleetError(
                f"native needs the cache none or directsync, and it is {cache}; set cache too",
                field=f"disks.{name}.io",
            )


def _is_an_emulated_tpm(domain: Element) -> Iterator[FleetError]:
    """libvirt drops the version of any other in silence."""
    backend = domain.find("devices/tpm/backend")
    if backend is not None and backend.get("type") != "emulator" and backend.get("version"):
        yield FleetError(
            f"is for an emulated TPM, and this VM has one of type {backend.get('type')}",
            field="tpm.version",
        )


def _is_on_a_network(domain: Element) -> Iterator[FleetError]:
    """libvirt drops in silence what is of another kind of NIC: a port group, a driver."""
    for name, nic in items_of(NICS, domain).items():
        if xmltree.get(nic, "source/@portgroup") and nic.get("type") != "network":
            yield FleetError(
                f"is of a vswitch, and this NIC is of type {nic.get('type')}; set vswitch too",
                field=f"nics.{name}.port_group",
            )
        has_parameters = nic.find("filterref/parameter") is not None
        if has_parameters and not xmltree.get(nic, "filterref/@filter"):
            message = "are of a filter; write filter.name too"
            yield FleetError(message, field=f"nics.{name}.filter.parameters")
        if nic.get("type") == "hostdev":
            yield from _is_a_device_of_the_host(name, nic)
            continue
        model = xmltree.get(nic, "model/@type") or ""
        for option, attribute, unset in (("driver", "name", "default"), ("queues", "queues", "0")):
            if xmltree.get(nic, f"driver/@{attribute}") and not model.startswith("virtio"):
                message = (
                    f"is for the model virtio, not {model or 'the one that libvirt chooses'}; "
                    f"write {unset}"
                )
                yield FleetError(message, field=f"nics.{name}.{option}")


def _is_a_device_of_the_host(name: str, nic: Element) -> Iterator[FleetError]:
    """What QEMU does of the NICs that it emulates: libvirt refuses it in the run."""
    of_qemu = (("driver", "driver/@name"), ("queues", "driver/@queues"), ("mtu", "mtu/@size"))
    for option, path in of_qemu:
        if xmltree.get(nic, path):
            message = "is not for a NIC that is a device of the host; leave it out"
            yield FleetError(message, field=f"nics.{name}.{option}")


def _has_its_vcpus(domain: Element) -> Iterator[FleetError]:
    """Other parts of a definition name single vCPUs: those have to be there.

    libvirt refuses some that are not, and drops others (pinning) in silence.
    """
    count = int(xmltree.get(domain, "vcpu") or 1)
    pinned = [int(pin.get("vcpu", "0")) for pin in domain.findall("cputune/vcpupin")]
    if max(pinned, default=-1) >= count:
        yield FleetError(
            f"vCPU {max(pinned)} is pinned, counted from 0, and there are {count}; write a "
            "cpu.maximum that has it, or pinning without it",
            field="cpu.pinning.vcpus",
        )
    for path, attribute, words in _LISTS:
        named = [cpus_in(element.get(attribute, "")) for element in domain.findall(path)]
        highest = max((max(cpus, default=-1) for cpus in named), default=-1)
        if highest >= count:
            yield FleetError(
                f"{count} vCPUs are too few: {words} vCPU {highest}, counted from 0; "
                f"write {highest + 1} or more, or take that out of the definition first",
                field="cpu.maximum",
            )


_LISTS = (
    ("cpu/numa/cell", "cpus", "a NUMA cell has"),
    ("cputune/vcpusched", "vcpus", "vcpusched schedules"),
    ("cputune/cachetune", "vcpus", "cachetune is about"),
    ("cputune/memorytune", "vcpus", "memorytune is about"),
)


def _has_its_iothreads(domain: Element) -> Iterator[FleetError]:
    """libvirt says neither by which option one was pinned, nor that extra_xml has taken it away."""
    pins = [str(pin.get("iothread")) for pin in domain.findall("cputune/iothreadpin")]
    there = iothreads_of(domain) if pins else []
    for name in pins:
        if name not in there:
            yield FleetError(
                f"there is no such thread; the VM has {listed([*map(int, there)]) or 'none'}; "
                "write cpu.pinning.iothreads without it",
                field=named((*IOTHREADS, name)),
            )


def _has_a_port_of_vnc(domain: Element) -> Iterator[FleetError]:
    """libvirt stores others, and does not start with them (qemuBuildGraphicsVNCCommandLine)."""
    first = domain.find("devices/graphics")
    for graphics in domain.findall("devices/graphics[@type='vnc']"):
        port = int(graphics.get("port", "-1"))
        if 0 < port < VNC_PORTS:
            field = "graphics.port" if graphics is first else f"{DISPLAYS.name}.vnc.port"
            message = f"{port} is no port of VNC, whose ports begin at {VNC_PORTS}"
            yield FleetError(message, field=field)


def _has_one_screen_of_a_type(domain: Element) -> Iterator[FleetError]:
    """libvirt stores several, and starts one."""
    types = [graphics.get("type") for graphics in domain.findall("devices/graphics")]
    for one in sorted({str(one) for one in types if types.count(one) > 1}):
        yield FleetError(
            f"the VM has another screen of type {one} already, and can have one of each type; "
            "take that out first (virsh edit)",
            field="graphics.type",
        )


def _has_paths_that_can_be(domain: Element) -> Iterator[FleetError]:
    """What libvirt opens for a port is looked at when it starts the VM."""
    for field, kind, path in _paths(domain):
        if kind in ("file", "unix") and not path.startswith("/"):
            yield FleetError(f"{path} is no absolute path", field=field)
        elif kind == "unix" and len(path.encode()) > SOCKET_PATH:
            message = f"{path} is longer than a path of a socket can be, {SOCKET_PATH} bytes"
            yield FleetError(message, field=field)


def _has_no_path_to_lose(domain: Element) -> Iterator[FleetError]:
    """libvirt drops the path of a port in silence where its type has none."""
    for field, kind, _path in _paths(domain):
        if kind in _WITH_PATH:
            continue
        if field == "serial.path":
            message = f"is not for a serial port of type {kind or 'none'}; set serial.type too"
        else:
            message = f"is not for a port of type {kind}, which has no path"
        yield FleetError(message, field=field)


_WITH_PATH = ("unix", "file", "dev", "pipe")


def _paths(domain: Element) -> Iterator[tuple[str, str, str]]:
    """The paths of ports: the option of each, its type, and the path."""
    first = xmltree.find(domain, SERIAL)
    ports = [] if first is None else [("serial.path", first)]
    for row in (SERIALS, CONSOLES):
        ports += [(f"{row.name}.{n}.path", port) for n, port in items_of(row, domain).items()]
    for channel in domain.findall("devices/channel"):
        ports.append((f"channels.{xmltree.get(channel, 'target/@name')}.path", channel))
    for field, port in ports:
        kind, path = port.get("type", ""), xmltree.get(port, "source/@path")
        if path:
            yield field, kind, path
