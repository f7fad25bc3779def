# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start of the host does for a switch, in the words of a shell. Pure text.

Each is a command of its own in the unit of the switch, where its lines become one. It gets names
as arguments, which it splits at spaces alone: Linux has no interface with one in its name. What
systemd reads otherwise is escaped where the unit is put together; backslashes and single quotes are
in none.
"""

from __future__ import annotations

# Open vSwitch leaves uplinks down that nobody sets up, and no network manager has to. It remembers
# the ports of VMs that ran as the host lost its power (libvirt notes of a port whose it is).
# libvirt leaves a port of the same name as it is, with the VLAN of another VM's NIC; and one whose
# tap is on another bridge by now is in its way.
OF_OPEN_VSWITCH = """\
set -f; bridge=$1; nics=$2;
for one in $nics; do ip link set "$one" up; done;
ask="ovs-vsctl --timeout=60";
for one in $($ask --bare --columns=name find Interface external_ids:vm-id!=none); do
    [ -e "/sys/class/net/$one" ] || [ "$($ask port-to-br "$one")" != "$bridge" ]
        || $ask --if-exists del-port "$bridge" "$one";
done
"""

# `links` are there, and of `joined`, which are NIC/upper_BRIDGE, those whose NIC is there.
_IS_WHOLE = """\
is_whole() {
    for one in $links; do [ -e "/sys/class/net/$one" ] || return 1; done;
    for one in $joined; do
        [ -e "/sys/class/net/$one" ] || [ ! -e "/sys/class/net/${one%%/*}" ] || return 1;
    done; };
"""

# systemd-networkd waits 25 s for the kernel (NETLINK_DEFAULT_TIMEOUT_USEC of systemd; its
# environment says otherwise from 255 on). On a host that is busy as it starts it then gives an
# interface up, and tries it again only when it is started again.
BY_NETWORKD = f"""\
set -f; bridge=$1; links=$2; joined=$3; all=$4;
systemctl -q is-active systemd-networkd || exit 0;
states() {{ networkctl --no-legend --no-pager list $* 2>/dev/null; }};
is_failed() {{ states $all | grep -q " failed *$"; }};
is_set() {{ ! states $links | grep -qE " (pending|initialized|configuring) *$"; }};
{_IS_WHOLE}for round in 1 2 3 4; do
    for second in $(seq 60); do
        is_failed && break;
        is_whole && is_set && exit 0;
        sleep 1;
    done;
    is_failed || ! is_whole || exit 0;
    echo "$bridge is not whole, so systemd-networkd starts again:"; states $all;
    systemctl restart systemd-networkd;
done;
is_whole
"""

# Of host ports on Open vSwitch, which makes them itself, where NetworkManager has nothing to do
# with them. `addresses` are PORT/ADDRESS/PREFIX, `routes` PORT/DESTINATION/ROUTER.
ADDRESSES = """\
set -f; links=$1; addresses=$2; routes=$3;
for one in $links; do
    for second in $(seq 60); do
        [ -e "/sys/class/net/$one" ] && break;
        sleep 1;
    done;
    ip link set "$one" up;
done;
for one in $addresses; do ip address replace "${one#*/}" dev "${one%%/*}"; done;
for one in $routes; do
    way="${one#*/}"; via="${way##*/}"; family=-4;
    case "$via" in *:*) family=-6 ;; esac;
    ip $family route replace "${way%/*}" via "$via" dev "${one%%/*}" proto static;
done
"""

# NetworkManager has started before it has made anything. What it gives up it tries four times, and
# then again after five minutes (connection.autoconnect-retries of its settings). What is active is
# not activated again: NICs of VMs would be off the bridge where this runs later than at a start.
BY_NETWORK_MANAGER = f"""\
set -f; bridge=$1; links=$2; joined=$3; connections=$4;
systemctl -q is-active NetworkManager || exit 0;
{_IS_WHOLE}for round in 1 2 3 4; do
    for second in $(seq 30); do
        is_whole && exit 0;
        sleep 1;
    done;
    echo "$bridge is not whole, so what is not active of it is activated:";
    for one in $connections; do
        [ -n "$(nmcli --get-values GENERAL.STATE connection show uuid $one)" ]
            || nmcli --wait 20 connection up uuid $one;
    done;
done;
is_whole
"""
