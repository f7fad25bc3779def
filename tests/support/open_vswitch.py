"""A real Open vSwitch beside a private libvirtd: in user space, without a module of the kernel."""

from __future__ import annotations

import json
from typing import Any

from support.private_libvirtd import PrivateLibvirtd, which

PROGRAMS = ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl")
# Its sockets and its database are of these namespaces alone, and end with them.
START = """
set -e
mkdir -p /run/openvswitch
mountpoint -q /run/openvswitch && exit
mount -t tmpfs -o mode=755 none /run/openvswitch
cd /run/openvswitch
export PATH=$PATH:/usr/sbin OVS_RUNDIR=/run/openvswitch
quiet='-vconsole:off -vsyslog:off'
ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server conf.db --remote=punix:/run/openvswitch/db.sock --pidfile --detach $quiet
ovs-vsctl --no-wait init
ovs-vswitchd --pidfile --detach --disable-system $quiet
"""
STOP = """
cd /run/openvswitch
kill $(cat ovs-vswitchd.pid) $(cat ovsdb-server.pid)
cd / && umount --lazy /run/openvswitch
"""


def why_not_here() -> str:
    """Why there can be none; empty if there can."""
    missing = [name for name in PROGRAMS if not which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


class OpenVswitch:
    """The switch, seen and changed by its own tools."""

    def __init__(self, libvirtd: PrivateLibvirtd) -> None:
        self.libvirtd = libvirtd
        libvirtd.run(["bash", "-c", START])

    def stop(self) -> None:
        """End it, for the tests that come after on a host without one."""
        self.libvirtd.run(["bash", "-c", STOP])

    def add_bridge(self, name: str) -> None:
        self.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev")

    def vsctl(self, *arguments: str) -> str:
        return self.libvirtd.run(["ovs-vsctl", "--timeout=20", *arguments]).strip()

    def port(self, name: str) -> tuple[Any, ...]:
        """The tag, the trunk and the mode of a port."""
        said = self.vsctl("--format=json", "--columns=tag,trunks,vlan_mode", "list", "Port", name)
        return tuple(_plain(value) for value in json.loads(said)["data"][0])

    def everything(self) -> str:
        """All that the database says, but for what is counted."""
        columns = {
            "Bridge": "name,ports,datapath_type,external_ids",
            "Port": "_uuid,name,tag,trunks,interfaces,bond_mode,lacp,external_ids,protected",
            "Interface": "name,mtu_request,type,options",
        }
        return "".join(self.vsctl(f"--columns={of}", "list", name) for name, of in columns.items())


def _plain(value: Any) -> Any:
    """A set as a list; one of nothing as none."""
    if isinstance(value, list):
        return value[1] or None
    return value or None


# ---- other hosts, on one wire with this one

# A host with a guest. Its own network, by which others are reached, is on a bridge as well: in
# user space tunnels go out by those of Open vSwitch only.
HOST = """
set -e
export PATH=$PATH:/usr/sbin
sleeping() {
    unshare --net sleep 900 </dev/null >/dev/null 2>&1 &
    while [ "$(readlink /proc/$!/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
}
sleeping; guest=$!
host=$PPID within=
if [ "$DB" != "$OWN" ]; then
    sleeping; host=$!
    within="nsenter --net=/proc/$host/ns/net"
    quiet='-vconsole:off -vsyslog:off'
    export OVS_RUNDIR=${DB%/*}
    mkdir $OVS_RUNDIR
    ovsdb-tool create $OVS_RUNDIR/conf.db /usr/share/openvswitch/vswitch.ovsschema
    $within ovsdb-server $OVS_RUNDIR/conf.db --remote=punix:$DB --pidfile --detach $quiet
    ovs-vsctl --db=unix:$DB --no-wait init
    $within ovs-vswitchd unix:$DB --pidfile --detach --disable-system $quiet
fi
ip link add wire-$NAME type veth peer name phy-$NAME
ip link set wire-$NAME master wire up
ip link add port-$NAME type veth peer name somebody
ip link set somebody netns $guest
if [ -n "$within" ]; then
    ip link set phy-$NAME netns $host
    ip link set port-$NAME netns $host
fi
$within ip link set phy-$NAME up
$within ip link set port-$NAME up
ovs-vsctl --db=unix:$DB add-br net-$NAME -- set Bridge net-$NAME datapath_type=netdev -- \
    add-port net-$NAME phy-$NAME
$within ip address add $ADDRESS/24 dev net-$NAME
$within ip link set net-$NAME up
nsenter --net=/proc/$guest/ns/net bash -ec "
    ip address add $GUEST/24 dev somebody
    ip link set somebody up"
echo $guest $host
"""
OWN = "/run/openvswitch/db.sock"
# The Ethernet types of frames on the wire, of those in tunnels, and the numbers of these tunnels.
CAPTURE = """
import socket, subprocess, sys, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind((sys.argv[1], 0))
wire.settimeout(0.2)
wire.setsockopt(263, 8, 1)  # PACKET_AUXDATA: a tag that the kernel took out of the frame
ping = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL)
end = time.monotonic() + 3
while time.monotonic() < end:
    try:
        frame, extra, _flags, _whom = wire.recvmsg(65536, 64)
    except TimeoutError:
        continue
    tags = [data for _level, _kind, data in extra if int.from_bytes(data[16:18], "little")]
    kind = "8100" if tags else frame[12:14].hex()
    port = int.from_bytes(frame[36:38], "big") if kind == "0800" and frame[23] == 17 else 0
    if port in (4789, 6081):
        print(kind, port, int.from_bytes(frame[46:49], "big"), frame[62:64].hex())
    else:
        print(kind)
ping.wait()
"""


class OtherHost:
    """A host on a wire, be it another or this one, with a guest on a port of its own."""

    def __init__(self, libvirtd: PrivateLibvirtd, number: int, own: bool = False) -> None:
        self.libvirtd = libvirtd
        self.name = f"h{number}"
        self.address, self.guest = f"192.0.2.{number}", f"10.99.0.{number}"
        self.db = OWN if own else f"/run/openvswitch/{self.name}/db.sock"
        if own:
            libvirtd.run(["ip", "link", "add", "wire", "up", "type", "bridge"])
        said = {"NAME": self.name, "DB": self.db, "OWN": OWN, "ADDRESS": self.address}
        settings = [f"{name}={value}" for name, value in {**said, "GUEST": self.guest}.items()]
        told = libvirtd.run(["env", *settings, "bash", "-c", HOST]).split()
        self.process, self.processes = told[0], told[:1] if own else told

    @property
    def port(self) -> str:
        """That of the guest, which is on no bridge yet."""
        return f"port-{self.name}"

    def vsctl(self, *arguments: str) -> str:
        command = ["ovs-vsctl", f"--db=unix:{self.db}", "--timeout=20", *arguments]
        return self.libvirtd.run(command).strip()

    def pinging(self, whom: OtherHost) -> list[str]:
        within = ["nsenter", f"--net=/proc/{self.process}/ns/net"]
        return [*within, "ping", "-c", "1", "-W", "1", whom.guest]

    def reaches(self, whom: OtherHost) -> bool:
        """Whether the guest here has an answer of the guest there."""
        return self.libvirtd.try_run(self.pinging(whom)).returncode == 0

    def captured(self, whom: OtherHost) -> list[str]:
        """What passes the wire while the guest here asks the guest there, and some seconds more."""
        command = ["python3", "-c", CAPTURE, f"wire-{self.name}", *self.pinging(whom)]
        return self.libvirtd.run(command).splitlines()

    def stop(self) -> None:
        if self.db == OWN:
            self.libvirtd.run(["ovs-vsctl", "--if-exists", "del-br", f"net-{self.name}"])
        else:
            folder = self.db.rpartition("/")[0]
            self.libvirtd.run(["bash", "-c", f"kill $(cat {folder}/*.pid)"])
        self.libvirtd.run(["kill", *self.processes])
        if self.db == OWN:
            self.libvirtd.run(["ip", "link", "delete", "wire"])
