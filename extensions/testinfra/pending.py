# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a running VM waits for its next start: what runs, against what is stored.

libvirt fills in, when a VM starts, what its definition leaves open. So such a fact is LEFT_OPEN
where the definition is silent, and what is stored as left open agrees with whatever runs.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from .domain import attributes, cpu_count, disk_of, nic_of
from .virsh import bytes_of, text_of

LEFT_OPEN = "left open"
MIB = 2**20
PINS = ("vcpupin", "emulatorpin", "iothreadpin")
PERIOD_US = 100_000  # the kernel's own
SOURCE = ("path", "mode", "host", "service")
LISTEN = ("type", "address", "network", "socket")


def pending(live: ET.Element, stored: ET.Element) -> list[str]:
    """The names of the facts that the next start will change."""
    return sorted(name for name, of in FACTS.items() if not agrees(of(live), of(stored)))


def agrees(runs: Any, is_stored: Any) -> bool:
    """Whether what runs is what is stored, in all that what is stored does not leave open."""
    if is_stored == LEFT_OPEN:
        return True
    if isinstance(is_stored, dict) and isinstance(runs, dict):
        both = is_stored.keys() == runs.keys()
        return both and all(agrees(runs[key], is_stored[key]) for key in is_stored)
    if isinstance(is_stored, list) and isinstance(runs, list):
        return len(is_stored) == len(runs) and all(map(agrees, runs, is_stored))
    return bool(runs == is_stored)


def _boot_order(domain: ET.Element) -> dict[str, Any]:
    devices = domain.iterfind("devices/*")
    return {
        "kinds": [boot.get("dev") for boot in domain.iterfind("os/boot")],
        "devices": {
            boot.get("order"): (device.tag, _identity(device))
            for device in devices
            if (boot := device.find("boot")) is not None
        },
    }


def _identity(device: ET.Element) -> str:
    """A NIC's MAC or a disk's target, which are its own; a running NIC's target is libvirt's."""
    mac = attributes(device.find("mac")).get("address")
    return mac or attributes(device.find("target")).get("dev", "")


def _kernel(domain: ET.Element) -> list[str]:
    return [text_of(domain, f"os/{part}") for part in ("kernel", "initrd", "cmdline")]


def _firmware(domain: ET.Element) -> dict[str, str]:
    # libvirt before 9.2 drops the attribute from what runs, once it has chosen a loader.
    loader = domain.find("os/loader")
    is_efi = (
        attributes(domain.find("os")).get("firmware") == "efi"
        or attributes(loader).get("type") == "pflash"
    )
    return {
        "kind": "efi" if is_efi else "bios",
        "loader": text_of(domain, "os/loader") or LEFT_OPEN,
    }


def _secure_boot(domain: ET.Element) -> str:
    # As with the firmware: what runs may have a secure loader where the wish for one is stored.
    feature = attributes(domain.find("os/firmware/feature[@name='secure-boot']")).get("enabled")
    if feature is not None:
        return feature
    if attributes(domain.find("os/loader")).get("secure") == "yes":
        return "yes"
    return "no" if domain.get("id") else LEFT_OPEN


def _machine(domain: ET.Element) -> str | None:
    return attributes(domain.find("os/type")).get("machine")


def _cpu_mode(domain: ET.Element) -> str | None:
    mode = attributes(domain.find("cpu")).get("mode")
    # A host-model that runs is told as the custom model that it became.
    return "custom" if mode == "host-model" else mode


def _cpu_model(domain: ET.Element) -> str:
    """Of a custom CPU only; the model of the others, and most features, are the host's."""
    is_custom = attributes(domain.find("cpu")).get("mode") == "custom"
    return text_of(domain, "cpu/model") if is_custom else LEFT_OPEN


def _cpu_quota(domain: ET.Element) -> list[int]:
    """The time of each period in microseconds; none where there is no limit."""
    said = [text_of(domain, f"cputune/global_{part}") for part in ("period", "quota")]
    period, quota = (int(number or 0) for number in said)
    return [period or PERIOD_US, quota] if quota > 0 else []


