# SPDX-License-Identifier: GPL-3.0-or-later
"""Each NIC finds its network at the target: vswitch, port group, VLAN, MTU and an uplink."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.fields import items_of
from ...engine.xmltree import Element
from ...kinds.vm.nic_rows import NICS
from ..case import Case, listed
from ..findings import FAIL, Finding
from ..side import Side

USUAL_MTU = 1500
# Forwarding in which the guests of a host are behind that host.
OF_DEVICES = "hostdev"
BEHIND_HOST = ("nat", "route", "open", "isolated")


def nics(case: Case) -> Iterator[Finding]:
    """Each NIC has at the target what it is connected to."""
    known = items_of(NICS, case.sent)
    for name, nic in known.items():
        yield from _nic(case, f"nics.{name}", nic)
    waiting = {} if case.waiting is None else items_of(NICS, case.waiting)
    for name, nic in waiting.items():
        if name not in known or _connected(nic) != _connected(known[name]):
            for finding in _nic(case, f"nics.{name}", nic):
                if finding.result == FAIL:
                    message = f"{finding.message}; it waits for the VM's next start"
                    yield finding._replace(message=message)


def _connected(nic: Element) -> tuple[str, ...]:
    """To what a NIC is connected, as it is declared."""
    source = nic.find("source")
    said = {} if source is None else source.attrib
    # libvirt shows the bridge of the network of what runs.
    named = ("network", "portgroup") if said.get("network") else ("bridge", "dev")
    return (nic.get("type", ""), *(said.get(at, "") for at in named))


def _nic(case: Case, about: str, nic: Element) -> Iterator[Finding]:
    source, kind = nic.find("source"), nic.get("type", "")
    if kind == "network" and source is not None:
        yield from _on_vswitch(case, about, source)
    elif kind == "bridge" and source is not None:
        yield from _on_bridge(case, about, source.get("bridge", ""))
    elif kind == "direct" and source is not None:
        yield _on_interface(case, about, source.get("dev", ""), source.get("dev", ""))
    elif kind == "user":
        yield _of_its_own(case, about)
    elif kind not in ("hostdev", "vdpa"):  # which are devices of the host
        message = f"what it is connected to ({kind}) is not known of the target from here"
        yield case.warned("nics", message, "see that it is there", about)
    yield from _filtered(case, about, nic)


def _of_its_own(case: Case, about: str) -> Finding:
    """QEMU itself is the network: another QEMU knows of no connection."""
    if not case.mode.is_live:
        return case.passed("nics", "is in a network of its own (user)", about)
    message = "is in a network of QEMU's own (user): its open connections end"
    return case.warned("nics", message, "put it onto a vswitch where that matters", about)


# ---- on a vswitch


def _on_vswitch(case: Case, about: str, source: Element) -> Iterator[Finding]:
    name = source.get("network", "")
    named = case.move.options.vswitch(name)
    here, there = case.source.vswitch(name), case.target.vswitch(named)
    sides = {"source": f"vswitch {name}", "target": f"vswitch {named}"}
    if not there.exists:
        yield case.failed(
            "nics",
            f"the target has no vswitch {named}",
            "make it there (kvm.fleet.vswitch), or name another (map.vswitches)",
            about,
            source=sides["source"],
            target=f"vswitches: {listed(sorted(case.target.world.everything('vswitch')))}",
        )
        return
    if there.live is None:
        todo = "start it there (kvm.fleet.vswitch)"
        yield case.failed(
            "nics", f"vswitch {named} of the target is not active", todo, about, **sides
        )
    if here.stored is None:
        return
    one, other = here.definition, there.live if there.live is not None else there.definition
    group = source.get("portgroup", "")
    findings = [
        *_types(case, about, one, other),
        *_groups(case, about, group, one, other),
        *_mtus(case, about, one, other),
        *_uplinks(case, about, one, other),
    ]
    yield from findings
    if there.live is not None and all(finding.result == "pass" for finding in findings):
        yield case.passed("nics", "its vswitch is there", about, **sides)


def _types(case: Case, about: str, one: Element, other: Element) -> Iterator[Finding]:
    here, there = _forward(one), _forward(other)
    sides = {"source": here, "target": there}
    if here == there == OF_DEVICES and case.mode.is_live:
        message = "its network hands it a device of the host"
        todo = "take the NIC out first, and add it again after the move; or move the VM offline"
        yield case.failed("nics", message, todo, about, **sides)
    elif here != there:
        todo = "name a vswitch of the same type (map.vswitches)"
        message = "the vswitches are of different types: the guest would be in another network"
        yield case.failed("nics", message, todo, about, **sides)
    elif here in BEHIND_HOST and case.mode.is_live:
        yield case.warned(
            "nics",
            f"its network is behind its host ({here}): who reached it there does not at the "
            "target, and its open connections to the outside end",
            "put it onto a vswitch that bridges where that matters",
            about,
            **sides,
        )


def _forward(network: Element) -> str:
    mode = xmltree.get(network, "forward/@mode") or ""
    return mode or ("nat" if network.find("forward") is not None else "isolated")


def _groups(case: Case, about: str, name: str, one: Element, other: Element) -> Iterator[Finding]:
    here, there = _group(one, name), _group(other, name)
    if name and there is None and here is not None:
        groups = (group.get("name") for group in other.findall("portgroup"))
        yield case.failed(
            "nics",
            f"the vswitch at the target has no port group {name}",
            "add it there (kvm.fleet.vswitch, port_groups)",
            about,
            source=f"port group {name}",
            target=f"port groups: {listed(groups)}",
        )
        return
    ports = _port(one, here), _port(other, there)
    if ports[0] != ports[1]:
        yield case.failed(
            "nics",
            "the virtual port is of another type there",
            "name a vswitch of the same kind (map.vswitches)",
            about,
            source=ports[0] or "none",
            target=ports[1] or "none",
        )
    vlans = _vlans(one, here), _vlans(other, there)
    sides = {"source": f"VLAN {listed(vlans[0])}", "target": f"VLAN {listed(vlans[1])}"}
    if vlans[0] != vlans[1]:
        todo = "give both port groups the same VLAN"
        yield case.failed("nics", "the VLAN is another there", todo, about, **sides)
    elif name:
        yield case.passed("nics", f"its port group {name} is there", about, **sides)


def _group(network: Element, name: str) -> Element | None:
    for group in network.findall("portgroup"):
        if group.get("name") == name or (not name and group.get("default") == "yes"):
            return group
    return None


def _port(network: Element, group: Element | None) -> str:
    """The type of virtual port, as openvswitch has it."""
    found = None if group is None else xmltree.get(group, "virtualport/@type")
    return found or xmltree.get(network, "virtualport/@type") or ""


def _vlans(network: Element, group: Element | None) -> list[str]:
    """The VLAN tags of a port group, or of its whole network; a trunk is said as such."""
    found = group.find("vlan") if group is not None else None
    found = network.find("vlan") if found is None else found
    if found is None:
        return []
    tags = [
        f"{tag.get('id')}{' native' if tag.get('nativeMode') else ''}"
        for tag in found.findall("tag")
    ]
    return [*tags, "trunk"] if found.get("trunk") == "yes" else tags


def _mtus(case: Case, about: str, one: Element, other: Element) -> Iterator[Finding]:
    here, there = _mtu(case.source, one), _mtu(case.target, other)
    sides = {"source": f"MTU {here or 'not known'}", "target": f"MTU {there or 'not known'}"}
    if here and there and here != there:
        yield case.failed(
            "nics",
            "the MTU is another there: large packets of the guest would be lost",
            "give both vswitches the same MTU",
            about,
            **sides,
        )
    elif not (here and there):
        todo = "see that it is the same"
        yield case.warned("nics", "the MTU is not known on both", todo, about, **sides)


def _mtu(side: Side, network: Element) -> int:
    """What is declared; else that of the bridge, where that is the host's own."""
    said = xmltree.get(network, "mtu/@size")
    if said:
        return int(said)
    if _forward(network) != "bridge":
        return USUAL_MTU
    name = xmltree.get(network, "bridge/@name")
    bridge = side.moves.bridge(name) if name else None
    return bridge.mtu if bridge is not None else 0


