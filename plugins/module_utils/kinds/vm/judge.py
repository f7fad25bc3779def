# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt judges a planned VM before anything is changed.

QEMU's driver makes a command line of a definition without starting or storing anything
(virConnectDomainXMLToNative). On the way it meets what it would refuse, first at a define and then
at a start. It is given copies, in which what this host, or the run, may yet bring is replaced by
something harmless: a plan that would succeed is never refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from ...engine import xmltree
from ...engine.changes import Beside
from ...engine.errors import FleetError
from ...engine.keys import named
from ...engine.plan import Plan
from ...engine.world import World
from ...engine.xmltree import Element
from ..together.secrets import comes
from .room import in_our_words
from .states import CRASHED, PAUSED, RUNNING, STOPPED

# What libvirt says against a definition; None where it has nothing against it.
Refuse = Callable[[Element], "str | None"]

# Whether what names a secret, `<auth>` or `<encryption>`, names one that is yet to come.
Comes = Callable[[Element], bool]

# A pool that no host has: libvirt looks for the pools of disks first of all when it starts a VM.
PROBE_POOL = "kvm.fleet: where a start ends"
# The disks of a VM that may be put there.
PROBED = ("disk", "cdrom")
# The buses for a disk of our own in such a pool. Any of them may have no place left.
PROBE_BUSES = {"usb": "sdzz", "virtio": "vdzz", "sata": "sdzz"}
# Of which libvirt looks at the first host without asking whether there is one.
NEED_HOST = ("iscsi", "nfs")


def judged(plan: Plan, refuse: Refuse, world: World) -> Plan:
    """The plan, with a warning where it leaves a VM that cannot start. FleetError if libvirt would
    refuse what the plan does."""
    after = plan.after.stored
    defines = after is not None and after is not plan.have.stored
    if after is None or not (defines or starts(plan)):
        return plan
    warnings = _defining(plan, after, refuse) if defines else []
    said = _nowhere(after) or refuse(startable(after, partial(comes, world, plan.have.stored)))
    if said is not None and starts(plan):
        raise FleetError(
            f"libvirt would refuse to start it: {in_our_words(said)}",
            plan.resource,
            _field(plan, said),
        )
    if said is not None and not warnings:
        warnings.append(f"is stored, but libvirt would refuse to start it: {in_our_words(said)}")
    return replace(plan, warnings=(*plan.warnings, *warnings))


def _defining(plan: Plan, after: Element, refuse: Refuse) -> list[str]:
    """What is said against storing it is an error. Where it was to be said before already, and may
    be about a start or the disk that was put into the copies, it is a warning."""
    against = _against_storing(after, refuse)
    if against is None:
        return []
    said = in_our_words(against.said)
    before = plan.have.stored
    known = None if before is None else _against_storing(before, refuse)
    if known is None or known.said != against.said:
        field = _field(plan, against.said)
        raise FleetError(f"libvirt would refuse it: {said}", plan.resource, field)
    if against.is_sure:
        raise FleetError(
            f"libvirt would refuse it, as it would what is stored already: {said}; mend that first "
            f"(virsh edit {plan.wanted.name})",
            plan.resource,
        )
    return [f"libvirt has this against it, with or without the change: {said}"]


class _Against(NamedTuple):
    """What libvirt says against storing a definition, and whether it is of a define for sure."""

    said: str
    is_sure: bool


def _against_storing(definition: Element, refuse: Refuse) -> _Against | None:
    """What is said against every copy; what one alone meets is against the disk put into that."""
    against: list[str] = []
    for copy in storable(definition):
        said = refuse(copy)
        if said is None or PROBE_POOL in said:
            return None
        against.append(said)
    most = max(against, key=against.count)
    is_of_us = len(against) > 1 and any(word in most for word in OF_PLACES)
    says_one = len({*against}) == 1 and not is_of_us
    return _Against(most, says_one and any(word in most for word in OF_A_DEFINE))


def starts(plan: Plan) -> bool:
    """Whether the plan starts the VM from what is stored; a saved one runs on as it was saved."""
    if any(change.restarts for change in plan.changes):
        return True
    is_off = plan.have.facts.get("state", STOPPED) in (STOPPED, CRASHED)
    return is_off and plan.after.facts.get("state") in (RUNNING, PAUSED)


# What it says at a define alone, of what it reads in at its start all the same. Of other words, as
# of those about an unknown CPU feature, nobody can tell whether they would wait for a start.
OF_A_DEFINE = (
    "XML error",
    "Cannot check QEMU binary",
    *(f"does not support {what}" for what in ("arch", "machine type", "virt type")),
)
# What it says where a disk of our own has no place, on whichever bus.
OF_PLACES = ("PCI", "USB")

# Which option libvirt speaks of, or which list of devices, by a word that it says.
SPEAKS_OF = {
    "watchdog": "watchdog.model",
    "graphics": "graphics.type",
    "title": "title",
    "Maximum CPUs": "cpu.maximum",
    "vCPUs": "cpu.maximum",
    "CPU feature": "cpu.features",
    "feature list": "cpu.features",
    "TPM": "tpm.model",
    "firmware": "firmware",
    "PCI buses": "machine",
    "virtiofs": "shared_folders",
    "IOMMU": "iommu.model",
    "Hostdev": "host_devices",
    "ROM": "host_devices",
    "mediated": "host_devices",
    "assigned devices": "host_devices",
}


