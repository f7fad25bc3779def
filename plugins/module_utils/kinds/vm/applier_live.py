# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings live changes to VMs that run. Decides nothing.

Each applier is found by the type of a change and by what the row of its option names, and gets all
changes of a plan that are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...engine import vlans, xmltext, xmltree
from ...engine.changes import Came, Change, Changed, Mended, Went
from ...engine.errors import FleetError
from ...engine.fields import Items, edit, items_of, rows_by_key
from ...engine.keys import is_within, named
from ...engine.mark import MARK
from ...engine.plan import Plan
from ...engine.units import parse_size
from ...engine.xmltree import Element
from ...host.connection import libvirt, wait_until
from ..vswitch import ports
from . import applier_cpu, port_groups, table
from .allotting import free_for_channels
from .applier_memory import resize
from .applier_vlans import device_as_taken, notes_of
from .live import Applier
from .reader import live_definition

# How long a guest may take to let an unplugged device go (ACPI and PCIe ask it, and wait).
UNPLUG_TIMEOUT_S = 20.0
# VIR_DOMAIN_MEMORY_PARAM_UNLIMITED, which the Python binding does not name.
UNLIMITED_KIB = 9007199254740991
DEVICES: dict[str, Items] = {row.name: row for row in table.ITEMS}


@dataclass(frozen=True)
class Running:
    """A domain that runs, and its plan."""

    dom: Any
    plan: Plan

    @property
    def after(self) -> Element:
        """What is stored once the plan is done."""
        return self.plan.after.definition

    def now(self) -> Element:
        """What runs at this moment."""
        return live_definition(self.dom)


Call = tuple[type[Change], Applier]  # the type of a change, and what its row names


def bring(dom: Any, plan: Plan) -> None:
    """Call each applier once, with all the changes that are its own."""
    changes: dict[Call, list[Change]] = {}
    for change in plan.changes:
        is_of_libvirt = change.at_once and not isinstance(change, Mended)
        row = rows_by_key(table.ROWS, change.field) if is_of_libvirt else None
        if row is not None and isinstance(row.applier, Applier):
            changes.setdefault((type(change), row.applier), []).append(change)
    for call in sorted(changes, key=[*APPLIERS].index):
        _try(Running(dom, plan), APPLIERS[call], changes[call])


def _try(vm: Running, applier: Bring, changes: list[Change]) -> None:
    try:
        applier(vm, changes)
    except libvirt.libvirtError as error:
        if not vm.dom.connect().isAlive():
            raise
        raise FleetError(
            f"is stored, but libvirt refused to change it on the running VM: "
            f"{error.get_error_message()}; with apply: next_boot it waits for the next start",
            vm.plan.resource,
            ", ".join(named(change.field) for change in changes),
        ) from error


