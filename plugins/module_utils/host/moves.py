# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move asks of a host, as facts: answers of its libvirt, and of the machine itself."""

from __future__ import annotations

from typing import Any

from ..engine import xmltree
from ..engine.move_facts import (
    FITS,
    HALTED,
    LACKS,
    NOT_NOW,
    SAME,
    Bridge,
    DiskSize,
    GuestCpus,
    Identity,
    Inside,
)
from ..engine.xmltree import Element
from .connection import Host, found, libvirt, said
from .images import INSIDE_SIZE, inside_of
from .lookups import names_of
from .volume_bytes import part_of


def read_identity(host: Host) -> Identity:
    """The UUID of the machine, its name, and how it confines VMs."""
    uuid = xmltree.get(host.capabilities, "host/uuid") or ""
    models = tuple(one.text or "" for one in host.capabilities.findall("host/secmodel/model"))
    return Identity(uuid, str(host.conn.getHostname()), models)


def read_node_devices(host: Host) -> list[str] | None:
    """The devices that can be handed to VMs."""
    flags = (
        libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV
        | libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_DEV
        | libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV
    )
    return names_of(host, "listAllDevices", flags)


# ---- VMs


def read_migratable(host: Host, vm: str) -> dict[str, str]:
    """The definitions of a VM as libvirt sends them to another host."""
    with host.errors(f"vm/{vm}", "tell how it would be sent to another host"):
        dom = found(host.conn.lookupByName, vm, libvirt.VIR_ERR_NO_DOMAIN)
        if dom is None:
            return {}
        secure = libvirt.VIR_DOMAIN_XML_SECURE
        flags = libvirt.VIR_DOMAIN_XML_MIGRATABLE | secure if host.driver == "QEMU" else secure
        texts = {"stored": dom.XMLDesc(flags | libvirt.VIR_DOMAIN_XML_INACTIVE)}
        if dom.isActive():
            return {**texts, "live": dom.XMLDesc(flags), **_standing(dom)}
        if host.driver == "QEMU" and dom.hasManagedSaveImage():
            saved = dom.managedSaveGetXMLDesc(libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE)
            return {**texts, "live": saved}
        return texts


def _standing(dom: Any) -> dict[str, str]:
    """What is to be known of a VM that runs before it is sent."""
    why_not = _why_not_now(dom)
    said = {NOT_NOW: why_not} if why_not else {}
    halted = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION]
    return {**said, HALTED: "migrating"} if dom.state() == halted else said


def _why_not_now(dom: Any) -> str:
    """A state in which QEMU hands no guest over, or libvirt does not let it."""
    state, reason = dom.state()[:2]
    if state == libvirt.VIR_DOMAIN_PMSUSPENDED:
        return "its guest sleeps (pmsuspended), and QEMU cannot hand it over"
    if state == libvirt.VIR_DOMAIN_SHUTDOWN:
        return "it is shutting down"
    stands = (state, reason) == (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR)
    return "it stands still after an error of its disk" if stands else ""


def read_post_copy(host: Host, vm: str) -> bool:
    """Whether it is in the midst of post-copy, or that has failed."""
    with host.errors(f"vm/{vm}", "tell whether it is in post-copy"):
        dom = found(host.conn.lookupByName, vm, libvirt.VIR_ERR_NO_DOMAIN)
        return dom is not None and is_in_post_copy(dom)


def is_in_post_copy(dom: Any) -> bool:
    """The same of a VM of libvirt's."""
    state, reason = dom.state()
    names = {
        libvirt.VIR_DOMAIN_PAUSED: ("PAUSED_POSTCOPY", "PAUSED_POSTCOPY_FAILED"),
        # The last since libvirt 8.5.
        libvirt.VIR_DOMAIN_RUNNING: ("RUNNING_POSTCOPY", "RUNNING_POSTCOPY_FAILED"),
    }.get(state, ())
    return reason in [getattr(libvirt, f"VIR_DOMAIN_{name}", None) for name in names]


def read_disk_size(host: Host, vm: str, target: str) -> DiskSize | None:
    """How large a disk is; None of one without a file or device, or that cannot be opened."""
    try:
        return DiskSize(*map(int, host.conn.lookupByName(vm).blockInfo(target)))
    except libvirt.libvirtError:
        if not host.is_alive():
            raise
        return None


def read_inside(host: Host, vm: str, target: str) -> Inside | None:
    """What the header of a qcow2 image says; None of what libvirt has no volume of."""
    try:
        domain = xmltree.parse(host.conn.lookupByName(vm).XMLDesc(0))
        volume = _volume_behind(host, domain, target)
        return None if volume is None else inside_of(part_of(host, volume, 0, INSIDE_SIZE))
    except libvirt.libvirtError:
        if not host.is_alive():
            raise
        return None


