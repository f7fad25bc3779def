# SPDX-License-Identifier: GPL-3.0-or-later
"""The files from which systemd-networkd makes a bridge with its uplinks. Pure.

The one of the bridge itself has a note of what was declared: what is stored of a switch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ....engine.keepers import PREFIX
from .linux_names import KINDS, bond_of
from .seen import Switch

NOTE = "# kvm-fleet: "
_WHOSE = """\
# Made by the Ansible collection kvm.fleet, which writes it anew. What is to be added,
# such as an address of the host, belongs in {name}.d/own.conf
"""
_QUIET = "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
# Without waiting for it: a host starts with a cable that is pulled, too.
_LINK = "[Link]\nRequiredForOnline=no\n"


def files_of(bridge: str, will: Switch, mac: str) -> dict[str, str]:
    """All files of a bridge, by name; the one with the note is the last."""
    texts = dict(_files(bridge, will, mac))
    return {name: _WHOSE.format(name=name) + text for name, text in texts.items()}


def _files(bridge: str, will: Switch, mac: str) -> Iterator[tuple[str, str]]:
    many = len(will.nics) > 1
    own = f"{PREFIX}{bridge}"
    for nic in will.nics:
        to = f"Bond={bond_of(bridge)}\n" if many else f"Bridge={bridge}\n"
        primary = "PrimarySlave=yes\n" if nic == will.primary else ""
        yield f"{own}+{nic}.network", _network(nic, will, to + primary, trunk=not many)
    if many:
        bond = bond_of(bridge)
        yield f"{own}+uplinks.netdev", _netdev(bond, "bond", "") + _bond(will)
        to = f"Bridge={bridge}\nConfigureWithoutCarrier=yes\n"
        yield f"{own}+uplinks.network", _network(bond, will, to, trunk=True)
    yield f"{own}.network", _network(bridge, will, "ConfigureWithoutCarrier=yes\n")
    made = _netdev(bridge, "bridge", f"MACAddress={mac}\n")
    yield f"{own}.netdev", f"{_note(will)}{made}{_BRIDGE}"


_BRIDGE = "\n[Bridge]\nVLANFiltering=yes\nDefaultPVID=1\nSTP=no\n"


def _netdev(name: str, kind: str, more: str) -> str:
    return f"[NetDev]\nName={name}\nKind={kind}\n{more}"


def _bond(will: Switch) -> str:
    mode, policy = KINDS[will.teaming]
    said = f"TransmitHashPolicy={policy}\n" if policy else ""
    return f"\n[Bond]\nMode={mode}\nMIIMonitorSec=100ms\n{said}"


def _network(name: str, will: Switch, network: str, trunk: bool = False) -> str:
    mtu = f"MTUBytes={will.mtu}\n" if will.mtu else ""
    text = f"[Match]\nName={name}\n\n{_LINK}{mtu}\n[Network]\n{network}{_QUIET}"
    # What has no tag is in VLAN 1, as on every port that says nothing else.
    vlans = "\n[BridgeVLAN]\nPVID=1\nEgressUntagged=1\n\n[BridgeVLAN]\nVLAN=2-4094\n"
    return text + (vlans if trunk else "")


def _note(will: Switch) -> str:
    said = {
        "owner": will.owner,
        "nics": list(will.nics),
        "teaming": will.teaming,
        "primary": will.primary,
        "mtu": will.mtu,
        "backend": will.backend,
    }
    return f"{NOTE}{json.dumps(said)}\n"


# ---- what is there


def of_bridge(files: Mapping[str, str], bridge: str) -> dict[str, str]:
    """Those of one bridge, be they of uplinks that it has no more."""
    own = f"{PREFIX}{bridge}"
    return {
        name: text
        for name, text in files.items()
        if name in (f"{own}.netdev", f"{own}.network") or name.startswith(f"{own}+")
    }


def stored_in(files: Mapping[str, str]) -> dict[str, Switch]:
    """The bridges that have files of ours, each as its note says."""
    found = {}
    for name, text in files.items():
        note = next((line for line in text.splitlines() if line.startswith(NOTE)), "")
        if name.endswith(".netdev") and note:
            switch = _noted(note[len(NOTE) :])
            if switch is not None:
                found[name[len(PREFIX) : -len(".netdev")]] = switch
    return found


def _noted(text: str) -> Switch | None:
    """What a note says; None of one that somebody has spoiled."""
    try:
        said = json.loads(text)
        return replace(Switch(**said), nics=tuple(said["nics"]))
    except (ValueError, TypeError, KeyError):
        return None
