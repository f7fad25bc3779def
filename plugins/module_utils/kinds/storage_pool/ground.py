# SPDX-License-Identifier: GPL-3.0-or-later
"""What a storage pool needs where a plan starts it: folders, devices, a secret, its server.

libvirt looks at none of it before the start itself, and waits for minutes for a silent server.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from ...engine import xmltree
from ...engine.errors import FleetError, Mistakes
from ...engine.host import FORBIDS, HAS_NONE, HostFacts
from ...engine.keys import Values, parent
from ...engine.plan import Plan
from ...engine.world import World
from ...engine.xmltree import Element
from ..together import secrets
from .table import values_in

AUTH, DEVICES = ("source", "auth"), ("source", "devices")
ON_FOLDERS = ("dir", "fs", "netfs")
ON_A_DEVICE = ("fs", "disk")
ON_A_TARGET = ("iscsi", "iscsi-direct")
ON_MONITORS = "rbd"
ISCSI_PORT = 3260
MONITOR_PORTS = (3300, 6789)  # of Ceph, by the newer and by the older version of its protocol
MONITOR_SAYS = "ceph"  # to whoever connects, in both
MOST_TOLD = 5  # names of targets in an error
# Of network file systems, by their format. An older NFS has a port that another one tells.
PORTS = {"nfs": (2049, 111), "auto": (2049, 111), "cifs": (445,), "glusterfs": (24007,)}
MOUNT_OPTION = "fs:option"  # as libvirt calls it, whatever the prefix was that it was given
# By these a mount goes elsewhere, or by what a connection of TCP tells nothing of.
ELSEWHERE = ("addr", "ip", "mountaddr", "mounthost", "mountport", "server-port")
NOT_BY_TCP = ("udp", "udp6", "rdma", "rdma6")


def grounded(plan: Plan, world: World, starts: bool) -> Plan:
    """The plan, if all is there that it needs for a start; else what to do, or a warning."""
    plan = _with_its_secret(plan, world, starts)
    after = plan.after.stored
    if not starts or after is None or not world.host.is_local:
        return plan
    builds, before = bool(plan.wanted.options.get("build")), plan.have.stored
    had = set() if before is None else {path for path, _field in _needed(before, False)}
    mistakes, warnings = Mistakes(plan.resource), []
    for path, field in _gone(after, builds, world.host):
        if world.assume_on_host and path not in had:
            warnings.append(f"{path} does not exist yet; the plan assumes that it will")
        else:
            mistakes.add(_lacks(path, field), field)
    lacking = list(_lacking(after, world)) if world.host.is_this_machine else []
    for lack, way, field in lacking:
        if world.assume_on_host:
            warnings.append(f"{lack}; the plan assumes that it will")
        else:
            way = f"{way}, or leave the pool as it is (state: present)"
            mistakes.add(f"{lack}, and without it the pool cannot start; {way}", field)
    if after.get("type") in ON_FOLDERS and _is_file(world.host, _folder(after)):
        mistakes.add(f"{_folder(after)} is a file; name a folder", "path")
    mistakes.raise_any()
    doubt = _doubt(_login(after), world) if world.host.is_this_machine and not lacking else ""
    warnings += [doubt] if doubt else []
    return replace(plan, warnings=(*plan.warnings, *warnings))


def _gone(pool: Element, builds: bool, host: HostFacts) -> list[tuple[str, str]]:
    """What is needed and not there. A volume group that is there shows by any of its devices."""
    needed = list(_needed(pool, builds))
    gone = [one for one in needed if host.exists(one[0]) is False]
    return gone if pool.get("type") != "logical" or len(gone) == len(needed) else []


def _needed(pool: Element, builds: bool) -> Iterator[tuple[str, str]]:
    """The paths that have to be there for a start, each with the option that says it."""
    kind, values = pool.get("type", ""), values_in(pool)
    path = values.get(("path",))
    if kind in ON_FOLDERS and path and not builds:
        yield str(path), "path"
    device = values.get(("source", "device"))
    if kind in ON_A_DEVICE and device:
        yield str(device), "source.device"
    if kind == "logical":
        for key in values:
            if parent(key) == DEVICES:
                yield key[-1], "source.devices"


def _lacking(pool: Element, world: World) -> Iterator[tuple[str, str, str]]:
    """What of its server a pool lacks, what to do, and the option that says it."""
    deaf = _deaf(pool, world)
    if deaf:
        field = "source.hosts" if pool.get("type") == ON_MONITORS else "source.host"
        yield deaf, "see that it serves", field
        return
    login = _login(pool)
    refused = _refused(login, world) if login else ""
    if refused:
        yield refused, "see that it has it, and lets this host in to it", "source.device"


class _Login(NamedTuple):
    """What a pool logs in to. Without an initiator of its own it uses that of the host."""

    server: str
    port: int
    target: str
    initiator: str


def _login(pool: Element) -> _Login | None:
    """How a pool logs in, if it is one that does."""
    values = values_in(pool)
    server, target = values.get(("source", "host")), values.get(("source", "device"))
    if pool.get("type") not in ON_A_TARGET or not server or not target:
        return None
    [port] = _ports(pool, values)
    own = values.get(("source", "initiator"))
    return _Login(str(server), port, str(target), str(own or ""))


def _refused(login: _Login, world: World) -> str:
    """Why a login is refused, which open-iscsi tries for minutes; empty where that is not known."""
    found, who = _found(login, world), login.initiator
    by = f"the initiator {who}" if who else "this host"
    if found == FORBIDS:
        return f"{login.server} does not let {by} in to its target {login.target}"
    if found == HAS_NONE:
        return f"{login.server} has no target {login.target} for {by}{_others(login, world)}"
    return ""


def _found(login: _Login, world: World) -> str | None:
    server, port, target, initiator = login
    found: str | None = world.facts.ask("iscsi_login", server, str(port), target, initiator)
    return found


def _doubt(login: _Login | None, world: World) -> str:
    """Why a login may fail of which nobody can tell more: its server does not list the target.

    Some servers list none that can be logged in to all the same. What is listed is for the host's
    own initiator.
    """
    if login is None or login.initiator or _found(login, world) is not None:
        return ""
    listed = _listed(login, world)
    if listed is None or login.target in listed:
        return ""
    return (
        f"{login.server} does not list a target {login.target} to this host"
        f"{_others(login, world)}; where it has none, the start is given up after minutes"
    )


def _listed(login: _Login, world: World) -> list[str] | None:
    listed: list[str] | None = world.facts.ask("iscsi_targets", login.server, str(login.port))
    return listed


def _others(login: _Login, world: World) -> str:
    """What its server lists to the host, to be said after what it has not."""
    listed = None if login.initiator else _listed(login, world)
    return f"; it lists {', '.join(listed[:MOST_TOLD])}" if listed else ""


def _deaf(pool: Element, world: World) -> str:
    """Why the server of a pool cannot be reached; empty where it can, or where nobody can tell."""
    if pool.get("type") == ON_MONITORS:
        return _deaf_monitors(pool, world)
    values = values_in(pool)
    server, ports = values.get(("source", "host")), _ports(pool, values)
    if not server or not ports:
        return ""
    found = (world.facts.ask("reaches", str(server), str(port)) for port in ports)
    tried = list(itertools.takewhile(lambda one: one not in (None, "open"), found))
    if len(tried) < len(ports):
        return ""
    why = "it refuses connections" if tried[0] == "closed" else tried[0]
    return f"{server} does not answer on port {ports[0]} ({why})"


def _deaf_monitors(pool: Element, world: World) -> str:
    """The same of Ceph's monitors, of which one is enough. libvirt tries them for 30 s."""
    said = []
    for host in pool.iterfind("source/host"):
        own = host.get("port")
        deaf = _deaf_monitor(host.get("name", ""), (int(own),) if own else MONITOR_PORTS, world)
        if not deaf:
            return ""
        said.append(deaf)
    return " and ".join(said)


