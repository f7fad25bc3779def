"""A bridge of Linux that a real systemd-networkd keeps, in the namespaces of a process.

As a program it is what a run does to a switch, told as the facts of it. Where the kernel's bridges
do not filter VLANs, all about these is left out of what is told and read.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from support.private_libvirtd import wait_until

NETWORKD = "/lib/systemd/systemd-networkd"
PROGRAMS = (NETWORKD, "dbus-daemon", "networkctl")
FILTERING = ("vlan_filtering", "1", "vlan_default_pvid", "1")
ALL_VLANS = [[1, 1, "pvid untagged"], [2, 4094, ""]]
# networkd waits for udev unless /sys is read-only, as it is in a container; networkctl needs D-Bus.
PREPARE = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/dbus /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network:systemd-network /run/systemd/netif
mount -t tmpfs -o mode=755 none /etc/systemd/network
mount -t tmpfs -o mode=755 none /etc/systemd/system
mount -o bind /sys /sys
mount -o remount,ro,bind /sys
"""


def why_not_here() -> str:
    """Why there can be none; empty if there can."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


class Keeper:
    """systemd-networkd, where its process is."""

    def __init__(self, within: Sequence[str], filters: bool) -> None:
        self.within = [*within]
        self.filters = filters
        subprocess.run([*within, "bash", "-c", PREPARE], check=True)
        self.bus = self._started("dbus-daemon", "--system", "--nofork", "--nopidfile")
        self.networkd = self._started(NETWORKD)
        wait_until(self._answers, 30, "an answer of systemd-networkd")

    def _answers(self) -> bool:
        asked = [*self.within, "networkctl", "reload"]
        return subprocess.run(asked, check=False, capture_output=True).returncode == 0

    def _started(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*self.within, *command], stderr=subprocess.DEVNULL)

    def start_again(self) -> None:
        """As a start of the host does, which finds what the files say."""
        self._end(self.networkd)
        self.networkd = self._started(NETWORKD)

    def wire(self, bridge: str, facts: dict[str, Any]) -> None:
        """Have a run make a bridge what it is to be."""
        said = json.dumps({"bridge": bridge, "facts": facts, "filters": self.filters})
        path = f"PYTHONPATH={os.pathsep.join(sys.path)}"
        command = [*self.within, "env", path, sys.executable, __file__]
        done = subprocess.run(command, check=False, input=said, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def end(self) -> None:
        self._end(self.networkd)
        self._end(self.bus)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        process.wait()


def main() -> None:
    """What a run does."""
    from ansible_collections.kvm.fleet.plugins.module_utils.host import network_keeper
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import applier_linux
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import (
        of_facts,
    )

    said = json.load(sys.stdin)
    network_keeper.read_keeper = lambda: "networkd"
    if not said["filters"]:
        _without_vlans()
    will = of_facts(said["facts"])
    assert will is not None
    applier_linux.wire(said["bridge"], will, "vswitch/net")


def _without_vlans() -> None:
    from ansible_collections.kvm.fleet.plugins.module_utils.host import linux_bridges
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import linux_files

    read, called, files_of = (
        linux_bridges.read_linux_bridges,
        linux_bridges.called,
        linux_files.files_of,
    )

    def reading() -> dict[str, Any]:
        found = read()
        links = {name: {**one, "filtering": True} for name, one in found["links"].items()}
        return {**found, "links": links, "vlans": dict.fromkeys(links, ALL_VLANS)}

    def calling(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
        if [*command[:3]] == ["bridge", "vlan", "add"]:
            return subprocess.CompletedProcess(command, 0)
        return called([word for word in command if word not in FILTERING])

    def writing(*said: Any) -> dict[str, str]:
        return {name: without_vlans(text) for name, text in files_of(*said).items()}

    linux_bridges.read_linux_bridges, linux_bridges.called = reading, calling
    linux_files.files_of = writing


def without_vlans(text: str) -> str:
    """A file of networkd's, without what is about VLANs."""
    text = text.replace("VLANFiltering=yes\nDefaultPVID=1\n", "")
    sections = text.split("\n[")
    return "\n[".join(one for one in sections if not one.startswith("BridgeVLAN]"))


if __name__ == "__main__":
    main()
