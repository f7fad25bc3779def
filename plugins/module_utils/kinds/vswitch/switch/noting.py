# SPDX-License-Identifier: GPL-3.0-or-later
"""What our files of a switch begin with, and the note of what was declared of a bridge of Linux.
Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from .host_ports import port_of
from .overlay import overlay_of
from .seen import Switch

_WHOSE = """\
# Made by the Ansible collection kvm.fleet, which writes it anew. What is to be added,
# such as an address of the host, belongs in {name}.d/own.conf
"""


def with_heads(files: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Files of systemd by their names, which say whose they are."""
    return {name: _WHOSE.format(name=name) + text for name, text in files}


def note_of(will: Switch) -> str:
    """In one line."""
    said = {
        "owner": will.owner,
        "nics": list(will.nics),
        "teaming": will.teaming,
        "primary": will.primary,
        "mtu": will.mtu,
        "backend": will.backend,
    }
    if will.vlans:
        said["vlans"] = list(will.vlans)
    if will.host_ports:
        said["host_ports"] = [port.said for port in will.host_ports]
    if will.overlay is not None:
        said["overlay"] = will.overlay.said
    return json.dumps(said)


def noted(text: str) -> Switch | None:
    """What a note says; None of one that somebody has spoiled."""
    try:
        said = json.loads(text)
        ports = tuple(map(port_of, said.get("host_ports", ())))
        tunnels, nics = overlay_of(said.get("overlay")), tuple(said["nics"])
        switch = replace(Switch(**said), nics=nics, host_ports=ports, overlay=tunnels)
        return replace(switch, vlans=tuple(said.get("vlans", ())))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