def _volume_behind(host: Host, domain: Element, target: str) -> Any:
    for disk in domain.findall("devices/disk"):
        source = disk.find("source")
        is_it = xmltree.get(disk, "target/@dev") == target
        if is_it and source is not None and xmltree.get(disk, "driver/@type") == "qcow2":
            if source.get("pool"):
                pool = host.conn.storagePoolLookupByName(source.get("pool"))
                return pool.storageVolLookupByName(source.get("volume"))
            path = source.get("file") or source.get("dev")
            return host.conn.storageVolLookupByPath(path) if path else None
    return None


# ---- what the hypervisor can do


def read_device_models(
    host: Host, arch: str, machine: str, virt_type: str
) -> dict[str, list[str]] | None:
    """The enumerations of libvirt's domain capabilities, and the files of firmware."""
    told = host.domain_capabilities(arch, machine, virt_type)
    if told is None:
        return None
    models = {"loader": [one.text or "" for one in told.findall("os/loader/value")]}
    models["firmware"] = _values(told, "os/enum[@name='firmware']")
    for part in told.findall("devices/*"):
        is_there = part.get("supported") == "yes"
        for enum in part.findall("enum") if is_there else ():
            models[f"{part.tag}/{enum.get('name')}"] = _values(enum, ".")
        if not is_there:
            models[part.tag] = []
    return models


def _values(tree: Element, path: str) -> list[str]:
    return [value.text or "" for value in tree.findall(f"{path}/value")]


def read_guest_cpus(host: Host, arch: str, machine: str, virt_type: str) -> GuestCpus | None:
    """What libvirt's domain capabilities say of CPUs."""
    told = host.domain_capabilities(arch, machine, virt_type)
    if told is None:
        return None
    of_host = told.find("cpu/mode[@name='host-model'][@supported='yes']")
    features = {} if of_host is None else {
        one.get("name", ""): one.get("policy", "") for one in of_host.findall("feature")
    }  # fmt: skip
    custom = told.findall("cpu/mode[@name='custom'][@supported='yes']/model")
    blockers = {
        one.get("model", ""): [feature.get("name", "") for feature in one.findall("feature")]
        for one in told.findall("cpu/mode[@name='custom']/blockers")
    }
    return GuestCpus(
        _text(of_host, "model"),
        _text(of_host, "vendor"),
        features,
        {one.text or "": one.get("usable", "unknown") for one in custom},
        blockers,
    )


def _text(element: Element | None, path: str) -> str:
    return "" if element is None else xmltree.get(element, path) or ""


def read_cpu_comparison(
    host: Host, arch: str, machine: str, virt_type: str, cpu: str
) -> dict[str, Any] | None:
    """libvirt's own comparison. With the flag that fails it says which features are lacking."""
    results = {
        libvirt.VIR_CPU_COMPARE_INCOMPATIBLE: LACKS,
        libvirt.VIR_CPU_COMPARE_IDENTICAL: SAME,
        libvirt.VIR_CPU_COMPARE_SUPERSET: FITS,
    }
    flag = libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE
    try:
        found_out = host.conn.compareHypervisorCPU(None, arch, machine, virt_type, cpu, flag)
    except libvirt.libvirtError as error:
        if not host.is_alive():
            raise
        if error.get_error_code() == libvirt.VIR_ERR_CPU_INCOMPATIBLE:
            return {"result": LACKS, "said": said(error)}
        return None  # the driver cannot compare, or has no such machine
    return {"result": results[found_out], "said": ""} if found_out in results else None


# ---- bridges


def read_bridge(host: Host, name: str) -> Bridge | None:
    """A bridge of this machine by its own files, of another as far as libvirt knows it."""
    if host.is_local and "socket=" not in host.uri:
        from .interfaces import read_interfaces, read_mtu

        ports = (one for one, is_like in read_interfaces().items() if is_like.master == name)
        taps = {one for one, is_like in read_interfaces().items() if is_like.is_tap}
        return Bridge(read_mtu(name), tuple(port for port in ports if port not in taps))
    return _far_bridge(host, name)


def _far_bridge(host: Host, name: str) -> Bridge | None:
    try:
        interface = found(host.conn.interfaceLookupByName, name, libvirt.VIR_ERR_NO_INTERFACE)
        if interface is None:
            return None
        told = xmltree.parse(interface.XMLDesc(0))
    except libvirt.libvirtError:
        if not host.is_alive():
            raise
        return None  # its interface driver is not installed, or cannot work there
    ports = (port.get("name", "") for port in told.findall("bridge/interface"))
    mtu = int(xmltree.get(told, "mtu/@size") or 0)
    return Bridge(mtu, tuple(port for port in ports if not _is_of_vm(port)))


def _is_of_vm(port: str) -> bool:
    """Whether libvirt made it: its own names for taps (virnetdev.h) no one else may use."""
    return port.startswith(("vnet", "macvtap", "macvlan")) or port.endswith("-nic")
