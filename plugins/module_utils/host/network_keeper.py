# SPDX-License-Identifier: GPL-3.0-or-later
"""Who keeps the network of this machine over its starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..engine.keepers import IFUPDOWN, NETWORK_MANAGER, NETWORKD
from .linux_bridges import called

_SERVICES = {NETWORKD: "systemd-networkd.service", NETWORK_MANAGER: "NetworkManager.service"}
_PROGRAMS = ("/usr/lib/systemd/systemd-networkd", "/lib/systemd/systemd-networkd")
_INTERFACES = Path("/etc/network")


def read_network_keeper() -> dict[str, Any]:
    """Who keeps it (`keeper`), and whether networkd is on the machine (`has_networkd`)."""
    there = any(Path(one).exists() for one in _PROGRAMS)
    return {"keeper": read_keeper(), "has_networkd": there}


def read_keeper() -> str:
    """A service that runs, or else the files that ifupdown reads."""
    done = called(["systemctl", "is-active", *_SERVICES.values()])
    states = [] if done is None else done.stdout.split()
    for name, state in zip(_SERVICES, states):
        if state == "active":
            return name
    files = [_INTERFACES / "interfaces", *_INTERFACES.glob("interfaces.d/*")]
    return IFUPDOWN if any(_is_kept(path) for path in files) else ""


def _is_kept(path: Path) -> bool:
    """Whether a file of ifupdown has an interface beside the loopback."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    words = [line.split() for line in lines]
    return any(line[:1] == ["iface"] and line[1:2] != ["lo"] for line in words)
