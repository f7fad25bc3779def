# SPDX-License-Identifier: GPL-3.0-or-later
"""What moves by itself in Open vSwitch on this machine: links, active uplinks, addresses seen."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from .open_vswitch import PROGRAM, WAIT_S

APPCTL = "ovs-appctl"
_ASKED = {
    "Port": "name,interfaces,bond_active_slave",
    "Interface": "_uuid,name,link_state,mac_in_use,lacp_current,ofport",
}


def read_state() -> dict[str, Any]:
    """The interfaces with what is known of each now; none where Open vSwitch does not answer."""
    command = [PROGRAM, f"--timeout={WAIT_S}", "--format=json"]
    for table, columns in _ASKED.items():
        command += ["--", f"--columns={columns}", "list", table]
    said = _said(command).splitlines()
    return state_in(*said) if len(said) == len(_ASKED) else {}


def state_in(ports: str, interfaces: str) -> dict[str, Any]:
    """The interfaces in what ovs-vsctl lists: whether each has a link, and carries the traffic."""
    active = {}
    for _name, found, mac in json.loads(ports)["data"]:
        members = found[1] if found[0] == "set" else [found]
        active.update({member[1]: mac for member in members})
    return {
        name: {
            "link": link if link in ("up", "down") else "",
            "active": _carries(link, mac, lacp, active.get(uuid[1])),
            "number": number if isinstance(number, int) else 0,
        }
        for uuid, name, link, mac, lacp, number in json.loads(interfaces)["data"]
    }


def _carries(link: Any, mac: Any, lacp: Any, active: Any) -> bool:
    """By the bond's active member, by what LACP agreed on, or else by its link."""
    if link != "up" or lacp is False:
        return False
    return not (isinstance(active, str) and lacp is not True) or active == mac


def read_addresses(
    bridge: str, interfaces: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The addresses that a bridge has learned, each with its port."""
    text = _said([APPCTL, f"--timeout={WAIT_S}", "fdb/show", bridge])
    return addresses_in(text, {one["number"]: name for name, one in interfaces.items()}, bridge)


def addresses_in(text: str, names: Mapping[int, str], bridge: str) -> list[dict[str, Any]]:
    """Lines of port, VLAN, MAC and age in seconds, beneath a heading."""
    rows = (line.split() for line in text.splitlines()[1:])
    return [
        {
            "mac": mac,
            "vlan": int(vlan),
            "port": bridge if number == "LOCAL" else names.get(int(number), number),
            "age_s": int(age) if age.isdecimal() else 0,
        }
        for number, vlan, mac, age in (row for row in rows if len(row) == 4)
    ]


def _said(command: Sequence[str]) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode else done.stdout
