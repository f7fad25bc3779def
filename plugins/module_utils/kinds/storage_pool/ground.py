# SPDX-License-Identifier: GPL-3.0-or-later
"""What a storage pool needs where a plan starts it: folders, devices, a secret, its server.

libvirt looks at none of it before the start itself, and waits for minutes for a silent server.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from ...engine import xmltree
from ...engine.errors import FleetError, Mistakes
from ...engine.host import HostFacts
from ...engine.keys import Values, parent
from ...engine.plan import Plan
from ...engine.world import World
from ...engine.xmltree import Element
from ..together import secrets
from .table import values_in

AUTH, DEVICES = ("source", "auth"), ("source", "devices")
ON_FOLDERS = ("dir", "fs", "netfs")
ON_A_DEVICE = ("fs", "disk")
ISCSI_PORT = 3260
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
    for lack, way, field in _lacking(after, world) if world.host.is_this_machine else ():
        if world.assume_on_host:
            warnings.append(f"{lack}; the plan assumes that it will")
        else:
            way = f"{way}, or leave the pool as it is (state: present)"
            mistakes.add(f"{lack}, and without it the pool cannot start; {way}", field)
    if after.get("type") in ON_FOLDERS and _is_file(world.host, _folder(after)):
        mistakes.add(f"{_folder(after)} is a file; name a folder", "path")
    mistakes.raise_any()
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
        yield deaf, "see that it serves", "source.host"
        return
    unlisted = _unlisted(pool, world)
    if unlisted:
        yield unlisted, "see that it has it, and lets this host in to it", "source.device"


def _unlisted(pool: Element, world: World) -> str:
    """Why a target is none that its server lists; empty where it does, or where nobody can tell.

    open-iscsi tries to log in for two minutes. What another initiator is let in to is not listed to
    the host's own, by which it asks.
    """
    values = values_in(pool)
    server, target = values.get(("source", "host")), values.get(("source", "device"))
    own = values.get(("source", "initiator"))
    if pool.get("type") != "iscsi" or own or not server or not target:
        return ""
    [port] = _ports(pool, values)
    listed = world.facts.ask("iscsi_targets", str(server), str(port))
    if listed is None or target in listed:
        return ""
    others = f"; it lists {', '.join(listed[:MOST_TOLD])}" if listed else ""
    return f"{server} does not list a target {target} to this host{others}"


def _deaf(pool: Element, world: World) -> str:
    """Why the server of a pool cannot be reached; empty where it can, or where nobody can tell."""
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


def _ports(pool: Element, values: Values) -> tuple[int, ...]:
    """The ports of the server, of which one has to be open; none where nobody can tell which."""
    kind = pool.get("type", "")
    if kind in ("iscsi", "iscsi-direct"):
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
