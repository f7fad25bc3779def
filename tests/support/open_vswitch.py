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
            "Port": "_uuid,name,tag,trunks,interfaces,bond_mode,lacp,external_ids",
            "Interface": "name,mtu_request",
        }
        return "".join(self.vsctl(f"--columns={of}", "list", name) for name, of in columns.items())


def _plain(value: Any) -> Any:
    """A set as a list; one of nothing as none."""
    if isinstance(value, list):
        return value[1] or None
    return value or None
