# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs of the ports of Linux bridges on this machine, for NICs that run and for VMs that start;
and the isolation of those on Open vSwitch, for VMs that start.

Also installed on hosts for libvirt's hook, which may call no libvirt: only what is quick to import.
"""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ..engine.vlan_ports import (
    NONE,
    Port,
    commands,
    nic_name,
    port_in,
    port_of_ranges,
    ranges_of,
    settled,
)

FLEET = "{urn:kvm.fleet:1}"
NIC_NOTES = f"metadata/{FLEET}resource/{FLEET}nic"  # see kinds/vm/noted_vlans.py
NOTES = f"metadata/{FLEET}resource/{FLEET}portgroup"  # see kinds/vswitch/noted_vlans.py


class Places(NamedTuple):
    """Where all of this is. Tests have a tree of files of their own."""

    stored: str = "/etc/libvirt/qemu/networks"
    running: str = "/run/libvirt/network"  # of networks that are stored nowhere
    links: str = "/sys/class/net"
    program: str = "bridge"
    vsctl: str = "ovs-vsctl"


SYSTEM = Places()


# ---- ports


def set_ports(ports: Mapping[str, Port], places: Places = SYSTEM) -> list[str]:
    """Give taps their VLANs, in one call: what could not be done. One that is gone is left."""
    there = {tap: port for tap, port in ports.items() if Path(places.links, tap).exists()}
    now = _read(places) if there else {}
    told = [
        line
        for tap, port in sorted(there.items())
        for line in commands(tap, now.get(tap, ()), ranges_of(port, _default(places, tap)))
    ]
    if not told:
        return []
    done = _called(places, "-force", "-batch", "-", said="".join(f"{one}\n" for one in told))
    found = _read(places)
    return [
        f"{tap} is not in {port} but in {port_of_ranges(found.get(tap, ()))}"
        f" ({places.program} says: {done.stderr.strip()})"
        for tap, port in sorted(there.items())
        if Path(places.links, tap).exists()
        and port_of_ranges(found.get(tap, ())) != settled(port, _default(places, tap))
    ]


def _read(places: Places) -> dict[str, list[tuple[int, int, str]]]:
    """Of each port its VLANs, as ranges: the first, the last, and `pvid` and `untagged`."""
    text = _called(places, "-j", "-compressvlans", "vlan", "show").stdout
    rows = json.loads(text) if text.strip() else []
    return {
        one["ifname"]: [range_of(vlan) for vlan in one.get("vlans", ())]
        for one in rows
        if "ifname" in one
    }


def range_of(vlan: Mapping[str, object]) -> tuple[int, int, str]:
    """A range of `bridge -compressvlans`."""
    first, flags = int(str(vlan["vlan"])), str(vlan.get("flags", ""))
    said = (("pvid", "PVID"), ("untagged", "Egress Untagged"))
    return (
        first,
        int(str(vlan.get("vlanEnd", first))),
        " ".join(word for word, flag in said if flag in flags),
    )


def _default(places: Places, tap: str) -> int:
    """The VLAN that a bridge gives each port; 0 for none."""
    try:
        text = Path(places.links, tap, "master/bridge/default_pvid").read_text(encoding="ascii")
        return int(text)
    except (OSError, ValueError):
        return 0


def _called(places: Places, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    command = [places.program, *arguments]
    return subprocess.run(command, input=said, capture_output=True, text=True, check=False)


# ---- VMs that start


def started(definition: str, places: Places = SYSTEM) -> list[str]:
    """Give the taps of a VM that starts the VLANs that are noted of them, or of their port groups,
    and isolate those on Open vSwitch of which that is noted: what could not be done."""
    domain = ET.fromstring(definition)
    return [*_tagged(domain, places), *_isolate(sorted(_isolated(domain, places)), places)]


def _tagged(domain: ET.Element, places: Places) -> list[str]:
    wanted = dict(_wanted(domain, places))
    unfit = [tap for tap in sorted(wanted) if not filters(tap, places)]
    if unfit:
        return [f"{tap} is on no bridge that filters VLANs" for tap in unfit]
    return set_ports(wanted, places)


def _wanted(domain: ET.Element, places: Places) -> Iterator[tuple[str, Port]]:
    """What a NIC says itself goes before its port group."""
    notes = domain.findall(NIC_NOTES)
    for part in (part for note in notes for part in note.iter()):
        part.tag = part.tag.replace(FLEET, "")
    for nic in domain.iterfind("devices/interface"):
        source, target = nic.find("source"), nic.find("target")
        if source is None or target is None:
            continue
        own = next((port_in(note) for note in notes if note.get("name") == nic_name(nic)), NONE)
        name = source.get("network", "")
        port = _noted(name, source.get("portgroup", ""), places) if name and own == NONE else own
        if port != NONE:
            yield target.get("dev", ""), port


def _isolated(domain: ET.Element, places: Places) -> Iterator[str]:
    """The taps on Open vSwitch that are to be isolated. On bridges of Linux libvirt does that."""
    for nic in domain.iterfind("devices/interface"):
        source, target = nic.find("source"), nic.find("target")
        name = "" if source is None else source.get("network", "")
        tree = _network(name, places) if name else None
        if source is None or target is None or tree is None:
            continue
        port = tree.find("virtualport")
        if port is not None and port.get("type") == "openvswitch":
            note = _note(tree, source.get("portgroup", ""))
            if note is not None and note.get("isolated") == "yes":
                yield target.get("dev", "")


def _isolate(taps: Iterable[str], places: Places) -> list[str]:
    """A port that is not there is an error, since its VM has it."""
    said = [word for tap in taps for word in ("--", "set", "Port", tap, "protected=true")]
    if not said:
        return []
    command = [places.vsctl, "--timeout=10", *said[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [f"NICs are not isolated: {done.stderr.strip()}"] if done.returncode else []


def _noted(network: str, group: str, places: Places) -> Port:
    """The VLANs that are noted of a port group."""
    tree = _network(network, places)
    note = None if tree is None else _note(tree, group)
    return NONE if note is None else port_in(note)


def _note(tree: ET.Element, group: str) -> ET.Element | None:
    """What is noted of a port group; of none, of the one for NICs that name none."""
    if not group:
        groups = tree.findall("portgroup")
        group = next((one.get("name", "") for one in groups if one.get("default") == "yes"), "")
    notes = (one for one in tree.iterfind(NOTES) if group and one.get("name") == group)
    return next(notes, None)


def _network(name: str, places: Places) -> ET.Element | None:
    """A network as libvirt stores it; of one that is not stored, as it runs."""
    for folder in (places.stored, places.running):
        try:
            root = ET.fromstring(Path(folder, f"{name}.xml").read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        return root if root.tag == "network" else root.find("network")
    return None


def filters(tap: str, places: Places = SYSTEM) -> bool:
    """Whether a tap is on a bridge that filters VLANs."""
    try:
        found = Path(places.links, tap, "master/bridge/vlan_filtering")
        return found.read_text(encoding="ascii").strip() == "1"
    except OSError:
        return False
