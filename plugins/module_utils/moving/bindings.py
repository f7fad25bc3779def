# SPDX-License-Identifier: GPL-3.0-or-later
"""What binds a VM to its host, as its own host tells it: wherever it is to go.

After qemuMigrationSrcIsAllowed of libvirt (9.0 to 11.3) and what QEMU's devices refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..engine import xmltree
from ..engine.fields import items_of
from ..engine.plan import Have
from ..engine.xmltree import Element
from ..kinds.vm.host_device_rows import HOST_DEVICES, value_of
from ..kinds.vm.shared_folder_rows import SHARED_FOLDERS
from ..kinds.vm.states import CRASHED, PAUSED, RUNNING, SAVED
from .findings import FAIL, PASS, WARN
from .options import LIVE

# Which USB device libvirt plugs in at the target.
_BY_MODEL = "libvirt plugs in the one of that vendor and product at the target"
_BY_PLACE = "libvirt plugs in the one of that address at the target"
OFF_INSTEAD = "or move the VM offline"


class Bound(NamedTuple):
    """One thing by which a VM is bound to its host."""

    check: str
    about: str
    message: str
    todo: str
    live: str = FAIL  # what it is to a live migration: pass, warn or fail
    offline: str = PASS

    def advice(self, mode: str) -> str:
        """What to do, and not what is being done."""
        return self.todo if mode == LIVE else self.todo.partition(OFF_INSTEAD)[0].rstrip(",; ")

    def result(self, mode: str) -> str:
        """What it is to a mode."""
        return self.live if mode == LIVE else self.offline


def bound(have: Have, runs: Element) -> Iterator[Bound]:
    """All that binds a VM, by its state and by a definition: of what runs, or of what is stored."""
    yield from _by_state(have)
    yield from _by_host_devices(runs)
    yield from _by_folders(runs)
    yield from _by_disks(runs)
    yield from _by_hardware(runs)


# ---- as a whole


def _by_state(have: Have) -> Iterator[Bound]:
    state = have.facts.get("state")
    if state in (RUNNING, PAUSED):
        todo = "stop it first (kvm.fleet.vm with state: stopped), or move it live"
        yield Bound("state", "state", f"it is {state}", todo, PASS, FAIL)
        if not have.facts.get("persistent", True):
            todo = "nothing; it is stored nowhere after the move either"
            yield Bound("state", "persistent", "it is not stored", todo, WARN, FAIL)
    elif state == CRASHED:
        yield Bound("state", "state", "it has crashed", "stop or restart it first", FAIL, FAIL)
    elif state == SAVED:
        todo = "wake it to move it live (state: running), or move it offline"
        yield Bound("state", "state", "it is saved: no QEMU has its memory", todo)
    else:
        yield Bound("state", "state", "it does not run", "start it, or move it offline")


# ---- devices of the host

_HOSTDEV = "detach it first, and attach one of the target afterwards; or move the VM offline"


def _by_host_devices(domain: Element) -> Iterator[Bound]:
    named = {id(device): name for name, device in items_of(HOST_DEVICES, domain).items()}
    for number, device in enumerate(domain.findall("devices/hostdev")):
        name = named.get(id(device))
        about = f"{HOST_DEVICES.name}.{name}" if name else _named(device, number)
        kind = device.get("type") or device.get("mode")
        which = f" ({value_of(device)})" if name else ""
        what = f"{kind} device of the host{which}"
        if xmltree.get(device, "teaming/@type") == "transient":
            yield _unplugged(about, what)
        elif kind == "usb":
            is_by_model = device.find("source/vendor") is not None
            message = f"{what}: {_BY_MODEL if is_by_model else _BY_PLACE}"
            yield Bound("host_devices", about, message, _HOSTDEV, FAIL, WARN)
        else:
            yield Bound("host_devices", about, what, _HOSTDEV, FAIL, WARN)
    for nic in domain.findall("devices/interface"):
        about = f"nics.{xmltree.get(nic, 'mac/@address')}"
        kind = nic.get("type")
        if kind == "hostdev" and xmltree.get(nic, "teaming/@type") == "transient":
            yield _unplugged(about, "network device of the host")
        elif kind in ("hostdev", "vdpa"):
            yield Bound(
                "host_devices", about, f"network device of the host ({kind})", _HOSTDEV, FAIL, WARN
            )


def _unplugged(about: str, what: str) -> Bound:
    message = f"{what}: QEMU unplugs it for the move, and its partner takes over"
    todo = "see that the target has the same device free"
    return Bound("host_devices", about, message, todo, WARN, WARN)


def _named(device: Element, number: int) -> str:
    address = device.find("source/address")
    if address is None:
        return f"devices/hostdev[{number}]"
    said = " ".join(f"{name}={value}" for name, value in sorted(address.attrib.items()))
    return f"devices/hostdev {said}"


# ---- folders, disks


def _by_folders(domain: Element) -> Iterator[Bound]:
    named = {id(device): name for name, device in items_of(SHARED_FOLDERS, domain).items()}
    for shared in domain.findall("devices/filesystem"):
        driver = xmltree.get(shared, "driver/@type") or "path"
        name = named.get(id(shared))
        about = f"{SHARED_FOLDERS.name}.{name}" if name else "devices/filesystem"
        where = xmltree.get(shared, "source/@dir") or xmltree.get(shared, "source/@socket") or ""
        message = f"shares the folder {where} of its host ({driver})"
        todo = "unmount it in the guest and take it out first, or move the VM offline"
        yield Bound("shared_folders", about, message, todo, FAIL, WARN)


def _by_disks(domain: Element) -> Iterator[Bound]:
    for disk in domain.findall("devices/disk"):
        if disk.find("transient") is not None:
            about = f"disk {xmltree.get(disk, 'target/@dev')}"
            message = "is transient: what was written since the start is in a file of the host"
            yield Bound("disks", about, message, "move the VM while it is stopped")

        found = [xmltree.get(disk, "driver/@type")]
        found += [one.get("type") for one in disk.findall(".//backingStore/format")]
        for form in sorted({one or "" for one in found} & set(_NOT_HANDED_OVER)):
            about = f"disk {xmltree.get(disk, 'target/@dev')}"
            todo = (
                "convert it to qcow2 or raw (qemu-img convert), or move the VM while it is stopped"
            )
            yield Bound("disks", about, f"QEMU hands over no image in the format {form}", todo)


# Formats whose drivers in QEMU block migrations, wherever the image is (migrate_add_blocker).
_NOT_HANDED_OVER = ("parallels", "qcow", "vdi", "vhdx", "vmdk", "vpc")

# ---- hardware

# Memory modules whose content is in a file of the host.
_OF_FILES = ("nvdimm", "virtio-pmem")
# What nobody but the processor or a reader of the host has in hand.
_SEALED = {
    "launchSecurity": "its memory is encrypted by the processor of its host",
    "devices/memory[@model='sgx-epc']": "has an enclave of the processor of its host",
    "devices/video/model/acceleration[@accel3d='yes']": "draws by the graphics card of its host",
    "devices/smartcard[@mode='host']": "has the card reader of its host",
    "devices/smartcard[@mode='host-certificates']": "has certificates of its host in a card",
}


def _by_hardware(domain: Element) -> Iterator[Bound]:
    mode = xmltree.get(domain, "cpu/@mode")
    if mode in ("host-passthrough", "maximum"):
        message = f"its CPU is that of its host ({mode}), and so moves to an identical one only"
        todo = "declare a CPU that all hosts have (cpu.mode: custom), and restart it"
        yield Bound("cpu", "cpu.mode", message, todo, WARN)
    if _has_invtsc(domain):
        message = "has the CPU feature invtsc, and no frequency of the TSC"
        todo = "take the feature away, or set <timer name='tsc' frequency=...> (extra_xml)"
        yield Bound("cpu", "cpu.features.invtsc", message, todo)
    if domain.find("devices/tpm/backend[@type='passthrough']") is not None:
        todo = "give it an emulated one"
        yield Bound("tpm", "tpm", "its TPM is that of its host", todo, FAIL, WARN)
    for shmem in domain.findall("devices/shmem"):
        if xmltree.get(shmem, "model/@type") == "ivshmem" or shmem.get("role") != "master":
            message = f"has the shared memory {shmem.get('name')} of its host"
            todo = "take it out first, or move the VM offline"
            yield Bound("devices", "devices/shmem", message, todo, FAIL, WARN)
    for module in domain.findall("devices/memory"):
        if module.get("model") in _OF_FILES:
            path = xmltree.get(module, "source/path") or ""
            message = f"has a memory module on {path} of its host"
            yield Bound("devices", "devices/memory", message, "take it out first", FAIL, FAIL)
    for place, message in _SEALED.items():
        if domain.find(place) is not None:
            todo = "move the VM while it is stopped"
            yield Bound("devices", place.partition("[")[0], message, todo, FAIL, WARN)


def _has_invtsc(domain: Element) -> bool:
    wanted = domain.find("cpu/feature[@name='invtsc']")
    if wanted is None or wanted.get("policy") in ("disable", "forbid"):
        return False
    timers = domain.findall("clock/timer[@name='tsc']")
    return not any(timer.get("frequency") for timer in timers)