def _uplinks(case: Case, about: str, one: Element, other: Element) -> Iterator[Finding]:
    devices = [xmltree.get(of, "forward/interface/@dev") or "" for of in (one, other)]
    if devices[1]:  # macvtap, straight on an interface
        yield _on_interface(case, about, *devices)
    elif _forward(one) == _forward(other) == "bridge":
        yield from _bridges(
            case,
            about,
            xmltree.get(one, "bridge/@name") or "",
            xmltree.get(other, "bridge/@name") or "",
        )


# ---- on a bridge


def _on_bridge(case: Case, about: str, name: str) -> Iterator[Finding]:
    sides = {"source": f"bridge {name}", "target": f"bridge {name}"}
    there = case.target.host.has_bridge(name)
    if there is False:
        todo = "make it there, or put the NIC onto a vswitch, which can be mapped"
        yield case.failed("nics", f"the target has no bridge {name}", todo, about, **sides)
        return
    if there is None:
        message = f"whether the target has a bridge {name} is not known from here"
        yield case.warned("nics", message, "see that it has", about, **sides)
        return
    mtus = [side.moves.bridge(name) for side in (case.source, case.target)]
    if mtus[0] and mtus[1] and mtus[0].mtu != mtus[1].mtu:
        todo = "give both bridges the same MTU"
        yield case.failed(
            "nics",
            "the MTU is another there",
            todo,
            about,
            source=f"MTU {mtus[0].mtu}",
            target=f"MTU {mtus[1].mtu}",
        )
    yield from _bridges(case, about, name, name)
    yield case.passed("nics", f"its bridge {name} is there", about, **sides)


