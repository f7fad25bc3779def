"""A bridge of Linux that a real NetworkManager keeps, in the namespaces of a process.

It has a network, a D-Bus and folders of its own there, so that it sees nothing of this machine. As
a program it is what a run does, told as the facts of a switch. Where the kernel's bridges do not
filter VLANs, all about these is left out of what is told and read.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support import kept_by_networkd
from support.private_libvirtd import wait_until

PROGRAMS = ("NetworkManager", "nmcli", "dbus-daemon", "ip", "bridge", "nsenter")
CONNECTIONS = "/etc/NetworkManager/system-connections"
BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow eavesdrop="true"/>
    <allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""
SETTINGS = """\
[main]
plugins=keyfile
dns=none
rc-manager=unmanaged
systemd-resolved=false
hostname-mode=none
no-auto-default=*
"""
# Like networkd it waits for udev unless /sys is read-only.
PREPARE = f"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs -o mode=755 none /etc/NetworkManager
mount -t tmpfs -o mode=700 none /var/lib/NetworkManager
mkdir -p /run/dbus /run/NetworkManager /etc/NetworkManager/conf.d {CONNECTIONS}
cat > /run/dbus/bus.conf <<'END'
{BUS}END
cat > /etc/NetworkManager/NetworkManager.conf <<'END'
{SETTINGS}END
mount -o bind /sys /sys
mount -o remount,ro,bind /sys
"""