def _metadata(vm: Running, changes: list[Change]) -> None:
    kinds = {
        "title": libvirt.VIR_DOMAIN_METADATA_TITLE,
        "description": libvirt.VIR_DOMAIN_METADATA_DESCRIPTION,
    }
    for change in changes:
        kind = kinds.get(change.field[0])
        if kind is not None:
            value = change.after or None
            vm.dom.setMetadata(kind, value, None, None, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    if any(change.field[0] not in kinds for change in changes):
        _set_resource(vm, _as_it_was_promised(vm))


def _as_it_was_promised(vm: Running) -> Element | None:
    """What is stored of the resource, with what the VM that runs was promised."""
    resource = xmltree.clone(vm.after)
    promised = xmltree.find(resource, table.RESERVATION)
    was = xmltree.find(vm.now(), table.RESERVATION)
    if promised is not None:
        xmltree.remove(resource, promised)
    if was is not None:
        xmltree.ensure(resource, MARK).append(xmltree.clone(was))
    return xmltree.find(resource, MARK)


def _set_resource(vm: Running, resource: Element | None) -> None:
    """Have this noted in what runs, beside the VLANs that it notes of its NICs."""
    set_resource(vm.dom, resource, notes_of(vm.dom))


def set_resource(dom: Any, resource: Element | None, notes: list[Element]) -> None:
    """Note something of the collection in a VM that runs."""
    if resource is None and notes:
        resource = Element("fleet:resource")
    if resource is not None:
        resource = xmltree.clone(resource)
        resource.extend(notes)
    text = None if resource is None else xmltree.serialise(_without_namespace(resource))
    element = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    dom.setMetadata(element, text, "fleet", xmltree.FLEET_NS, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _promise(vm: Running, _changes: list[Change]) -> None:
    # What has to be done beside that comes last of all.
    _set_resource(vm, xmltree.find(vm.after, MARK))


def _lifecycle(vm: Running, changes: list[Change]) -> None:
    types = {
        "on_poweroff": libvirt.VIR_DOMAIN_LIFECYCLE_POWEROFF,
        "on_reboot": libvirt.VIR_DOMAIN_LIFECYCLE_REBOOT,
        "on_crash": libvirt.VIR_DOMAIN_LIFECYCLE_CRASH,
    }
    actions = {
        "destroy": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY,
        "restart": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_RESTART,
        "preserve": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_PRESERVE,
        "coredump-destroy": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_COREDUMP_DESTROY,
        "coredump-restart": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_COREDUMP_RESTART,
    }
    for change in changes:
        when, then = types[change.field[0]], actions[change.after]
        vm.dom.setLifecycleAction(when, then, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _vcpus(vm: Running, changes: list[Change]) -> None:
    vm.dom.setVcpusFlags(changes[-1].after, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _cpu_time(vm: Running, changes: list[Change]) -> None:
    applier_cpu.bring_time(vm.dom, vm.now(), changes)


def _memory_limit(vm: Running, changes: list[Change]) -> None:
    kib = parse_size(changes[-1].after) // 1024
    limit = {libvirt.VIR_DOMAIN_MEMORY_HARD_LIMIT: kib or UNLIMITED_KIB}
    vm.dom.setMemoryParameters(limit, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _cpu_pins(vm: Running, changes: list[Change]) -> None:
    applier_cpu.bring_pins(vm.dom, changes)


def _balloon(vm: Running, changes: list[Change]) -> None:
    resize(vm.dom, vm.plan.resource, parse_size(changes[-1].after), vm.now)


def _balloon_stats(vm: Running, changes: list[Change]) -> None:
    vm.dom.setMemoryStatsPeriod(changes[-1].after, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _disk_limits(vm: Running, changes: list[Change]) -> None:
    for name in dict.fromkeys(change.field[1] for change in changes):
        disk = items_of(table.DISKS, vm.after)[name]
        names = ("total", "read", "write")
        limits = {f"{n}_{of}_sec": 0 for of in ("bytes", "iops") for n in names}
        limits.update(
            {i.tag: int(i.text or 0) for i in disk.findall("iotune/*") if i.tag in limits}
        )
        runs = items_of(table.DISKS, vm.plan.have.running).get(name)
        for burst in runs.findall("iotune/*") if runs is not None else ():
            if limits.get(burst.tag.partition("_max")[0], 1) == 0 and "_max" in burst.tag:
                limits[burst.tag] = 0  # libvirt refuses one without its limit
        target = xmltree.get(disk, "target/@dev")
        vm.dom.setBlockIoTune(target, limits, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _devices_updated(vm: Running, changes: list[Change]) -> None:
    """The device as it runs, with just what changes set anew."""
    for at in dict.fromkeys(table.device_of(change.field) for change in changes):
        row = DEVICES[at[0]]
        device = xmltree.clone(items_of(row, vm.now())[at[1]])
        mine = (change for change in changes if is_within(change.field, at))
        values = {table.option_of(change.field): change.after for change in mine}
        edit(row.rows, device, values)
        if ("source",) in values:
            _forget_runtime_source(device)
        if values.keys() & {("source",), ("port_group",)}:
            port_groups.forget_group(device, items_of(row, vm.after)[at[1]])
        taken = device_as_taken(vm.dom.connect(), device)
        vm.dom.updateDeviceFlags(xmltree.serialise(taken), libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _ports(vm: Running, changes: list[Change]) -> None:
    from ...host.open_vswitch import set_ports

    conn, wanted = vm.dom.connect(), {}  # on a bridge of Linux applier_ports.py does it
    for name in dict.fromkeys(change.field[1] for change in changes):
        runs, comes = (items_of(DEVICES["nics"], tree)[name] for tree in (vm.now(), vm.after))
        source = runs.find("source")
        said = {} if source is None else source.attrib
        network = xmltree.parse(conn.networkLookupByName(said.get("network", "")).XMLDesc(0))
        if vlans.is_on_open_vswitch(network):
            port = ports.port_of(network, said.get("portgroup"), comes)
            wanted[xmltree.get(runs, "target/@dev") or ""] = port
    set_ports(wanted, vm.plan.resource)


def _plug(vm: Running, changes: list[Change]) -> None:
    for items, name in (change.field for change in changes):
        device = xmltree.clone(items_of(DEVICES[items], vm.after)[name])
        now = vm.now()
        forget_unfit_address(device, now)
        if items == table.CHANNELS.name:
            give_port(device, now)
        taken = device_as_taken(vm.dom.connect(), device)
        vm.dom.attachDeviceFlags(xmltree.serialise(taken), libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _unplug(vm: Running, changes: list[Change]) -> None:
    for items, name in (change.field for change in changes):
        _unplug_one(vm, DEVICES[items], name)


def _unplug_one(vm: Running, row: Items, name: str) -> None:
    device = items_of(row, vm.now()).get(name)
    if device is None:
        return
    taken = device_as_taken(vm.dom.connect(), device)
    vm.dom.detachDeviceFlags(xmltree.serialise(taken), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    if not wait_until(lambda: name not in items_of(row, vm.now()), UNPLUG_TIMEOUT_S):
        raise FleetError(
            f"the guest did not let it go within {UNPLUG_TIMEOUT_S:.0f} s; what is stored "
            "is without it already; when the guest is done with it declare it as absent by its "
            "name, or restart the VM",
            vm.plan.resource,
            f"{row.name}.{name}",
        )


def _without_namespace(element: Element) -> Element:
    """libvirt puts the namespace in itself, and refuses an element that has it already."""
    plain = xmltree.clone(element)
    plain.attrib.pop("xmlns:fleet", None)
    for part in filter(xmltext.is_element, plain.iter()):
        part.tag = part.tag[len("fleet:") :] if part.tag.startswith("fleet:") else part.tag
    return plain


def _forget_runtime_source(device: Element) -> None:
    """Drop what libvirt noted about the former source; it would contradict the new one."""
    for source in device.findall("source"):
        for attribute in ("portid", "index"):
            source.attrib.pop(attribute, None)
        if device.get("type") == "network":
            source.attrib.pop("bridge", None)
    for element in device.findall("backingStore"):
        device.remove(element)


def forget_unfit_address(device: Element, live: Element) -> None:
    """Drop an address that fits what is stored, but is another's in what runs, or not there."""
    address = device.find("address")
    if address is None:
        return
    taken = any(address.attrib == a.attrib for a in live.findall("devices/*/address"))
    if taken or not _is_there(address, live):
        device.remove(address)


def _is_there(address: Element, live: Element) -> bool:
    """Whether what runs has the bus of an address, and the hub of a port of USB."""
    kind = address.get("type")
    if kind not in ("pci", "usb"):
        return True
    controllers = live.findall(f"devices/controller[@type='{kind}']")
    hub = (address.get("port") or "").rpartition(".")[0]
    hubs = {one.get("port") for one in live.findall("devices/hub/address")}
    buses = [int(controller.get("index", "0")) for controller in controllers]
    return int(address.get("bus", "0"), 0) in buses and (not hub or hub in hubs)


def give_port(channel: Element, live: Element) -> None:
    """The port that is stored where nothing that runs can have it; else one that is free."""
    free, address = free_for_channels(live), channel.find("address")
    if address is not None:
        if (int(address.get("controller", "0")), int(address.get("port", "0"))) in free:
            return
        channel.remove(address)
    for controller, port in free[:1]:
        at = {"type": "virtio-serial", "controller": str(controller), "bus": "0", "port": str(port)}
        channel.append(Element("address", at))


Bring = Callable[[Running, "list[Change]"], None]

# In the order in which they are called. What leaves makes room for what comes: for the name of its
# target, its boot order, its PCI port.
APPLIERS: dict[Call, Bring] = {
    (Changed, Applier.METADATA): _metadata,
    (Changed, Applier.PROMISE): _promise,
    (Changed, Applier.LIFECYCLE): _lifecycle,
    (Changed, Applier.VCPUS): _vcpus,
    (Changed, Applier.CPU_TIME): _cpu_time,
    (Changed, Applier.MEMORY_LIMIT): _memory_limit,
    (Changed, Applier.CPU_PINS): _cpu_pins,
    (Changed, Applier.BALLOON): _balloon,
    (Changed, Applier.BALLOON_STATS): _balloon_stats,
    (Changed, Applier.DISK_LIMITS): _disk_limits,
    (Changed, Applier.MEDIA): _devices_updated,
    (Changed, Applier.NIC): _devices_updated,
    (Changed, Applier.PORT): _ports,
    (Went, Applier.DEVICE): _unplug,
    (Came, Applier.DEVICE): _plug,
}
