# SPDX-License-Identifier: GPL-3.0-or-later
"""The files by which NetworkManager keeps a bridge of Linux with its uplinks. Pure.

Each connection has one, and that of the bridge itself the note of what was declared, where nmcli
leaves it when somebody changes the connection. What others made for an uplink stays as it is: ours
have the higher priority, so that NetworkManager takes them whenever it starts, and the others again
once ours are gone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ....engine.keepers import BY_NETWORK_MANAGER, PREFIX
from .host_ports import HostPort
from .linux_names import KINDS, bond_of, tagged
from .noting import note_of, noted
from .seen import Switch

FOLDER = "/etc/NetworkManager/system-connections"
ENDING, SETTINGS = ".nmconnection", ".conf"
NOTE = "kvm-fleet.switch="
_WHOSE = "# Made by the Ansible collection kvm.fleet, which writes it anew.\n"
_OURS = uuid.UUID("5a1a2f0c-9f43-4d52-9a0b-6b1f0f6d7c55")
_HIGHEST = 999  # of priorities; a connection has 0 unless somebody says otherwise
_NO_ADDRESSES = "[ipv4]\nmethod=disabled\n\n[ipv6]\nmethod=disabled\n"


def main_of(bridge: str) -> str:
    """The file of the bridge itself, which has the note."""
    return f"{PREFIX}{bridge}{ENDING}"


def files_of(bridge: str, will: Switch, mac: str) -> dict[str, str]:
    """All files of a bridge, by name, in the order in which they are activated but for that with
    the note, which is the last."""
    return {name: _WHOSE + text for name, text in _files(bridge, will, mac)}


def files_beside(bridge: str, will: Switch) -> dict[str, str]:
    """That of a bridge of Open vSwitch with host ports, of which NetworkManager of Debian has no
    plugin: it has nothing to do with them, nor with the uplinks whose addresses they have."""
    if not will.host_ports or will.backend != BY_NETWORK_MANAGER:
        return {}
    names = [*will.nics, *(port.name for port in will.host_ports)]
    said = ";".join(f"interface-name:{name}" for name in names)
    text = f"[keyfile]\nunmanaged-devices+={said}\n"
    return {f"{PREFIX}{bridge}{SETTINGS}": _WHOSE + text}


def _files(bridge: str, will: Switch, mac: str) -> Iterator[tuple[str, str]]:
    own, many, vlans = f"{PREFIX}{bridge}", len(will.nics) > 1, _on_bridge(will.vlans)
    without = [*will.nics, *(port.name for port in will.host_ports if port.vlan)]
    if without:
        yield f"{own}{SETTINGS}", _settings(bridge, without)
    if many:
        bond = bond_of(bridge)
        head = _connection(bridge, bond, "bond", (bridge, "bridge"))
        yield f"{own}+uplinks{ENDING}", f"{head}{_ethernet(will.mtu)}\n{_bond(will)}\n{vlans}"
    for nic in will.nics:
        to = (bond_of(bridge), "bond") if many else (bridge, "bridge")
        head = _connection(bridge, nic, "ethernet", to)
        yield f"{own}+{nic}{ENDING}", head + _ethernet(will.mtu) + ("" if many else f"\n{vlans}")
    for port in will.host_ports:
        if port.vlan:
            yield f"{own}+{port.name}{ENDING}", _vlan(bridge, port, will.mtu)
    yield main_of(bridge), _of_itself(bridge, will, mac)


def _settings(bridge: str, names: Iterable[str]) -> str:
    """A cable that is pulled takes nothing off the bridge, and no address away."""
    matched = ";".join(f"interface-name:{name}" for name in names)
    return f"[device-kvm-fleet-{bridge}]\nmatch-device={matched}\nignore-carrier=yes\n"


def _connection(bridge: str, name: str, kind: str, on: tuple[str, str] | None = None) -> str:
    place = f"master={on[0]}\nslave-type={on[1]}\n" if on else ""
    said = f"id=kvm-fleet {bridge}" + (f" {name}" if name != bridge else "")
    which = f"uuid={uuid_of(bridge, name)}\ntype={kind}\ninterface-name={name}\n{place}"
    return f"[connection]\n{said}\n{which}autoconnect-priority={_HIGHEST}\n"


def numbers_of(bridge: str, will: Switch) -> list[str]:
    """The UUIDs of all connections of a bridge, in the order in which one needs another."""
    bond = [bond_of(bridge)] if len(will.nics) > 1 else []
    ports = [port.name for port in will.host_ports if port.vlan]
    return [uuid_of(bridge, name) for name in (bridge, *bond, *will.nics, *ports)]


def uuid_of(bridge: str, name: str) -> str:
    """The same whenever it is made; a host has one of each name."""
    return str(uuid.uuid5(_OURS, f"{bridge}/{name}"))


def _ethernet(mtu: int, *more: str) -> str:
    lines = [*more, *([f"mtu={mtu}"] if mtu else [])]
    return "\n[ethernet]\n" + "".join(f"{line}\n" for line in lines) if lines else ""


def _bond(will: Switch) -> str:
    mode, policy = KINDS[will.teaming]
    primary = f"primary={will.primary}\n" if will.primary else ""
    hashed = f"xmit_hash_policy={policy}\n" if policy else ""
    return f"[bond]\nmiimon=100\nmode={mode}\n{primary}{hashed}"


def _on_bridge(carries: Iterable[str]) -> str:
    return f"[bridge-port]\nvlans={', '.join(['1 pvid untagged', *tagged(carries)])}\n"


def _vlan(bridge: str, port: HostPort, mtu: int) -> str:
    head = _connection(bridge, port.name, "vlan") + _ethernet(port.mtu or mtu)
    return f"{head}\n[vlan]\nflags=1\nid={port.vlan}\nparent={bridge}\n\n{_addresses(port)}"


def _of_itself(bridge: str, will: Switch, mac: str) -> str:
    """Of the bridge as an interface, which is a host port itself where that has no VLAN."""
    itself = next((port for port in will.host_ports if not port.vlan), None)
    has = [str(port.vlan) for port in will.host_ports if port.vlan]
    vlans = f"vlans={', '.join(['1 pvid untagged', *has])}\n" if has else ""
    mtu = (itself.mtu if itself else 0) or will.mtu
    head = _connection(bridge, bridge, "bridge") + _ethernet(mtu, f"cloned-mac-address={mac}")
    filtering = f"[bridge]\nstp=false\nvlan-default-pvid=1\nvlan-filtering=true\n{vlans}"
    of_host = _NO_ADDRESSES if itself is None else _addresses(itself)
    return f"{head}\n{filtering}\n{of_host}\n[user]\n{NOTE}{_escaped(note_of(will))}\n"


def _escaped(note: str) -> str:
    """As a keyfile has it, which nmcli writes anew with what somebody changes."""
    return note.replace("\\", "\\\\")


def _plain(value: str) -> str:
    return value.replace("\\\\", "\\")


def _addresses(port: HostPort) -> str:
    return "\n".join(_of_family(port, family) for family in (4, 6))


def _of_family(port: HostPort, family: int) -> str:
    def mine(address: str) -> bool:
        return (":" in address) == (family == 6)

    has = [one for one in port.addresses if mine(one)]
    if not has:
        return f"[ipv{family}]\nmethod=disabled\n"
    lines = [f"address{number}={one}" for number, one in enumerate(has, 1)]
    lines += [f"gateway={via}" for via in port.gateways if mine(via)]
    routes = [(to, via) for to, via in port.routes if mine(via)]
    lines += [f"route{number}={to},{via}" for number, (to, via) in enumerate(routes, 1)]
    return f"[ipv{family}]\nmethod=manual\n" + "".join(f"{line}\n" for line in lines)


# ---- what is there


def stored_in(files: Mapping[str, str]) -> dict[str, Switch]:
    """The bridges that have files of ours, each as its note says."""
    found = {}
    for name, text in files.items():
        note = next((line for line in text.splitlines() if line.startswith(NOTE)), "")
        switch = noted(_plain(note[len(NOTE) :])) if name.endswith(ENDING) and note else None
        if switch is not None:
            found[name[len(PREFIX) : -len(ENDING)]] = switch
    return found


def connections_in(files: Mapping[str, str]) -> dict[str, str]:
    """Of each file that is a connection its UUID, the bridge first: what is on it needs it."""
    found = {
        name: line[len("uuid=") :]
        for name, text in files.items()
        for line in text.splitlines()
        if name.endswith(ENDING) and line.startswith("uuid=")
    }
    return dict(sorted(found.items(), key=lambda one: "+" in one[0]))


def anew(are: Mapping[str, str], will: Mapping[str, str]) -> list[str]:
    """The connections that become active anew: what they are, or what they are on, is otherwise.
    The bridge itself never: NICs of VMs would be off it. All else is set while they are active."""
    kinds = {name: _kind(text) for name, text in are.items()}
    return [
        name
        for name in connections_in(will)
        if "+" in name and kinds.get(name) != _kind(will[name])
    ]


def _kind(text: str) -> set[str]:
    """What a connection is, and what it is on."""
    said = ("type=", "interface-name=", "master=", "slave-type=", "parent=", "id=")
    return {line for line in text.splitlines() if line.startswith(said)}


def astray(
    found: Mapping[str, Sequence[str]], will: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """The connections that NetworkManager has otherwise than their files say: of each UUID the
    interface that it is active on, and the file that it was read from."""
    for name, number in connections_in(will).items():
        device, path = found.get(number, ("", ""))
        if path != f"{FOLDER}/{name}":
            yield name, f"read from {path}" if path else "not read", "read"
        elif not device:
            yield name.replace(PREFIX, "connection "), "not active", "active"
