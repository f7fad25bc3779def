# SPDX-License-Identifier: GPL-3.0-or-later
"""The files from which systemd-networkd makes a bridge with its uplinks. Pure.

The one of the bridge itself has a note of what was declared: what is stored of a switch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ....engine.keepers import BY_NETWORK_MANAGER, PREFIX
from .host_port_files import addressing
from .host_port_files import files_of as files_of_port
from .linux_names import KINDS, bond_of, tagged, tunnel_of
from .noting import note_of, noted, with_heads
from .overlay import Overlay
from .seen import Switch

NOTE = "# kvm-fleet: "
# Of the files of systemd-networkd, and of those of NetworkManager.
ENDINGS = (".netdev", ".network", ".nmconnection", ".conf")
_QUIET = "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
_QUIET_WITHOUT_CARRIER = f"ConfigureWithoutCarrier=yes\n{_QUIET}"
# Without waiting for it: a host starts with a cable that is pulled, too.
_LINK = "[Link]\nRequiredForOnline=no\n"


def files_of(bridge: str, will: Switch, mac: str) -> dict[str, str]:
    """All files of a bridge, by name; the one with the note is the last."""
    return with_heads(_files(bridge, will, mac))


def files_beside(bridge: str, will: Switch) -> dict[str, str]:
    """Those of a bridge of Open vSwitch that is ours: its host ports, and uplinks that have no
    addresses where the host is on it."""
    is_its = will.owner and will.backend != BY_NETWORK_MANAGER
    return with_heads(_files_beside(bridge, will)) if is_its else {}


def _files_beside(bridge: str, will: Switch) -> Iterator[tuple[str, str]]:
    own = f"{PREFIX}{bridge}"
    for nic in will.nics if will.host_ports else ():
        yield f"{own}+{nic}.network", _network(nic, will, "ConfigureWithoutCarrier=yes\n")
    for port in will.host_ports:
        yield from files_of_port(own, port, "", will.mtu)


def _files(bridge: str, will: Switch, mac: str) -> Iterator[tuple[str, str]]:
    many, vlans = len(will.nics) > 1, _trunk(will.vlans)
    own = f"{PREFIX}{bridge}"
    for nic in will.nics:
        to = f"Bond={bond_of(bridge)}\n" if many else f"Bridge={bridge}\n"
        primary = "PrimarySlave=yes\n" if nic == will.primary else ""
        yield f"{own}+{nic}.network", _network(nic, will, to + primary, "" if many else vlans)
    if many:
        bond = bond_of(bridge)
        yield f"{own}+uplinks.netdev", _netdev(bond, "bond", "") + _bond(will)
        to = f"Bridge={bridge}\nConfigureWithoutCarrier=yes\n"
        yield f"{own}+uplinks.network", _network(bond, will, to, vlans)
    if will.overlay is not None:
        tunnel = tunnel_of(bridge)
        yield f"{own}+overlay.netdev", _netdev(tunnel, "vxlan", "") + _vxlan(will.overlay)
        to = f"Bridge={bridge}\nConfigureWithoutCarrier=yes\n"
        on_it = _network(tunnel, will, to, _trunk(()))
        yield f"{own}+overlay.network", on_it + _peers(will.overlay)
    for port in will.host_ports:
        if port.vlan:
            yield from files_of_port(own, port, bridge, will.mtu)
    yield f"{own}.network", _of_itself(bridge, will)
    made = _netdev(bridge, "bridge", f"MACAddress={mac}\n")
    yield f"{own}.netdev", f"{NOTE}{note_of(will)}\n{made}{_BRIDGE}"


_BRIDGE = "\n[Bridge]\nVLANFiltering=yes\nDefaultPVID=1\nSTP=no\n"


def _of_itself(bridge: str, will: Switch) -> str:
    """Of the bridge as an interface, which is a host port itself where that has no VLAN."""
    itself = next((port for port in will.host_ports if not port.vlan), None)
    vlans = [port for port in will.host_ports if port.vlan]
    on_it = "".join(f"VLAN={port.name}\n" for port in vlans)
    of_host = _QUIET_WITHOUT_CARRIER if itself is None else addressing(itself)
    mtu = f"MTUBytes={will.mtu}\n" if will.mtu else ""
    link = mtu if itself is not None and itself.gateways else f"RequiredForOnline=no\n{mtu}"
    head = f"[Match]\nName={bridge}\n\n" + (f"[Link]\n{link}\n" if link else "")
    has = "".join(f"\n[BridgeVLAN]\nVLAN={port.vlan}\n" for port in vlans)
    untagged = "\n[BridgeVLAN]\nPVID=1\nEgressUntagged=1\n" if vlans else ""
    # Sections of routes come last in what it says of addresses.
    return f"{head}[Network]\n{on_it}{of_host}{untagged}{has}"


def _netdev(name: str, kind: str, more: str) -> str:
    return f"[NetDev]\nName={name}\nKind={kind}\n{more}"


def _bond(will: Switch) -> str:
    mode, policy = KINDS[will.teaming]
    said = f"TransmitHashPolicy={policy}\n" if policy else ""
    return f"\n[Bond]\nMode={mode}\nMIIMonitorSec=100ms\n{said}"


def _vxlan(overlay: Overlay) -> str:
    """It stands on no interface: the host's routes say by which peers are reached."""
    local = f"Local={overlay.local}\n" if overlay.local else ""
    said = f"VNI={overlay.id}\n{local}DestinationPort={overlay.port}\n"
    return f"\n[VXLAN]\n{said}MacLearning=yes\nIndependent=yes\n{_WITHOUT_CHECKSUMS}"


# Of the packets between hosts: those in them have their own. So it is with Open vSwitch.
_WITHOUT_CHECKSUMS = "UDPChecksum=no\nUDP6ZeroChecksumTx=yes\nUDP6ZeroChecksumRx=yes\n"


def _peers(overlay: Overlay) -> str:
    """What goes to all, and to whom it is not yet known where, goes to each."""
    to_all = "\n[BridgeFDB]\nMACAddress=00:00:00:00:00:00\nDestination="
    return "".join(f"{to_all}{peer}\n" for peer in overlay.peers)


def _network(name: str, will: Switch, network: str, vlans: str = "") -> str:
    mtu = f"MTUBytes={will.mtu}\n" if will.mtu else ""
    return f"[Match]\nName={name}\n\n{_LINK}{mtu}\n[Network]\n{network}{_QUIET}{vlans}"


def _trunk(vlans: Iterable[str]) -> str:
    has = "".join(f"\n[BridgeVLAN]\nVLAN={one}\n" for one in tagged(vlans))
    return f"\n[BridgeVLAN]\nPVID=1\nEgressUntagged=1\n{has}"


# ---- what is there


def of_bridge(files: Mapping[str, str], bridge: str) -> dict[str, str]:
    """Those of one bridge, be they of uplinks that it has no more."""
    own = f"{PREFIX}{bridge}"
    return {
        name: text
        for name, text in files.items()
        if name in [f"{own}{one}" for one in ENDINGS] or name.startswith(f"{own}+")
    }


def stored_in(files: Mapping[str, str]) -> dict[str, Switch]:
    """The bridges that have files of ours, each as its note says."""
    found = {}
    for name, text in files.items():
        note = next((line for line in text.splitlines() if line.startswith(NOTE)), "")
        if name.endswith(".netdev") and note:
            switch = noted(note[len(NOTE) :])
            if switch is not None:
                found[name[len(PREFIX) : -len(".netdev")]] = switch
    return found
