# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of systemd that sees at a start of the host that a switch is whole. Pure.

libvirt starts VMs once the unit is through: on a bridge that is not there yet they would stay off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ....engine.keepers import BY_NETWORK_MANAGER, UNIT_ENDING, UNIT_PREFIX
from . import network_manager_files, start_steps
from .linux_names import bond_of, tunnel_of
from .noting import with_heads
from .seen import Switch

_UNIT = """\
[Unit]
Description=See that the switch {bridge} is whole
After=systemd-networkd.service NetworkManager.service
After=openvswitch-switch.service openvswitch.service
Before=libvirtd.service virtqemud.service virtnetworkd.service{online}

[Service]
Type=oneshot
TimeoutStartSec=600
{steps}
[Install]
WantedBy=multi-user.target
"""
# What names of units can have (systemd.unit(5)), without the two that mean something there.
_IN_NAMES = re.compile(r"[^A-Za-z0-9:_.-]")
_PLAIN = re.compile(r"[A-Za-z0-9_.:/+-]+")


def unit_of(bridge: str) -> str:
    """What the unit of a switch is called. Hyphens stay, unlike with systemd-escape."""

    def escaped(found: re.Match[str]) -> str:
        return "".join(f"\\x{byte:02x}" for byte in found[0].encode())

    return f"{UNIT_PREFIX}{_IN_NAMES.sub(escaped, bridge)}{UNIT_ENDING}"


def files_of(bridge: str, will: Switch, of_linux: bool) -> dict[str, str]:
    """The unit by its name; none of a bridge of others."""
    if not will.owner:
        return {}
    steps = [*_by_its_keeper(bridge, will)] if of_linux else [*_of_open_vswitch(bridge, will)]
    said = {"bridge": bridge.replace("%", "%%"), "steps": "".join(steps)}
    # Who else sets addresses has a unit of its own for that.
    said["online"] = " network-online.target" if not of_linux and _sets_addresses(will) else ""
    return with_heads([(unit_of(bridge), _UNIT.format(**said))])


def of_bridge(files: Mapping[str, str], bridge: str) -> dict[str, str]:
    """That of one bridge among all."""
    name = unit_of(bridge)
    return {name: files[name]} if name in files else {}


def _of_open_vswitch(bridge: str, will: Switch) -> Iterator[str]:
    yield _step("-", start_steps.OF_OPEN_VSWITCH, [bridge], will.nics)
    ports = [port.name for port in will.host_ports]
    if _sets_addresses(will):
        addresses = [f"{port.name}/{one}" for port in will.host_ports for one in port.addresses]
        routes = [f"{p.name}/{to}/{via}" for p in will.host_ports for to, via in p.every_route]
        yield _step("", start_steps.ADDRESSES, ports, addresses, routes)
    elif ports or will.nics:
        yield _step("", start_steps.BY_NETWORKD, [bridge], ports, (), [*ports, *will.nics])


def _sets_addresses(will: Switch) -> bool:
    return bool(will.host_ports) and will.backend == BY_NETWORK_MANAGER


def _by_its_keeper(bridge: str, will: Switch) -> Iterator[str]:
    links, joined = [*_links(bridge, will)], [*_joined(bridge, will)]
    if will.backend == BY_NETWORK_MANAGER:
        numbers = network_manager_files.numbers_of(bridge, will)
        yield _step("", start_steps.BY_NETWORK_MANAGER, [bridge], links, joined, numbers)
    else:
        every = dict.fromkeys([*links, *will.nics])
        yield _step("", start_steps.BY_NETWORKD, [bridge], links, joined, every)


def _links(bridge: str, will: Switch) -> Iterator[str]:
    """What its keeper makes."""
    yield bridge
    if len(will.nics) > 1:
        yield bond_of(bridge)
    if will.overlay is not None:
        yield tunnel_of(bridge)
    yield from (port.name for port in will.host_ports if port.vlan)


def _joined(bridge: str, will: Switch) -> Iterator[str]:
    """What is to be on what, as /sys has it. A NIC that is not there is no fault of the switch."""
    many = len(will.nics) > 1
    yield from (f"{nic}/upper_{bond_of(bridge) if many else bridge}" for nic in will.nics)
    if many:
        yield f"{bond_of(bridge)}/upper_{bridge}"
    if will.overlay is not None:
        yield f"{tunnel_of(bridge)}/upper_{bridge}"


# ---- how systemd reads it (systemd.service(5), systemd.syntax(7))


def _step(prefix: str, script: str, *arguments: Iterable[str]) -> str:
    """A command that a start runs, with an argument for each list of names."""
    lines = " \\\n    ".join(_said(script).splitlines())
    words = "".join(f" {_word(' '.join(one))}" for one in arguments)
    return f"ExecStart={prefix}/bin/sh -c '\\\n    {lines}' sh{words}\n"


def _word(argument: str) -> str:
    if _PLAIN.fullmatch(argument):
        return argument
    quoted = _said(argument).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def _said(text: str) -> str:
    """Without what it would replace."""
    return text.replace("%", "%%").replace("$", "$$")