def _field(plan: Plan, said: str) -> str:
    """The option that the plan changes, of many that which libvirt names; or none, where its words
    have to do."""
    fields = [named(c.field) for c in plan.changes if c.in_definition or isinstance(c, Beside)]
    if plan.have.exists and len(fields) == 1:
        return fields[0]
    spoken_of = (option for word, option in SPEAKS_OF.items() if word in said)
    found = (
        field
        for option in spoken_of
        for field in fields
        if field == option or field.startswith(f"{option}.")
    )
    return next(found, "")


# ---- the copies that libvirt is given


def storable(definition: Element) -> Iterator[Element]:
    """Copies to be judged as at a define: their start ends at a pool that is not there.

    The disk in that pool is one that is there; where there is none, each copy has another.
    """
    copy = xmltree.clone(definition)
    for nic in copy.findall("devices/interface[@type='hostdev']"):
        _of_user(nic)
    _without_secrets(copy)
    _without_what_comes(copy)
    for source in _without_host(copy):
        source.append(xmltree.parse("<host name='kvm.fleet'/>"))
    for disk in copy.findall("devices/disk"):
        if disk.get("type") in ("file", "block") and disk.get("device", "disk") in PROBED:
            _ends_the_start(disk)
            yield copy
            return
    devices = xmltree.ensure(copy, "devices")
    for bus, target in PROBE_BUSES.items():
        added = xmltree.parse(f'<disk><target dev="{target}" bus="{bus}"/></disk>')
        _ends_the_start(added)
        devices.append(added)
        yield copy
        devices.remove(added)


def _ends_the_start(disk: Element) -> None:
    disk.set("type", "volume")
    for part in ("source", "backingStore", "mirror", "transient"):
        xmltree.put(disk, f"{part}!", None)
    xmltree.put(disk, "source/@pool", PROBE_POOL)
    xmltree.put(disk, "source/@volume", "none")


def startable(definition: Element, comes: Comes = lambda _part: False) -> Element:
    """A copy that is judged as at a start, without the devices that are prepared only then.

    libvirt would make a tap device for each NIC, for as long as it judges.
    """
    copy = xmltree.clone(definition)
    for tag in ("hostdev", "interface"):
        for device in copy.findall(f"devices/{tag}"):
            xmltree.remove(copy, device)
    for backend in copy.findall("devices/tpm/backend[@type='passthrough']"):
        _emulated(backend)
    _without_secrets(copy, comes)
    _without_what_comes(copy)
    return copy


def _of_user(nic: Element) -> None:
    """libvirt (9.0) frees the device behind a NIC of type hostdev here, uses it, and crashes."""
    nic.set("type", "user")
    for part in list(nic):
        if part.tag not in ("mac", "alias", "boot", "address"):
            nic.remove(part)


def _without_host(definition: Element) -> list[Element]:
    """Sources at a server that is not said. libvirt takes their definition, and libvirtd (9.0)
    crashes as it makes a command line of one (qemuBlockStorageSourceGetISCSIProps)."""
    return [
        source
        for device in definition.findall("devices/disk")
        for source in device.iter("source")
        if source.get("protocol") in NEED_HOST and source.find("host") is None
    ]


def _nowhere(definition: Element) -> str | None:
    """What is said of such a VM in the place of libvirt, which is not to be asked."""
    for source in _without_host(definition):
        protocol, name = source.get("protocol"), source.get("name")
        return f"{name} is an image by {protocol}, and its host is missing"
    return None


def _without_secrets(copy: Element, which: Comes = lambda _part: True) -> None:
    for disk in copy.findall("devices/disk"):
        for part in [part for part in disk.iter() if part.tag in ("auth", "encryption")]:
            if which(part):
                xmltree.remove(disk, part)


def _without_what_comes(copy: Element) -> None:
    """Replace what may be made by the same run, or is asked of others at a start."""
    for disk in copy.findall("devices/disk[@type='volume']"):
        kind, where = ("block", "dev") if disk.get("device") == "lun" else ("file", "file")
        disk.set("type", kind)
        source = xmltree.ensure(disk, "source")
        source.attrib.clear()
        source.set(where, "/kvm.fleet/judged")
    for graphics in copy.findall("devices/graphics"):
        for listen in graphics.findall("listen[@type='network']"):
            graphics.remove(listen)
    for vcpu in copy.findall("vcpu[@placement='auto']"):
        del vcpu.attrib["placement"]
    if copy.find("numatune/memory[@placement='auto']") is not None:
        xmltree.put(copy, "numatune!", None)


def _emulated(backend: Element) -> None:
    """A TPM of the host can be opened once only, by a VM that runs."""
    backend.set("type", "emulator")
    for part in list(backend):
        backend.remove(part)
