"""A vswitch with many port groups and NICs that run, beside a program that is called for each NIC.

On a private libvirtd, with NICs of VMs that run, on a bridge of Open vSwitch (in user space) and on
one of Linux. Declared again by `vswitch`: with nothing to change, with another VLAN of one port
group, and with other VLANs of all. The other way is a script that calls `ovs-vsctl set Port`, or
`bridge vlan`, once for each NIC whether it is so already or not: nobody but the module looks.
What a module and a script take to start is in both.

    .venv/bin/python tests/benchmarks/port_groups.py [--groups 100] [--nics 200]

Prints a table of seconds, the best of three.
"""

from __future__ import annotations

import argparse
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / ".ansible" / "collections")]

from measuring import TIMES, best, must, private_libvirtd  # noqa: E402

from support.ansible_runs import run_module  # noqa: E402
from support.open_vswitch import OpenVswitch, why_not_here  # noqa: E402
from support.private_libvirtd import PrivateLibvirtd  # noqa: E402
from support.private_libvirtd import why_not_here as why_no_libvirtd  # noqa: E402

NICS_OF_A_VM = 8
BRIDGE, NETWORK = "bench-br", "bench"
VM = """
<domain type="qemu"><name>vm{number}</name><memory unit="MiB">16</memory>
  <os><type machine="q35">hvm</type></os><features><acpi/></features>
  <devices><video><model type="none"/></video><memballoon model="none"/>{nics}</devices></domain>
"""
NIC = """
<interface type="network"><mac address="52:54:00:0e:{high:02x}:{low:02x}"/>
  <source network="bench" portgroup="g{group}"/><model type="virtio"/></interface>
"""


class NotHereError(Exception):
    """What cannot be measured on this machine."""


class Switch:
    """A switch with port groups and NICs, as it is declared and as it is set by hand."""

    def __init__(self, libvirtd: PrivateLibvirtd, groups: int, nics: int) -> None:
        self.libvirtd = libvirtd
        self.groups, self.nics = groups, nics
        self.made: dict[str, Any] = {}

    def declare(self, first_vlan: int, of_first: int | None = None) -> dict[str, Any]:
        """Declare a VLAN for each port group, and another for the first."""
        vlans = [first_vlan + n for n in range(self.groups)]
        vlans[0] = of_first or vlans[0]
        groups = [{"name": f"g{n}", "vlan": vlan} for n, vlan in enumerate(vlans)]
        args = {"name": NETWORK, **self.made, "port_groups": groups}
        done = run_module("vswitch", args, on=self.libvirtd)
        if done.get("failed"):
            sys.exit(str(done["msg"]))
        return done

    def start_vms(self) -> None:
        for number in range(0, self.nics, NICS_OF_A_VM):
            ids = range(number, min(number + NICS_OF_A_VM, self.nics))
            nics = "".join(NIC.format(high=n >> 8, low=n & 255, group=n % self.groups) for n in ids)
            definition = VM.format(number=number, nics=nics)
            self.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=definition)
            self.libvirtd.virsh("start", f"vm{number}", "--paused")

    def taps(self) -> list[tuple[str, int]]:
        """The ports of the NICs, each with the number of its group."""
        found = []
        for name in self.libvirtd.virsh("list", "--name").split():
            tree = ET.fromstring(self.libvirtd.virsh("dumpxml", name))
            for nic in tree.iterfind("devices/interface"):
                target, source = nic.find("target"), nic.find("source")
                if target is not None and source is not None:
                    group = int(source.get("portgroup", "g0")[1:])
                    found.append((target.get("dev", ""), group))
        return found

    def by_hand(self, taps: list[tuple[str, int]], first_vlan: int) -> str:
        """A script that calls a program for each NIC."""
        return "\n".join(self.one_by_hand(tap, first_vlan + group) for tap, group in taps)

    def one_by_hand(self, tap: str, vlan: int) -> str:
        raise NotImplementedError

    def vlan_of(self, tap: str) -> int:
        raise NotImplementedError


