"""Definitions of VMs as other programs and people write them, and what a trial of one needs."""

from __future__ import annotations

import difflib
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import libvirt

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
NEEDS = re.compile(r"<!-- needs libvirt ([\d.]+) -->")
UNTIL = re.compile(r"<!-- until libvirt ([\d.]+) -->")  # from which on it is refused
KVM = "<!-- needs kvm -->"
ARCH = re.compile(r"<!-- needs arch (\w+) -->")
POOL = re.compile(r"<!-- needs pool (\w+) -->")
STORED = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE

# What a trial gives to a VM, and takes away again.
GIVEN = "corpus-trial"


def definitions_in(folder: Path) -> list[Path]:
    """The files to try, in a lasting order."""
    return sorted(folder.rglob("*.xml"))


def missing(text: str, conn: libvirt.virConnect) -> str:
    """What a definition says that it needs and this host has not, or an empty text."""
    version = NEEDS.search(text)
    if version and not _at_least(version[1], conn):
        return f"libvirt {version[1]}"
    end = UNTIL.search(text)
    if end and _at_least(end[1], conn):
        return f"a libvirt before {end[1]}"
    arch = ARCH.search(text)
    if arch and f"<arch name='{arch[1]}'>" not in conn.getCapabilities():
        return f"an emulator of {arch[1]}"
    pool = POOL.search(text)
    if pool and f"<pool type='{pool[1]}' supported='yes'" not in conn.getStoragePoolCapabilities():
        return f"libvirt's driver of {pool[1]} pools"
    return "KVM" if KVM in text and not _has_kvm(conn) else ""


def _at_least(version: str, conn: libvirt.virConnect) -> bool:
    parts = [*map(int, version.split(".")), 0, 0][:3]
    return bool(conn.getLibVersion() >= parts[0] * 10**6 + parts[1] * 1000 + parts[2])


def _has_kvm(conn: libvirt.virConnect) -> bool:
    return "<domain type='kvm'" in conn.getCapabilities()


def adapted(text: str, conn: libvirt.virConnect) -> str:
    """The definition as this host takes it, which may have no hardware virtualisation."""
    if _has_kvm(conn):
        return text
    text = re.sub(r"(<domain\b[^>]*\btype=)(['\"])kvm\2", r"\1\2qemu\2", text, count=1)
    return re.sub(r"(<cpu\b[^>]*\bmode=)(['\"])host-passthrough\2", r"\1\2maximum\2", text)


def options_of(told: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """What of a told thing are options: those that the spec knows."""
    return {
        name: _option(value, spec[name])
        for name, value in told.items()
        if name in spec and name != "state"
    }


def _option(value: Any, spec: Mapping[str, Any]) -> Any:
    if "options" not in spec:
        return value
    if isinstance(value, list):
        return [options_of(item, spec["options"]) for item in value]
    return options_of(value, spec["options"])


def only_added(before: str, after: str) -> list[str]:
    """What differs between two definitions beside the things that the trial has given."""
    tree = ET.fromstring(after)
    devices = tree.find("devices")
    assert devices is not None
    given = {f"ua-disk-{GIVEN}", f"ua-nic-{GIVEN}"}
    for device in list(devices):
        if (alias := device.find("alias")) is not None and alias.get("name") in given:
            devices.remove(device)
    return _beside_new_ports(ET.fromstring(before), tree)


def _beside_new_ports(before: ET.Element, after: ET.Element) -> list[str]:
    _without_new_ports(before, after)
    return _differences(before, after, after.tag)


def _without_new_ports(before: ET.Element, after: ET.Element) -> None:
    """libvirt adds controllers that a device needs, and keeps them when the device goes."""
    known = {_controller(one) for one in before.findall("devices/controller")}
    devices = after.find("devices")
    assert devices is not None
    for controller in devices.findall("controller"):
        if _controller(controller) not in known:
            devices.remove(controller)
    for one in (before, after):
        _without_multifunction(one)


def _without_multifunction(tree: ET.Element) -> None:
    """libvirt says so of the first of several ports in one slot, once there are several."""
    for address in tree.findall("devices/controller/address"):
        address.attrib.pop("multifunction", None)


def _controller(element: ET.Element) -> tuple[str | None, str | None]:
    return element.get("type"), element.get("index")


def _differences(one: ET.Element, other: ET.Element, at: str) -> list[str]:
    found = []
    if one.attrib != other.attrib:
        found.append(f"{at}: {one.attrib} became {other.attrib}")
    if (one.text or "").strip() != (other.text or "").strip():
        found.append(f"{at}: {one.text!r} became {other.text!r}")
    children, others = [[child.tag for child in tree] for tree in (one, other)]
    if children != others:
        return [*found, f"{at}: {children} became {others}"]
    for child, counterpart in zip(one, other):
        found += _differences(child, counterpart, f"{at}/{child.tag}")
    return found


def lines_apart(before: str, after: str) -> list[str]:
    """The lines in which two definitions differ, ports that libvirt added aside."""
    ports = [len(ET.fromstring(text).findall("devices/controller")) for text in (before, after)]
    if ports[0] != ports[1]:
        return _beside_new_ports(ET.fromstring(before), ET.fromstring(after))
    return lines_apart_of(before, after)


def lines_apart_of(before: str, after: str) -> list[str]:
    """The lines in which two texts differ, with a sign each as in a diff."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]
