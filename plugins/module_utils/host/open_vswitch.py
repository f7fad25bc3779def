# SPDX-License-Identifier: GPL-3.0-or-later
"""Open vSwitch on this machine, as its own database has it: bridges, ports and what is on them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..engine.errors import FleetError
from ..engine.keepers import NETWORKD
from ..engine.vlan_ports import Port

PROGRAM = "ovs-vsctl"
WAIT_S = 10  # for its daemons, which answer at once or hang
MARK = "kvm-fleet"  # in external_ids: of a bridge whose it is, of a port that it is an uplink
HOST = "kvm-fleet-host"  # of a port by which the host itself is on it: what was declared of it
OVERLAY = "kvm-fleet-overlay"  # of a bridge: what was declared of it; of a port: its peer
BACKEND = "kvm-fleet-backend"  # of a bridge: who keeps the addresses of host ports; else networkd
TUNNELS, PATCH = ("vxlan", "geneve"), "patch"
# What is read of a tunnel. Of others it may have a key (psk), which is nobody's business.
OPTIONS = ("remote_ip", "local_ip", "key", "dst_port")

Rows = list[list[Any]]

# All that is asked, in one transaction.
_ASKED = {
    "Open_vSwitch": "datapath_types",
    "Bridge": "name,ports,external_ids",
    "Port": "name,tag,trunks,vlan_mode,_uuid,interfaces,bond_mode,lacp,other_config,external_ids,"
    "protected",
    "Interface": "_uuid,name,mtu_request,type,options,error",
}


def read_open_vswitch() -> dict[str, Any]:
    """The VLANs of each port (`ports`), those that are isolated from each other (`isolated`), the
    bridges with what is on them (`bridges`), the kinds of datapaths that there can be
    (`datapaths`), the ports that are tunnels to other hosts (`tunnels`) and those that lead to
    other bridges (`patches`); or why nothing is known (`error`)."""
    if shutil.which(PROGRAM) is None:
        return _unknown(f"the host has no {PROGRAM} (package openvswitch-switch)")
    command = ["--format=json"]
    for table, columns in _ASKED.items():
        command += ["--", f"--columns={columns}", "list", table]
    done = _called(command)
    if done.returncode:
        return _unknown(f"{PROGRAM} says: {done.stderr.strip()}")
    said = done.stdout.splitlines()
    isolated = isolated_in(said[2])
    return {"error": "", "ports": ports_in(said[2]), "isolated": isolated, **bridges_in(said)}


def _unknown(error: str) -> dict[str, Any]:
    nothing = ("ports", "bridges", "tunnels", "patches")
    return {"error": error, "datapaths": [], "isolated": [], **{name: {} for name in nothing}}


def ports_in(answer: str) -> dict[str, list[Any]]:
    """The ports in what ovs-vsctl lists: of each its tag, its trunk and its mode."""
    return {
        name: [tag if isinstance(tag, int) else 0, _set(trunks), mode if mode != _NONE else ""]
        for name, tag, trunks, mode, *_rest in json.loads(answer)["data"]
    }


def isolated_in(answer: str) -> list[str]:
    """The ports in what ovs-vsctl lists that exchange no frames with each other."""
    return sorted(row[0] for row in json.loads(answer)["data"] if row[10] is True)


_NONE = ["set", []]


def _set(found: Any) -> list[int]:
    """A set of numbers, which is written as such unless it is of one."""
    return [found] if isinstance(found, int) else sorted(found[1])


# ---- bridges


def bridges_in(answers: Sequence[str]) -> dict[str, Any]:
    """The bridges in the lists of all tables: the `owner` of each, the `mtu` that is asked for, and
    its `ports`: whether each is an `uplink` of ours, its `nics` with the MTU asked for, and as a
    bond its `mode`, `lacp` and `primary`. Apart from these, what is noted of `host_ports`, and of
    an `overlay`, whose ports are with the `tunnels` of others: on which `bridge` each is, the
    `peer` of one of ours, how it is set, and the `error` of one that is stored only."""
    [of_switch, bridges, ports, interfaces] = (json.loads(one)["data"] for one in answers)
    devices = {uuid[1]: (name, mtu) for uuid, name, mtu, *_rest in interfaces}
    found = {row[4][1]: (row[0], _port(row, devices)) for row in ports}
    datapaths = [kind for [kinds] in of_switch for kind in _many(kinds)]
    return {
        "bridges": {row[0]: _bridge(row, found) for row in bridges},
        "datapaths": sorted(datapaths),
        "tunnels": _tunnels(bridges, ports, interfaces),
        "patches": _patches(bridges, ports, interfaces),
    }


def _patches(bridges: Rows, ports: Rows, interfaces: Rows) -> dict[str, dict[str, str]]:
    """The ports that lead to another bridge, and to which port there."""
    on = {uuid: row[0] for row in bridges for uuid in _many(row[1])}
    to = {row[0][1]: _map(row[4]).get("peer", "") for row in interfaces if row[3] == PATCH}
    of_ports = ((row, uuid) for row in ports for uuid in _many(row[5]) if uuid in to)
    return {row[0]: {"bridge": on.get(row[4][1], ""), "to": to[uuid]} for row, uuid in of_ports}


def _tunnels(bridges: Rows, ports: Rows, interfaces: Rows) -> dict[str, Any]:
    on = {uuid: row[0] for row in bridges for uuid in _many(row[1])}
    settings = {row[0][1]: row[3:] for row in interfaces}
    found = {}
    for row in ports:
        of_port = [settings[uuid] for uuid in _many(row[5]) if uuid in settings]
        for kind, *rest in of_port:
            if kind in TUNNELS:
                options, error = rest
                found[row[0]] = {
                    "bridge": on.get(row[4][1], ""),
                    "peer": _map(row[9]).get(OVERLAY, ""),
                    "type": kind,
                    "options": {n: v for n, v in _map(options).items() if n in OPTIONS},
                    "protected": row[10] is True,
                    "error": error if isinstance(error, str) else "",
                }
    return found


def _bridge(row: list[Any], found: Mapping[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    name, ports, ids = row[0], row[1], _map(row[2])
    on_it = dict(found[uuid] for uuid in _many(ports) if uuid in found)
    own = on_it.pop(name, {"nics": {}})  # by which the host itself is on it
    on_it = {port: one for port, one in on_it.items() if not one.pop("peer")}
    of_host = {name: note for name, one in on_it.items() if (note := one.pop("host"))}
    return {
        "owner": ids.get(MARK, ""),
        "mtu": own["nics"].get(name, 0),
        **({"backend": ids.get(BACKEND, NETWORKD), "host_ports": of_host} if of_host else {}),
        **({"overlay": note} if (note := ids.get(OVERLAY, "")) else {}),
        "ports": {name: one for name, one in on_it.items() if name not in of_host},
    }


def _port(row: list[Any], devices: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    interfaces, mode, lacp, config, ids = row[5:10]
    nics = (devices[uuid] for uuid in _many(interfaces) if uuid in devices)
    return {
        "uplink": MARK in _map(ids),
        "nics": {name: mtu if isinstance(mtu, int) else 0 for name, mtu in sorted(nics)},
        "mode": mode if isinstance(mode, str) else "",
        "lacp": lacp if isinstance(lacp, str) else "",
        "primary": _map(config).get("bond-primary", ""),
        "host": _map(ids).get(HOST, ""),
        "peer": _map(ids).get(OVERLAY, ""),
    }


def _many(found: Any) -> list[str]:
    """A set of references or words, which is written as such unless it is of one."""
    if isinstance(found, str):
        return [found]
    parts = found[1] if found[0] == "set" else [found]
    return [part if isinstance(part, str) else part[1] for part in parts]


def _map(found: Any) -> dict[str, str]:
    return dict(found[1])


def transact(commands: Iterable[Sequence[str]], resource: str) -> None:
    """Give commands, all in one transaction. FleetError where Open vSwitch has not done them, or
    has stored what it cannot make."""
    told: list[str] = []
    for command in commands:
        told += ["--", *command]
    if not told:
        return
    done = _called(told[1:])
    why = done.stderr.strip().split("\n")[0] or f"{PROGRAM} ended with {done.returncode}"
    if done.returncode:
        raise FleetError(f"Open vSwitch has not changed the switch: {why}", resource)
    if "rror detected" in done.stderr:  # which is no failure to ovs-vsctl
        raise FleetError(f"the switch is stored as declared, but does not work: {why}", resource)


# ---- VLANs


def set_ports(ports: Mapping[str, Port], resource: str) -> None:
    """Give ports their VLANs, and isolate them or not where that is said, all in one transaction.
    One that is gone meanwhile is passed over."""
    command: list[str] = []
    for name, port in sorted(ports.items()):
        command += ["--", "--if-exists", "clear", "Port", name, "tag", "trunks", "vlan_mode"]
        said = _said(port)
        command += ["--", "--if-exists", "set", "Port", name, *said] if said else []
    done = _called(command) if command else None
    if done is not None and done.returncode:
        raise FleetError(
            f"Open vSwitch has not set the ports {', '.join(sorted(ports))}: {done.stderr.strip()}",
            resource,
        )


def isolate(ports: Mapping[str, bool], resource: str) -> None:
    """Isolate ports from each other, or no more. One that is gone meanwhile is passed over."""
    transact(
        (
            ["--if-exists", "set", "Port", name, f"protected={str(isolated).lower()}"]
            for name, isolated in sorted(ports.items())
        ),
        resource,
    )


def _said(port: Port) -> list[str]:
    tag, trunks, mode, isolated = port
    said = [f"tag={tag}"] if tag else []
    said += [] if isolated is None else [f"protected={str(isolated).lower()}"]
    said += [f"trunks={','.join(map(str, trunks))}"] if trunks else []
    return [*said, f"vlan_mode={mode}"] if mode else said


def _called(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, f"--timeout={WAIT_S}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGALRM:  # by which it ends itself, and which is all that it says
        done.stderr = f"no answer within {WAIT_S} s; do ovsdb-server and ovs-vswitchd run?"
    return done