def _bridges(case: Case, about: str, one: str, other: str) -> Iterator[Finding]:
    """The bridges of both hosts have an uplink, where the source's has."""
    here, there = case.source.moves.bridge(one), case.target.moves.bridge(other)
    if here is not None and not here.ports:
        return  # a network without an outside
    sides = {
        "source": f"{one}: {listed(here.ports) if here else 'not known'}",
        "target": f"{other}: {listed(there.ports) if there else 'not known'}",
    }
    if there is None:
        message = "whether the bridge has an uplink there is not known from here"
        yield case.warned("nics", message, "see that it has", about, **sides)
    elif not there.ports:
        todo = "connect it to the outside (kvm.fleet.vswitch, uplinks)"
        message = f"bridge {other} has no uplink there"
        if here is None:  # nobody knows whether the VM has an outside now
            yield case.warned("nics", message, f"if it is to have one, {todo}", about, **sides)
        else:
            yield case.failed("nics", message, todo, about, **sides)


# ---- on an interface of the host; filters


def _on_interface(case: Case, about: str, here: str, name: str) -> Finding:
    sides = {"source": f"interface {here}", "target": f"interface {name}"}
    if not case.target.is_here:
        message = f"whether the target has an interface {name} is not known from here"
        return case.warned("nics", message, "see that it has", about, **sides)
    if not case.target.host.has_interface(name):
        todo = "put the NIC onto a vswitch, which can be mapped"
        return case.failed("nics", f"the target has no interface {name}", todo, about, **sides)
    return case.passed("nics", f"its interface {name} is there", about, **sides)


def _filtered(case: Case, about: str, nic: Element) -> Iterator[Finding]:
    name = xmltree.get(nic, "filterref/@filter")
    if not name:
        return
    there = case.target.moves.nwfilters
    if there is None:
        message = f"whether the target has the network filter {name} is not known"
        yield case.warned("nics", message, "see that it has", about, source=name)
    elif name not in there:
        todo = f"define it there (virsh nwfilter-dumpxml {name})"
        if name.startswith("kvm-fleet-"):
            todo = "declare a port group there with security: strict, which makes it"
        yield case.failed(
            "nics", f"the target has no network filter {name}", todo, about, source=name
        )
    else:
        yield case.passed("nics", f"its filter {name} is there", about, source=name, target=name)
