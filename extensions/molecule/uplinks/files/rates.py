"""Has tiny guests of one host send each other as much as they can, and tells what came through.

    rates.py WEB=11 SLOW=51

What it prints has of each switch what SLOW sent (outbound) and got (inbound), in bits a second. The
numbers are those with which the addresses of the guests end.
"""

from __future__ import annotations

import json
import sys

from support.guest import TinyGuest

# Of each switch the network and the NIC of guests, and ports. What goes over a limit is dropped,
# and a single connection sends far below it from then on; several together fill it.
SWITCHES = {
    "linux": ("10.10.1", "eth0", range(5010, 5014)),
    "open": ("10.10.2", "eth1", range(5020, 5024)),
}
# Where nothing more comes in to send, nc ends.
LISTEN = "setsid sh -c 'sleep 900 | nc -l -p {0}' >/dev/null 2>&1 & echo $! >/tmp/listens-{0}\n"
SEND = "setsid sh -c 'dd if=/dev/zero bs=64k | nc {} {}' >/dev/null 2>&1 </dev/null &"
# Once what may come ahead of the limit is through. Who sends ends when nobody listens any more.
COUNT = """
bytes=/sys/class/net/{}/statistics/rx_bytes
sleep 5
echo $(cut -d' ' -f1 /proc/uptime) $(cat $bytes)
sleep 12
echo $(cut -d' ' -f1 /proc/uptime) $(cat $bytes)
"""
STOP = "kill -9 -$(cat /tmp/listens-{})\n"


def told(guest: TinyGuest, command: str) -> str:
    rc, said = guest.shell(command)
    assert rc == 0, (guest.name, command, rc, said)
    return said


def rate(sender: TinyGuest, receiver: TinyGuest, switch: str) -> float:
    """Bits a second that a guest gets from another."""
    network, nic, ports = SWITCHES[switch]
    to = f"{network}.{ends[receiver.name]}"
    told(sender, "\n".join(SEND.format(to, port) for port in ports))
    said = told(receiver, COUNT.format(nic) + "".join(map(STOP.format, ports))).split()
    begun, before, ended, after = map(float, said)
    return 8 * (after - before) / (ended - begun)


ends = dict(one.split("=") for one in sys.argv[1:])
web, slow = [TinyGuest(name) for name in ends]
for guest in (web, slow):
    guest.wait_ready()
    told(guest, "".join(LISTEN.format(one) for *_nic, ports in SWITCHES.values() for one in ports))
found = {
    switch: {"outbound": rate(slow, web, switch), "inbound": rate(web, slow, switch)}
    for switch in SWITCHES
}
sys.stdout.write(f"{json.dumps(found)}\n")
