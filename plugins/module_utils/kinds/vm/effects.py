# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change does to a VM that runs: decided from values alone, before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum

from ...engine import xmltree
from ...engine.changes import HOTPLUG, LIVE, RESTART
from ...engine.codecs import Value
from ...engine.fields import Items, items_of, rows_by_key
from ...engine.keys import ABSENT, Key, Values
from ...engine.units import parse_size
from ...engine.xmltree import Element
from . import port_groups
from .live import Applier
from .states import PAUSED
from .table import CDROMS, CHANNELS, DISKS, NICS, ROWS

# What a device has from when it is plugged in until it is unplugged.
KEPT_FOR_LIFE: dict[str, tuple[str, ...]] = {
    DISKS.name: ("target/@bus", "target/@dev"),
    CDROMS.name: ("target/@bus", "target/@dev"),
    NICS.name: ("model/@type", "mac/@address"),
}
_LAYERS = ("disk", "backingStore")  # the elements that name an image of a disk's chain
# The types of NICs that libvirt limits while they run (virNetDevBandwidthSet needs their name).
WITH_TAP = ("network", "bridge", "direct", "ethernet")
# The models that are plugged into a port; others are of the older PCI, and need a bridge to it
# (qemuDomainDeviceCalculatePCIConnectFlags).
FOR_PORTS = ("virtio", "virtio-non-transitional", "e1000e", "igb", "vmxnet3")


class Effects:
    """The effects of changes on one running VM, which will have a definition."""

    def __init__(
        self,
        live: Element,
        definition: Element,
        values: Values,
        state: str,
        apply: str,
        leaving: Collection[Key] = (),
        network_of: port_groups.NetworkOf = lambda _vswitch: None,
        holds_groups: bool = False,
    ) -> None:
        self.live = live
        self.definition = definition
        self.values = values
        self.paused = state == PAUSED
        self.network_of = network_of
        self.holds_groups = holds_groups
        self.waits_all = apply == "next_boot"
        self.stays = self._without(leaving) if leaving else live
        self.free_ports = free_pci_ports(self.stays)
        self.free_slots = free_pci_slots(self.stays)

    def of(self, key: Key, _now: Value, after: Value) -> str:
        """The effect of one change; asked in the order of the plan, it counts free PCI ports."""
        row = rows_by_key(ROWS, key)
        if self.waits_all or row is None or row.applier is None:
            return RESTART
        if isinstance(row, Items):
            return self._device(row, key[-1], after)
        if len(key) > 2 and self._is_replaced(key):
            return RESTART
        if key[0] == NICS.name and key[-1] == "source" and not self._moves(key[1]):
            return RESTART
        return LIVE if CONDITIONS.get(row.applier, _always)(self, key, after) else RESTART

    def _without(self, leaving: Collection[Key]) -> Element:
        """What runs, less what is unplugged in this run: it leaves before others come."""
        stays = xmltree.clone(self.live)
        for key in leaving:
            row = rows_by_key(ROWS, key)
            if isinstance(row, Items) and self._device(row, key[-1], ABSENT) != RESTART:
                xmltree.remove(stays, items_of(row, stays)[key[-1]])
        return stays

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

    def _balloon(self, _key: Key, after: Value) -> bool:
        has_balloon = self.values[("memory", "balloon")] == "virtio"
        return has_balloon and parse_size(after) <= parse_size(self.values[("memory", "maximum")])

    def _balloon_stats(self, _key: Key, _after: Value) -> bool:
        return bool(self.values[("memory", "balloon")] == "virtio")

    def _device(self, row: Items, name: str, after: Value) -> str:
        if row is CDROMS:
            return RESTART  # never plugged in
        device = items_of(row, self.live if after is ABSENT else self.definition).get(name)
        if device is None or not self._pluggable(row, device):
            return RESTART
        if after is ABSENT:
            # A guest has to let a device go, and a paused one cannot.
            return RESTART if self.paused else HOTPLUG
        open_already = row is DISKS and self._is_open(device)
        fits = not open_already and self._is_free(device) and self._has_port(row, device)
        return HOTPLUG if fits else RESTART

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
        if row is DISKS and not _images_of(runs) & _images_of(comes) and _images_of(comes):
            return True  # its name is its target, which somebody gave to another disk
        return any(
            xmltree.get(runs, path) != xmltree.get(comes, path) for path in KEPT_FOR_LIFE[row.name]
        )

    def _moves(self, nic: str) -> bool:
        """Whether a NIC can be moved: libvirt does that from one bridge to another, and only so."""
        device = items_of(NICS, self.live).get(nic)
        if device is None or self._is_held(nic, device):
            return False
        return device.get("type") in ("network", "bridge")

    def _is_held(self, nic: str, runs: Element) -> bool:
        """Whether this libvirt lets a NIC go nowhere, as it would get into another port group."""
        comes = items_of(NICS, self.definition).get(nic)
        return self.holds_groups and comes is not None and port_groups.is_held(runs, comes)

    def _can_on_nic(self, key: Key, _after: Value) -> bool:
        """Whether libvirt has a hold on what a NIC is: a device of the host, for limits a tap."""
        device = items_of(NICS, self.live).get(key[1])
        kind = device.get("type") if device is not None else None
        if key[-1] == "port_group" and device is not None:
            return self._changes_group(key[1], device)
        return kind in WITH_TAP if "bandwidth" in key else kind != "hostdev"

    def _changes_group(self, nic: str, runs: Element) -> bool:
        """Whether a NIC leaves its port group: it does with its bridge, or for other limits."""
        comes = items_of(NICS, self.definition)[nic]
        if self._is_held(nic, runs):
            return False
        if _place(runs) != _place(comes):
            return self._moves(nic)
        network = self.network_of(xmltree.get(comes, "source/@network") or "")
        return port_groups.is_taken_up(runs, comes, network)

    def _pluggable(self, row: Items, device: Element) -> bool:
        on_pci = row is NICS or xmltree.get(device, "target/@bus") == "virtio"
        if on_pci and needs_acpi(self.live):
            return False
        if row is DISKS:
            return xmltree.get(device, "target/@bus") in ("virtio", "scsi", "usb")
        return (
            row is NICS or self.live.find("devices/controller[@type='virtio-serial']") is not None
        )

    def _is_free(self, device: Element) -> bool:
        """Whether nothing that runs has its target or boot order, nor boots by kind of device."""
        order = xmltree.get(device, "boot/@order")
        orders = {boot.get("order") for boot in self.stays.findall("devices/*/boot")}
        boots = order is None or (order not in orders and self.stays.find("os/boot") is None)
        targets = {target.get("dev") for target in self.stays.findall("devices/disk/target")}
        return boots and xmltree.get(device, "target/@dev") not in targets

    def _is_open(self, disk: Element) -> bool:
        """Whether a disk that runs under another target has the image, which no two may write."""
        if disk.find("shareable") is not None or disk.find("readonly") is not None:
            return False
        runs = (_images_of(one) for one in self.stays.findall("devices/disk"))
        return any(images & _images_of(disk) for images in runs)

    def _has_port(self, row: Items, device: Element) -> bool:
        bus = xmltree.get(device, "target/@bus")
        if bus == "scsi":
            return (
                self.stays.find("devices/controller[@type='scsi'][@model='virtio-scsi']")
                is not None
            )
        if row is CHANNELS or bus == "usb":
            return True
        if row is NICS and xmltree.get(device, "model/@type") not in FOR_PORTS:
            self.free_slots -= 1
            return self.free_slots >= 0
        self.free_ports -= 1
        return self.free_ports >= 0


