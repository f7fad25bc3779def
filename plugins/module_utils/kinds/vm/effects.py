# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change does to a VM that runs: decided from values alone, before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum

from ...engine import xmltree
from ...engine.changes import HOTPLUG, LIVE, RESTART
from ...engine.codecs import Value
from ...engine.fields import Items, items_of, rows_by_key
from ...engine.keys import Key, Values
from ...engine.units import parse_size
from ...engine.xmltree import Element
from . import memory, nic_vlans, pinning, port_groups
from .live import Applier
from .nic_rows import NICS
from .plugging import images_of, obstacles
from .states import PAUSED
from .table import CDROMS, DISKS, ROWS

# What a device has from when it is plugged in until it is unplugged.
KEPT_FOR_LIFE: dict[str, tuple[str, ...]] = {
    DISKS.name: ("target/@bus", "target/@dev"),
    CDROMS.name: ("target/@bus", "target/@dev"),
    NICS.name: ("model/@type", "mac/@address"),
}
# The types of NICs that libvirt limits while they run (virNetDevBandwidthSet needs their name).
WITH_TAP = ("network", "bridge", "direct", "ethernet")


class Effects:
    """The effects of changes on one running VM, which will have a definition."""

    def __init__(
        self,
        live: Element,
        definition: Element,
        values: Values,
        state: str,
        apply: str,
        devices: Mapping[Key, Value] | None = None,
        network_of: port_groups.NetworkOf = lambda _vswitch: None,
        holds_groups: bool = False,
        controllers: Callable[[], Collection[str]] = tuple,
        is_here: bool = True,
        ports: nic_vlans.Ports = nic_vlans.no_ports,
    ) -> None:
        self.live = live
        self.definition = definition
        self.values = values
        self.paused = state == PAUSED
        self.network_of = network_of
        self.holds_groups = holds_groups
        self.controllers = controllers
        self.is_here = is_here
        self.ports = ports
        self.waits_all = apply == "next_boot"
        self.obstacles: Mapping[Key, str] = {}
        if not self.waits_all:
            self.obstacles = obstacles(live, definition, devices or {}, self.paused)

    def of(self, key: Key, _now: Value, after: Value) -> str:
        """The effect of one change."""
        row = rows_by_key(ROWS, key)
        if self.waits_all or row is None or row.applier is None:
            return RESTART
        if isinstance(row, Items):
            return HOTPLUG if self.obstacles.get(key) == "" else RESTART
        if len(key) > 2 and self._is_replaced(key):
            return RESTART
        if key[0] == NICS.name and key[-1] == "source" and not self._moves(key[1]):
            return RESTART
        return LIVE if CONDITIONS.get(row.applier, _always)(self, key, after) else RESTART

    def _vcpus(self, _key: Key, after: Value) -> bool:
        if after < self.values[("cpu", "count")] and not self._lets_vcpus_go():
            return False
        # libvirt unplugs only vCPUs that were plugged in; those present at boot stay.
        vcpus = self.live.findall("vcpus/vcpu")
        fixed = sum(c.get("enabled") == "yes" and c.get("hotpluggable") == "no" for c in vcpus)
        least = fixed or self.values[("cpu", "count")]
        return bool(least <= after <= self.values[("cpu", "maximum")])

    def _lets_vcpus_go(self) -> bool:
        # As with a device, the guest has to. Under emulation QEMU does not say that a vCPU went,
        # for which libvirt waits, and crashes when one comes again (seen with QEMU 7.2).
        return not self.paused and self.live.get("type") == "kvm"

    def _cpu_time(self, key: Key, after: Value) -> bool:
        # There is no shares of no number: what runs has some until it ends.
        return bool(key[-1] != "shares" or after) and "cpu" in self.controllers()

    def _keeps_promises(self, _key: Key, _after: Value) -> bool:
        # What a promise takes beside libvirt is done on the machine itself, elsewhere by its hook:
        # as the VM starts, with what it is promised then.
        return self.is_here

    def _limits_memory(self, _key: Key, _after: Value) -> bool:
        return "memory" in self.controllers()

    def _cpu_pins(self, key: Key, after: Value) -> bool:
        """libvirt pins threads that are there; where one is to run anywhere, it stays till the end.

        A vCPU that comes later is one that is there.
        """
        there = self.values[key]
        if not isinstance(there, dict):
            return bool(after)
        threads = pinning.iothreads_of(self.live) if key == pinning.IOTHREADS else _vcpus(self.live)
        return not there.keys() - after.keys() and not after.keys() - set(threads)

    def _memory_size(self, _key: Key, after: Value) -> bool:
        """Above what it was started with by what can be plugged in, in its blocks; below by the
        balloon."""
        size, boot = parse_size(after), parse_size(self.values[memory.MAXIMUM])
        now = parse_size(self.values[memory.SIZE])
        if size > memory.most_of(self.values) or (size < now and now > boot and self.paused):
            return False
        if size > boot and (size - boot) % memory.block(self.live):
            return False
        return min(size, now) >= boot or bool(self.values[("memory", "balloon")] == "virtio")

    def _balloon_stats(self, _key: Key, _after: Value) -> bool:
        return bool(self.values[("memory", "balloon")] == "virtio")

    def _is_replaced(self, key: Key) -> bool:
        """Whether the next start puts another device in this one's place, which is then left alone.

        A plan for a device that comes while its namesake still runs is one for the next start as a
        whole; the plan after it, which sees both, must not find parts that could be had now.
        """
        row = next((row for row in (DISKS, CDROMS, NICS) if row.name == key[0]), None)
        if row is None:
            return False
        runs, comes = (items_of(row, tree).get(key[1]) for tree in (self.live, self.definition))
        if runs is None or comes is None:
            return False
        if row is DISKS and not images_of(runs) & images_of(comes) and images_of(comes):
            return True  # its name is its target, which somebody gave to another disk
        return any(
            xmltree.get(runs, path) != xmltree.get(comes, path) for path in KEPT_FOR_LIFE[row.name]
        )

    def _moves(self, nic: str) -> bool:
        """Whether a NIC can be moved: libvirt does that from one bridge to another, and only so."""
        device, comes = (items_of(NICS, tree).get(nic) for tree in (self.live, self.definition))
        if device is None or self._is_held(nic, device):
            return False
        if comes is not None and port_groups.is_reconnected(device, comes, self.network_of):
            return False
        return all(
            one is None or one.get("type") in ("network", "bridge") for one in (device, comes)
        )

    def _is_held(self, nic: str, runs: Element) -> bool:
        """Whether this libvirt lets a NIC go nowhere, as it would get into another port group."""
        comes = items_of(NICS, self.definition).get(nic)
        return self.holds_groups and comes is not None and port_groups.is_held(runs, comes)

    def _can_on_nic(self, key: Key, _after: Value) -> bool:
        """Whether libvirt has a hold on what a NIC is: a device of the host, for limits a tap."""
        device = items_of(NICS, self.live).get(key[1])
        kind = device.get("type") if device is not None else None
        if device is not None and (key[-1] == "port_group" or self._is_of_next_group(key, device)):
            return self._changes_group(key[1], device)
        return kind in WITH_TAP if "bandwidth" in key else kind != "hostdev"

    def _is_of_next_group(self, key: Key, runs: Element) -> bool:
        """Whether it is what a NIC may have by a port group, and that is to be another."""
        comes = items_of(NICS, self.definition).get(key[1])
        if comes is None or key[2] not in ("filter", "isolated"):
            return False
        groups = [xmltree.get(nic, "source/@portgroup") for nic in (runs, comes)]
        return _place(runs) != _place(comes) or groups[0] != groups[1]

    def _can_on_port(self, key: Key, _after: Value) -> bool:
        """Whether a NIC stays on its port, and VLANs can be set there."""
        runs, comes = (items_of(NICS, tree).get(key[1]) for tree in (self.live, self.definition))
        if runs is None or comes is None or _place(runs) != _place(comes):
            return False
        stays = xmltree.get(runs, "source/@portgroup") == xmltree.get(comes, "source/@portgroup")
        return stays and nic_vlans.port_seen(runs, self.network_of, self.ports) is not None

    def _changes_group(self, nic: str, runs: Element) -> bool:
        """Whether a NIC leaves its port group: it does with its bridge, or for other limits."""
        comes = items_of(NICS, self.definition)[nic]
        if self._is_held(nic, runs):
            return False
        if _place(runs) != _place(comes):
            return self._moves(nic)
        network = self.network_of(xmltree.get(comes, "source/@network") or "")
        return port_groups.is_taken_up(runs, comes, network)


def _always(_effects: Effects, _key: Key, _after: Value) -> bool:
    return True


# What has to hold for what an applier would do; other appliers can do it in any VM that runs.
CONDITIONS: Mapping[Enum, Callable[[Effects, Key, Value], bool]] = {
    Applier.NIC: Effects._can_on_nic,
    Applier.PORT: Effects._can_on_port,
    Applier.PROMISE: Effects._keeps_promises,
    Applier.VCPUS: Effects._vcpus,
    Applier.CPU_TIME: Effects._cpu_time,
    Applier.MEMORY_LIMIT: Effects._limits_memory,
    Applier.CPU_PINS: Effects._cpu_pins,
    Applier.BALLOON: Effects._memory_size,
    Applier.BALLOON_STATS: Effects._balloon_stats,
}


def _vcpus(domain: Element) -> list[str]:
    return [str(number) for number in range(int(xmltree.get(domain, "vcpu") or 1))]


def _place(nic: Element) -> tuple[str | None, str | None]:
    """What a NIC is connected to; beside a network its bridge is told, of what runs."""
    kind = nic.get("type")
    return kind, xmltree.get(nic, f"source/@{kind}")