def why_not_here() -> str:
    """Why there can be none; empty if there can."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=_path())]
    return f"not installed: {', '.join(missing)}" if missing else ""


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


class NetworkManager:
    """One, where its process is."""

    def __init__(self, within: Sequence[str], filters: bool) -> None:
        self.within, self.filters = [*within], filters
        subprocess.run([*within, "bash", "-c", PREPARE], check=True)
        self.bus = self._started("dbus-daemon", "--config-file=/run/dbus/bus.conf", "--nofork")
        wait_until(lambda: self._succeeds("test", "-S", "/run/dbus/system_bus_socket"), 30, "D-Bus")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        process = self._started("NetworkManager", "--no-daemon")
        wait_until(lambda: self._succeeds("nmcli", "general"), 30, "an answer of NetworkManager")
        return process

    def _started(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self.within, "env", f"PATH={_path()}", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _succeeds(self, *command: str) -> bool:
        done = subprocess.run([*self.within, *command], check=False, capture_output=True)
        return done.returncode == 0

    def nmcli(self, *said: str) -> str:
        done = subprocess.run(
            [*self.within, "nmcli", *said], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def start_host_again(self, *links: str) -> None:
        """With nothing of what ran, but for the hardware."""
        self._end(self.process)
        forget = "; ".join(f"ip link delete {name}" for name in links)
        clear = "rm -rf /run/NetworkManager/*; for n in eth0 eth1; do ip address flush $n; done"
        subprocess.run(
            [*self.within, "bash", "-c", f"{clear}; {forget}"], check=False, capture_output=True
        )
        self.process = self._start()

    def tell(self, what: str, **said: Any) -> Any:
        """Have a run do something, in a process of its own there; what it answers."""
        given = json.dumps({"what": what, "filters": self.filters, **said})
        path = f"PYTHONPATH={os.pathsep.join(sys.path)}"
        command = [*self.within, "env", path, f"PATH={_path()}", sys.executable, __file__]
        done = subprocess.run(command, check=False, input=given, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def end(self) -> None:
        self._end(self.process)
        self._end(self.bus)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.kill()  # it takes its time to end
        process.wait()


# ---- in the process there


def main() -> None:
    """What a run does."""
    from ansible_collections.kvm.fleet.plugins.module_utils.host import network_keeper

    said = json.load(sys.stdin)
    network_keeper.read_keeper = lambda: "NetworkManager"
    if not said["filters"]:
        _without_vlans()
    sys.stdout.write(json.dumps(DOES[said["what"]](said)))


def _wire(said: Any) -> Any:
    """What it leaves otherwise than it is to be, which is nothing."""
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import applier_linux

    applier_linux.wire(said["bridge"], _switch(said), "vswitch/net")
    return _astray(said)


def _wire_open_vswitch(said: Any) -> None:
    from ansible_collections.kvm.fleet.plugins.module_utils.host.open_vswitch import (
        read_open_vswitch,
    )
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import applier_switch

    will = _switch(said)
    applier_switch.wire_open_vswitch(read_open_vswitch(), said["bridge"], will, "vswitch/net")


def _unwire_open_vswitch(said: Any) -> None:
    from ansible_collections.kvm.fleet.plugins.module_utils.host.open_vswitch import transact
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import applier_networkd
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import commands

    transact(commands.removing(said["bridge"]), "vswitch/net")
    applier_networkd.forget_beside(said["bridge"], "vswitch/net")


def _stored_on_open_vswitch(said: Any) -> Any:
    """What is told of a bridge, and what of its files is otherwise."""
    from ansible_collections.kvm.fleet.plugins.module_utils.host import switch_files
    from ansible_collections.kvm.fleet.plugins.module_utils.host.open_vswitch import (
        read_open_vswitch,
    )
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
        linux_seen,
        seen,
    )

    now = seen.of_bridge(read_open_vswitch(), said["bridge"])
    assert now is not None
    found = {"files": switch_files.read_switch_files(), "starts": False}
    return [now.facts, [*linux_seen.beside_astray(found, said["bridge"], now)]]


def _interrupted(said: Any) -> None:
    """A run that is killed before it has written what the bridge itself is to be."""
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import (
        applier_network_manager,
    )

    applier_network_manager.begin(said["bridge"], _switch(said), said["mac"], "vswitch/net")


def _unwire(said: Any) -> None:
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import applier_linux

    applier_linux.unwire(said["bridge"], "vswitch/net")


def _astray(said: Any) -> Any:
    """What a plan finds otherwise."""
    from ansible_collections.kvm.fleet.plugins.module_utils.host import linux_bridges
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import (
        applier_networkd,
        tree,
    )

    stored = _stored(said)
    mac = tree.derived_mac(stored.owner, linux_bridges.read_linux_bridges()["host"])
    return applier_networkd.astray(said["bridge"], stored, mac)


def _stored(said: Any) -> Any:
    from ansible_collections.kvm.fleet.plugins.module_utils.host import switch_files
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import linux_seen

    return linux_seen.stored_in(switch_files.read_switch_files()).get(said["bridge"])


def _saved(said: Any) -> Any:
    """What a checkpoint notes before a change."""
    from ansible_collections.kvm.fleet.plugins.module_utils.host.links import read_links
    from ansible_collections.kvm.fleet.plugins.module_utils.host.open_vswitch import (
        read_open_vswitch,
    )
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
        at_risk,
        seen,
    )

    of_linux, bridge = said.get("of_linux", True), said["bridge"]
    ovs = {} if of_linux else read_open_vswitch()
    now = _stored(said) if of_linux else seen.of_bridge(ovs, bridge)
    found = {"links": read_links(), "open_vswitch": ovs}
    return at_risk.saved(bridge, of_linux, now, _switch(said), found)


def _set_back(said: Any) -> Any:
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import rollback

    return rollback._restored(said["saved"])


DOES = {
    "wire": _wire,
    "interrupted": _interrupted,
    "unwire": _unwire,
    "wire open vswitch": _wire_open_vswitch,
    "unwire open vswitch": _unwire_open_vswitch,
    "stored on open vswitch": _stored_on_open_vswitch,
    "astray": _astray,
    "saved": _saved,
    "set back": _set_back,
}


def _switch(said: Any) -> Any:
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import (
        of_facts,
    )

    return of_facts(said["facts"])


def _without_vlans() -> None:
    from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
        network_manager_files,
    )

    kept_by_networkd._without_vlans()
    files_of = network_manager_files.files_of

    def writing(*said: Any) -> dict[str, str]:
        return {name: without_vlans(text) for name, text in files_of(*said).items()}

    network_manager_files.files_of = writing


def without_vlans(text: str) -> str:
    """A file of NetworkManager's, without what is about VLANs."""
    lines = [line for line in text.splitlines() if not line.startswith(("vlans=", "vlan-"))]
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