def _always(_effects: Effects, _key: Key, _after: Value) -> bool:
    return True


# What has to hold for what an applier would do; other appliers can do it in any VM that runs.
CONDITIONS: Mapping[Enum, Callable[[Effects, Key, Value], bool]] = {
    Applier.NIC: Effects._can_on_nic,
    Applier.VCPUS: Effects._vcpus,
    Applier.BALLOON: Effects._balloon,
    Applier.BALLOON_STATS: Effects._balloon_stats,
}


def _images_of(disk: Element) -> set[tuple[str, str]]:
    """The sources of a disk: its image, and those below it that libvirt tells of what runs."""
    sources = (source for part in disk.iter() if part.tag in _LAYERS for source in part)
    return {
        (name, f"{source.get('pool', '')}:{source.get(name)}")
        for source in sources
        if source.tag == "source"
        for name in ("file", "dev", "volume", "name")
        if source.get(name)
    }


def _place(nic: Element) -> tuple[str | None, str | None]:
    """What a NIC is connected to; beside a network its bridge is told, of what runs."""
    kind = nic.get("type")
    return kind, xmltree.get(nic, f"source/@{kind}")


def needs_acpi(live: Element) -> bool:
    """Whether nothing can be plugged into its PCI: a machine `pc` does that by ACPI only."""
    is_pc = (xmltree.get(live, "os/type/@machine") or "").startswith(("pc-i440fx", "pc-0", "pc-1"))
    return is_pc and live.find("features/acpi") is None


def free_pci_ports(live: Element) -> int:
    """How many more PCI devices can be plugged in: free root ports, or slots of a pci-root."""
    used = {address.get("bus") for address in live.findall("devices/*/address[@type='pci']")}
    controllers = live.findall("devices/controller[@type='pci']")
    if any(controller.get("model") == "pci-root" for controller in controllers):
        return 31 - len(live.findall("devices/*/address[@type='pci']"))
    ports = [c for c in controllers if c.get("model") == "pcie-root-port"]
    return sum(f"0x{int(port.get('index', '0')):02x}" not in used for port in ports)


def free_pci_slots(live: Element) -> int:
    """How many more devices of the older PCI can be plugged in: slots of a root or of bridges."""
    addresses = live.findall("devices/*/address[@type='pci']")
    controllers = live.findall("devices/controller[@type='pci']")
    if any(controller.get("model") == "pci-root" for controller in controllers):
        return 31 - len(addresses)
    used = [int(address.get("bus", "0"), 16) for address in addresses]
    bridges = [c for c in controllers if c.get("model") in ("pcie-to-pci-bridge", "pci-bridge")]
    return sum(31 - used.count(int(bridge.get("index", "0"))) for bridge in bridges)