class OnOpenVswitch(Switch):
    """Open vSwitch, in user space."""

    title = "Open vSwitch"

    def __init__(self, libvirtd: PrivateLibvirtd, groups: int, nics: int) -> None:
        super().__init__(libvirtd, groups, nics)
        self.switch = OpenVswitch(libvirtd)
        self.made = {"type": "openvswitch", "bridge": BRIDGE}

    def one_by_hand(self, tap: str, vlan: int) -> str:
        return f"ovs-vsctl set Port {tap} tag={vlan}"

    def vlan_of(self, tap: str) -> int:
        return int(self.switch.port(tap)[0])


class OnLinux(Switch):
    """A bridge of Linux that filters VLANs."""

    title = "bridge of Linux"

    def __init__(self, libvirtd: PrivateLibvirtd, groups: int, nics: int) -> None:
        super().__init__(libvirtd, groups, nics)
        link = ["ip", "link", "add", BRIDGE, "type", "bridge", "vlan_filtering", "1"]
        if libvirtd.try_run(link).returncode:
            raise NotHereError("the kernel of this machine has no VLANs on bridges")
        libvirtd.run(["ip", "link", "set", BRIDGE, "up"])
        self.made = {"type": "bridge", "bridge": BRIDGE}

    def one_by_hand(self, tap: str, vlan: int) -> str:
        return (
            f"bridge vlan del dev {tap} vid 1-4094\n"
            f"bridge vlan add dev {tap} vid {vlan} pvid untagged"
        )

    def vlan_of(self, tap: str) -> int:
        told = json.loads(self.libvirtd.run(["bridge", "-json", "vlan", "show", "dev", tap]))
        return int(told[0]["vlans"][0]["vlan"])


def main() -> None:
    """Measure on both and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--nics", type=int, default=200)
    options = parser.parse_args()
    if reason := why_no_libvirtd() or why_not_here():
        sys.exit(f"cannot measure: {reason}")
    print(f"{options.groups} port groups, {options.nics} NICs that run, in seconds")
    print(f"{'':<18} {'nothing':>8} {'one VLAN':>9} {'all VLANs':>10} {'by hand':>8}")
    for kind in (OnOpenVswitch, OnLinux):
        try:
            with private_libvirtd() as libvirtd:
                measured = measure(kind(libvirtd, options.groups, options.nics))
            told = "{:>8.2f} {:>9.2f} {:>10.2f} {:>8.2f}".format(*measured)
        except NotHereError as error:
            told = f"was not measured: {error}"
        print(f"{kind.title:<18} {told}", flush=True)


def measure(switch: Switch) -> list[float]:
    """With nothing to change, one VLAN, all VLANs; and by hand."""
    switch.declare(100)
    switch.start_vms()
    switch.declare(100)
    taps = switch.taps()
    if len(taps) != switch.nics or not holds(switch, taps, 100):
        sys.exit("the NICs are not as declared")
    nothing = best(lambda turn: must(not switch.declare(100)["changed"]))
    one = best(lambda turn: must(switch.declare(100, 1000 + turn)["changed"]))
    every = best(lambda turn: must(switch.declare(1000 + 1000 * turn)["changed"]))
    if not holds(switch, taps, 1000 * TIMES):
        sys.exit("the NICs did not follow")
    script = switch.by_hand(taps, 2000)
    by_hand = best(lambda turn: switch.libvirtd.run(["bash", "-ec", script]))
    must(holds(switch, taps, 2000))
    return [nothing, one, every, by_hand]


def holds(switch: Switch, taps: list[tuple[str, int]], first_vlan: int) -> bool:
    """Whether the first and the last NIC are in the VLANs of their groups."""
    return all(switch.vlan_of(tap) == first_vlan + group for tap, group in (taps[0], taps[-1]))


if __name__ == "__main__":
    main()
