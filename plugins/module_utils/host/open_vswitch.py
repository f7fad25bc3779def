# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of Open vSwitch on this machine, as its own database has them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from ..engine.errors import FleetError
from ..engine.vlans import Port

PROGRAM = "ovs-vsctl"
WAIT_S = 10  # for its daemons, which answer at once or hang
_COLUMNS = "name,tag,trunks,vlan_mode"


def read_ports() -> dict[str, Any]:
    """The VLANs of each port (`ports`), or why they are not known (`error`)."""
    if shutil.which(PROGRAM) is None:
        return {"error": f"the host has no {PROGRAM} (package openvswitch-switch)", "ports": {}}
    done = _called(["--format=json", f"--columns={_COLUMNS}", "list", "Port"])
    if done.returncode:
        return {"error": f"{PROGRAM} says: {done.stderr.strip()}", "ports": {}}
    return {"error": "", "ports": ports_in(done.stdout)}


def ports_in(answer: str) -> dict[str, list[Any]]:
    """The ports in what ovs-vsctl lists: of each its tag, its trunk and its mode."""
    rows = json.loads(answer)["data"]
    return {
        name: [tag if isinstance(tag, int) else 0, _set(trunks), mode if mode != _NONE else ""]
        for name, tag, trunks, mode in rows
    }


_NONE = ["set", []]


def _set(found: Any) -> list[int]:
    """A set of numbers, which is written as such unless it is of one."""
    return [found] if isinstance(found, int) else sorted(found[1])


def set_ports(ports: Mapping[str, Port], resource: str) -> None:
    """Give ports their VLANs, all in one transaction. One that is gone meanwhile is passed over."""
    command: list[str] = []
    for name, port in sorted(ports.items()):
        command += ["--", "--if-exists", "clear", "Port", name, "tag", "trunks", "vlan_mode"]
        said = _said(port)
        command += ["--", "--if-exists", "set", "Port", name, *said] if said else []
    done = _called(command) if command else None
    if done is not None and done.returncode:
        raise FleetError(
            f"Open vSwitch refused the VLANs of {', '.join(sorted(ports))}: {done.stderr.strip()}",
            resource,
        )


def _said(port: Port) -> list[str]:
    tag, trunks, mode = port
    said = [f"tag={tag}"] if tag else []
    said += [f"trunks={','.join(map(str, trunks))}"] if trunks else []
    return [*said, f"vlan_mode={mode}"] if mode else said


def _called(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, f"--timeout={WAIT_S}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
