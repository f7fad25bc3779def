# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of systemd that sees at a start of the host that a switch is whole. Pure.

Open vSwitch leaves uplinks down that nobody sets up, and no network manager has to. It remembers
the ports of VMs that ran as the host lost its power. libvirt leaves a port of the same name as it
is, with the VLAN of another VM's NIC; and one whose tap is on another bridge by now is in its way.

systemd-networkd waits 25 s for the kernel (NETLINK_DEFAULT_TIMEOUT_USEC of systemd; its environment
says otherwise from 255 on). On a host that is busy as it starts it then gives an interface up, and
tries it again only when it is started again. libvirt starts VMs once the unit is through: on a
bridge that is not there yet they would stay off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ....engine.keepers import UNIT_ENDING, UNIT_PREFIX
from .linux_names import bond_of, tunnel_of
from .seen import Switch

_UNIT = """\
[Unit]
Description=See that the switch {bridge} is whole
After=systemd-networkd.service openvswitch-switch.service openvswitch.service
Before=libvirtd.service virtqemud.service virtnetworkd.service

[Service]
Type=oneshot
TimeoutStartSec=600
ExecStart=/bin/sh -c '\\
    links="{links}"; joined="{joined}"; all="{every}"; \\
{of_ovs}    [ -n "$$all" ] && systemctl -q is-active systemd-networkd || exit 0; \\
    states() {{ networkctl --no-legend --no-pager list $$* 2>/dev/null; }}; \\
    is_failed() {{ states $$all | grep -q " failed *$$"; }}; \\
    is_set() {{ ! states $$links | grep -qE " (pending|initialized|configuring) *$$"; }}; \\
    is_whole() {{ \\
        for one in $$links; do [ -e /sys/class/net/$$one ] || return 1; done; \\
        for one in $$joined; do \\
            [ -e /sys/class/net/$$one ] || [ ! -e /sys/class/net/$${{one%%/*}} ] || return 1; \\
        done; }}; \\
    for round in 1 2 3 4; do \\
        for second in $$(seq 60); do \\
            is_failed && break; \\
            is_whole && is_set && exit 0; \\
            sleep 1; \\
        done; \\
        is_failed || ! is_whole || exit 0; \\
        echo "{bridge} is not whole, so systemd-networkd starts again:"; states $$all; \\
        systemctl restart systemd-networkd; \\
    done; \\
    is_whole'

[Install]
WantedBy=multi-user.target
"""
# libvirt notes of a port whose it is.
_OF_OVS = """\
    for one in {nics}; do ip link set $$one up; done; \\
    ask="ovs-vsctl --timeout=60"; \\
    for one in $$($$ask --bare --columns=name find Interface external_ids:vm-id!=none); do \\
        [ -e /sys/class/net/$$one ] || [ "$$($$ask port-to-br $$one)" != {bridge} ] \\
            || $$ask --if-exists del-port {bridge} $$one; \\
    done; \\
"""
# What the unit's shell takes for one word. Of other names, which no program gives, there is none.
_WORD = re.compile(r"[A-Za-z0-9_.:+-]+")


def unit_of(bridge: str) -> str:
    """What the unit of a switch is called."""
    return f"{UNIT_PREFIX}{bridge}{UNIT_ENDING}"


def files_of(bridge: str, will: Switch, of_linux: bool) -> Iterator[tuple[str, str]]:
    """The unit by its name."""
    links, joined = [port.name for port in will.host_ports], []
    if of_linux:
        links, joined = [*_links(bridge, will)], [*_joined(bridge, will)]
    every = [*dict.fromkeys([*links, *will.nics])]
    if all(map(_WORD.fullmatch, [bridge, *every])):
        said = {"links": links, "joined": joined, "every": every}
        words = {name: " ".join(words) for name, words in said.items()}
        of_ovs = "" if of_linux else _OF_OVS.format(bridge=bridge, nics=" ".join(will.nics))
        yield unit_of(bridge), _UNIT.format(bridge=bridge, of_ovs=of_ovs, **words)


def _links(bridge: str, will: Switch) -> Iterator[str]:
    """What networkd makes."""
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