def _memory_maximum(domain: ET.Element) -> int:
    # A start rounds it up to whole MiB.
    return -(-bytes_of(domain.find("memory"), "KiB") // MIB)


def _memory_backing(domain: ET.Element) -> dict[str, Any]:
    """What is locked, merged and in huge pages, each with its size and nodes."""
    pages = domain.findall("memoryBacking/hugepages/page")
    return {
        "huge": domain.find("memoryBacking/hugepages") is not None,
        "pages": [_said(page, ("size", "nodeset")) for page in pages],
        "locked": domain.find("memoryBacking/locked") is not None,
        "merged": domain.find("memoryBacking/nosharepages") is None,
    }


def _memory_limit(domain: ET.Element) -> int:
    limit = domain.find("memtune/hard_limit")
    return 0 if limit is None else bytes_of(limit, "KiB")


def _partition(domain: ET.Element) -> str:
    # What says none is in this one.
    return text_of(domain, "resource/partition") or "/machine"


def _clock(domain: ET.Element) -> dict[str, str]:
    clock = attributes(domain.find("clock"))
    return {key: clock.get(key, LEFT_OPEN) for key in ("offset", "timezone")}


def _lifecycle(domain: ET.Element) -> list[str]:
    return [text_of(domain, f"on_{event}") for event in ("poweroff", "reboot", "crash")]


def _disks(domain: ET.Element) -> dict[str, Any]:
    return {_identity(disk): _disk(disk) for disk in domain.iterfind("devices/disk")}


def _disk(disk: ET.Element) -> dict[str, Any]:
    driver = attributes(disk.find("driver"))
    is_shareable = disk.find("shareable") is not None
    return {
        **asdict(disk_of(disk)),
        "cache": _cache(driver, is_shareable),
        "io": driver.get("io", "default"),
        "discard": driver.get("discard", "default"),
        "serial": text_of(disk, "serial"),
        "shareable": is_shareable,
        "limits": _disk_limits(disk),
    }


def _cache(driver: dict[str, str], is_shareable: bool) -> str:
    cache = driver.get("cache", "default")
    # What several VMs share is never cached: libvirt says so of what runs.
    return LEFT_OPEN if is_shareable and cache == "default" else cache


def _disk_limits(disk: ET.Element) -> dict[str, int]:
    """Without the group and the lengths, which libvirt chooses."""
    limits = {limit.tag: limit.text or "" for limit in disk.iterfind("iotune/*")}
    return _numbers({tag: limits[tag] for tag in limits if tag.endswith(("_sec", "_sec_max"))})


def _nics(domain: ET.Element) -> dict[str, Any]:
    return {_identity(nic): _nic(nic) for nic in domain.iterfind("devices/interface")}


def _nic(nic: ET.Element) -> dict[str, Any]:
    known = nic_of(nic)
    on_device = attributes(nic.find("source")).get("dev")
    return {
        **asdict(known),
        # A vswitch may be one of a device of the host, which only what runs tells.
        "device": None if known.vswitch else on_device,
        "mtu": attributes(nic.find("mtu")).get("size", LEFT_OPEN),
        "limits": _nic_limits(nic, known.vswitch),
        "vlan": _nic_vlan(nic, known.vswitch),
        "driver": _nic_driver(nic),
        "filter": _nic_filter(nic),
        "isolated": attributes(nic.find("port")).get("isolated", "no"),
    }


def _nic_vlan(nic: ET.Element, vswitch: str | None) -> Any:
    found = nic.find("vlan")
    said = [] if found is None else [tag.attrib for tag in found.iterfind("tag")]
    # As with limits, a NIC without a VLAN of its own may have that of its port group.
    return (attributes(found).get("trunk", "no"), said) if said or not vswitch else LEFT_OPEN


def _nic_driver(nic: ET.Element) -> list[str]:
    said = attributes(nic.find("driver"))
    return [said.get(name, LEFT_OPEN) for name in ("name", "queues")]


def _nic_filter(nic: ET.Element) -> tuple[str, dict[str, str]]:
    said = nic.find("filterref")
    parameters = [] if said is None else said.findall("parameter")
    values = {one.get("name", ""): one.get("value", "") for one in parameters}
    return attributes(said).get("filter", ""), values


def _nic_limits(nic: ET.Element, vswitch: str | None) -> Any:
    both = {way: _way_limits(nic, way) for way in ("inbound", "outbound")}
    # A NIC without limits of its own has those of its port group; what runs tells them as its own.
    return both if any(both.values()) or not vswitch else LEFT_OPEN


def _way_limits(nic: ET.Element, way: str) -> dict[str, int]:
    return _numbers(attributes(nic.find(f"bandwidth/{way}")))


def _numbers(limits: dict[str, str]) -> dict[str, int]:
    """The limits that limit; 0 is none."""
    return {key: int(limit) for key, limit in limits.items() if int(limit)}


def _channels(domain: ET.Element) -> dict[str, Any]:
    channels = domain.iterfind("devices/channel")
    return {_channel_name(channel): _chardev(channel) for channel in channels}


def _channel_name(channel: ET.Element) -> str:
    target = attributes(channel.find("target"))
    return target.get("name") or f"{target.get('address')}:{target.get('port')}"


def _serial_ports(domain: ET.Element) -> dict[str, Any]:
    ports = domain.iterfind("devices/serial")
    return {attributes(port.find("target")).get("port", "0"): _serial(port) for port in ports}


def _serial(port: ET.Element) -> dict[str, Any]:
    return {**_chardev(port), "target": attributes(port.find("target")).get("type", LEFT_OPEN)}


def _chardev(device: ET.Element) -> dict[str, Any]:
    # The pty of a port is drawn at each start, and so is the socket of a channel that names none.
    sources = device.findall("source")
    return {
        "type": device.get("type"),
        "sources": [_said(source, SOURCE) for source in sources] or LEFT_OPEN,
    }


def _graphics(domain: ET.Element) -> list[dict[str, Any]]:
    return [_one_graphics(each) for each in domain.iterfind("devices/graphics")]


def _one_graphics(graphics: ET.Element) -> dict[str, Any]:
    return {
        "type": graphics.get("type"),
        "autoport": graphics.get("autoport"),
        "ports": [_port(graphics, key) for key in ("port", "tlsPort")],
        "listens": [_listen(listen) for listen in graphics.iterfind("listen")] or LEFT_OPEN,
    }


def _port(graphics: ET.Element, key: str) -> str:
    """Left open where it is drawn at each start, which is what libvirt stores as -1."""
    port = graphics.get(key, "-1")
    return LEFT_OPEN if port == "-1" else port


def _listen(listen: ET.Element) -> Any:
    # An address that is not said is the one of qemu.conf, which may also say a socket instead.
    if listen.get("type") == "address" and not listen.get("address"):
        return LEFT_OPEN
    return _said(listen, LISTEN)


def _video(domain: ET.Element) -> list[str]:
    return _each(domain, "devices/video/model", "type")


def _rng(domain: ET.Element) -> list[dict[str, Any]]:
    return [
        {
            "model": rng.get("model"),
            "backend": _each(rng, "backend", "model"),
            "source": text_of(rng, "backend") or LEFT_OPEN,
        }
        for rng in domain.iterfind("devices/rng")
    ]


def _watchdog(domain: ET.Element) -> list[dict[str, str]]:
    return [_said(each, ("model", "action")) for each in domain.iterfind("devices/watchdog")]


def _tpm(domain: ET.Element) -> list[dict[str, Any]]:
    return [
        {
            **_said(tpm, ("model",)),
            "backend": [_said(backend, ("type", "version")) for backend in tpm.iterfind("backend")],
        }
        for tpm in domain.iterfind("devices/tpm")
    ]


def _said(element: ET.Element, names: tuple[str, ...]) -> dict[str, str]:
    return {name: element.get(name, LEFT_OPEN) for name in names}


def _each(root: ET.Element, path: str, attribute: str) -> list[str]:
    return [element.get(attribute, LEFT_OPEN) for element in root.iterfind(path)]


FACTS: dict[str, Callable[[ET.Element], Any]] = {
    "balloon": lambda domain: _each(domain, "devices/memballoon", "model"),
    "boot_order": _boot_order,
    "channels": _channels,
    "clock": _clock,
    "cpu_count": cpu_count,
    "cpu_limit": _cpu_quota,
    "cpu_maximum": lambda domain: text_of(domain, "vcpu"),
    "cpu_mode": _cpu_mode,
    "cpu_model": _cpu_model,
    "cpu_pinning": lambda domain: {
        tag: [attributes(pin) for pin in domain.iterfind(f"cputune/{tag}")] for tag in PINS
    },
    "cpu_shares": lambda domain: text_of(domain, "cputune/shares"),
    "cpu_topology": lambda domain: attributes(domain.find("cpu/topology")),
    "disks": _disks,
    "domain_type": lambda domain: domain.get("type"),
    "firmware": _firmware,
    "graphics": _graphics,
    "kernel": _kernel,
    "lifecycle": _lifecycle,
    "machine": _machine,
    "memory_backing": _memory_backing,
    "memory_limit": _memory_limit,
    "partition": _partition,
    "memory_maximum": _memory_maximum,
    "nics": _nics,
    "numa_placement": lambda domain: [
        _said(each, ("mode", "nodeset")) for each in domain.iterfind("numatune/memory")
    ],
    "rng": _rng,
    "secure_boot": _secure_boot,
    "serial_ports": _serial_ports,
    "tpm": _tpm,
    "video": _video,
    "watchdog": _watchdog,
}