def _deaf_monitor(server: str, ports: tuple[int, ...], world: World) -> str:
    """Why none of its ports is one of a monitor that serves; empty where one is, or may be."""
    reasons = []
    for port in ports:
        found = world.facts.ask("reaches", server, str(port))
        if found is None:
            return ""
        if found == "open":
            says = world.facts.ask("greeting", server, str(port), unknown=MONITOR_SAYS)
            if says is None or says.startswith(MONITOR_SAYS):
                return ""
            found = "it says nothing" if not says else "no monitor of Ceph"
        reasons.append("it refuses connections" if found == "closed" else found)
    # Of two ports the reason is that of the one at which somebody listens.
    refused = "it refuses connections"
    why = next((one for one in reasons if one != refused), refused)
    return f"{server} does not answer on port {' or '.join(map(str, ports))} ({why})"


def _ports(pool: Element, values: Values) -> tuple[int, ...]:
    """The ports of the server, of which one has to be open; none where nobody can tell which."""
    kind = pool.get("type", "")
    if kind in ON_A_TARGET:
        said = values.get(("source", "port"))
        return (said if isinstance(said, int) else ISCSI_PORT,)
    if kind != "netfs":
        return ()
    usual = PORTS.get(str(values.get(("source", "format")) or "auto"), ())
    return _mounted_by(_mount_options(pool), usual)


def _mounted_by(options: dict[str, str], usual: tuple[int, ...]) -> tuple[int, ...]:
    """The ports that are asked where a mount has these options.

    Beside `port` another one may not be asked at all, and 0 means that of the usual ones.
    """
    by = {options.get("proto", ""), options.get("transport", ""), *options}
    if by & {*ELSEWHERE, *NOT_BY_TCP}:
        return ()
    port = options.get("port", "0")
    if not port.isdecimal():
        return ()
    return (int(port),) if int(port) else usual


def _mount_options(pool: Element) -> dict[str, str]:
    """What others say to `mount` in a definition; no option of ours does."""
    said = ",".join(option.get("name", "") for option in pool.iter(MOUNT_OPTION))
    pairs = (one.strip().partition("=") for one in said.split(","))
    return {name: value for name, _is, value in pairs if name}


def _lacks(path: str, field: str) -> str:
    ways = ", have it built (build: true)" if field == "path" else ""
    return (
        f"{path} is not there, and without it the pool cannot start; put it back{ways}, or leave "
        "the pool as it is (state: present)"
    )


def _is_file(host: HostFacts, path: str) -> bool:
    found = host.file(path)
    return found is not None and found.type == "file"


def _folder(pool: Element) -> str:
    return xmltree.get(pool, "target/path") or ""


def _with_its_secret(plan: Plan, world: World, starts: bool) -> Plan:
    """The plan, if the secret is there that it needs for a start."""
    auth = xmltree.find(plan.after.definition, "source/auth")
    if auth is None or not (starts or any(c.is_of("source.auth") for c in plan.changes)):
        return plan
    missing = secrets.lacks(world, auth.get("type", ""), auth.find("secret"))
    if not missing:
        return plan
    if starts and not (world.assume_on_host or world.assume_missing):
        raise FleetError(
            f"{missing} does not exist; declare it (secrets of host_config, or the module secret), "
            "or give the pool another",
            plan.resource,
            "source.auth.secret",
        )
    warning = f"{missing} does not exist yet; the pool cannot start without it"
    return replace(plan, warnings=(*plan.warnings, warning))
