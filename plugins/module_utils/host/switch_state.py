# SPDX-License-Identifier: GPL-3.0-or-later
"""What moves by itself in Open vSwitch on this machine: links, active uplinks, addresses seen."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from .open_vswitch import PROGRAM, WAIT_S

APPCTL = "ovs-appctl"
NOBODY = "00:00:00:00:00:00"  # where no partner speaks LACP
_PARTNER = re.compile(r"^(?:member|slave): (\S+):|^\s+partner sys_id: (\S+)", re.MULTILINE)
_ASKED = {
    "Bridge": "name,ports",
    "Port": "_uuid,interfaces,bond_active_slave",
    "Interface": "_uuid,name,link_state,mac_in_use,lacp_current,ofport",
}


def read_state() -> dict[str, Any]:
    """The interfaces with what is known of each now; none where Open vSwitch does not answer."""
    command = [PROGRAM, f"--timeout={WAIT_S}", "--format=json"]
    for table, columns in _ASKED.items():
        command += ["--", f"--columns={columns}", "list", table]
    said = _said(command).splitlines()
    if len(said) != len(_ASKED):
        return {}
    partners = partners_in(_said([APPCTL, f"--timeout={WAIT_S}", "lacp/show"]))
    return {
        name: {**one, **({"partner": partners[name]} if name in partners else {})}
        for name, one in state_in(*said).items()
    }


def partners_in(text: str) -> dict[str, str]:
    """By interface that speaks LACP the system that it hears there; empty where it hears none."""
    found, name = {}, ""
    for member, partner in _PARTNER.findall(text):
        name = member or name
        found[name] = "" if partner == NOBODY else partner
    return found


def state_in(bridges: str, ports: str, interfaces: str) -> dict[str, Any]:
    """The interfaces in what ovs-vsctl lists: on which bridge each is, and with which number there,
    whether it has a link, and carries the traffic."""
    bridge_of = {port: name for name, found in json.loads(bridges)["data"] for port in _ids(found)}
    active, on = {}, {}
    for [_uuid, port], found, mac in json.loads(ports)["data"]:
        active.update(dict.fromkeys(_ids(found), mac))
        on.update(dict.fromkeys(_ids(found), bridge_of.get(port, "")))
    return {
        name: {
            "bridge": on.get(uuid[1], ""),
            "link": link if link in ("up", "down") else "",
            "active": _carries(link, mac, lacp, active.get(uuid[1])),
            "number": number if isinstance(number, int) else 0,
        }
        for uuid, name, link, mac, lacp, number in json.loads(interfaces)["data"]
    }


def _ids(found: Any) -> list[str]:
    """The rows that a column refers to, which is written otherwise where it is one."""
    kind, value = found
    return [one[1] for one in value] if kind == "set" else [value]


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
    # Numbers of ports are those of one bridge.
    own = {one["number"]: name for name, one in interfaces.items() if one["bridge"] == bridge}
    return addresses_in(text, own, bridge)


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
