# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a snapshot of a host: the answers to all that declarations of any kind may ask of it.

What a declaration asks depends on what it says, so everything is asked that those can ask who
declare what is there, or something beside it: about the resources and all that they refer to, the
folders in which these are, and what the machine and its libvirt can do.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter

from ..engine import xmltree
from ..engine.host import HostFacts
from ..engine.looked_at import Image
from ..engine.move_facts import MoveFacts, family_of
from ..engine.plan import Have
from ..engine.switch_facts import SwitchFacts
from ..engine.world import World
from ..engine.xmltree import Element
from ..kinds.images.headers import backing_path
from ..kinds.storage_volume.volumes import FILE_POOLS, is_mark, type_of
from ..kinds.vm.seeded import XORRISO
from ..kinds.vm.state_files import saved_memory_of, state_files_of, state_folders
from ..kinds.vm.sysprep import PROGRAMS
from ..kinds.vswitch.filters import NAMES

VIRT_TYPES = ("kvm", "qemu")
OF_LIBVIRT = attrgetter(
    *("uri", "driver", "version", "libvirt_version", "can_keep_tpm", "state_folder"),
    *("best_virt_type", "cells", "huge_pages", "secrets"),
)
OF_MOVES = attrgetter(
    *("addresses", "clock", "identity", "kernel", "lock_manager", "mounts"),
    *("node_devices", "nwfilters"),
)
OF_PROMISES = attrgetter("capacity", "faults", "promises")
OF_MACHINE = attrgetter("open_files", "interfaces", "routes", "network_daemons")
OF_SWITCHES = attrgetter("open_vswitch", "links", "linux_bridges", "way_in")
OF_KEEPING = attrgetter("files", "keeper", "network_manager")
# What QEMU opens for devices that a declaration may bring.
DEVICES = ("/dev/net/tun", "/dev/vhost-net", "/dev/random", "/dev/urandom", "/dev/kvm")


def ask_everything(world: World, paths: Iterable[str]) -> None:
    """Have a world ask all that a plan for it may ask.

    `paths` are files that declarations may name though nothing on the host does, and folders of
    such, with all that is below.
    """
    host = world.host
    haves = {kind: world.everything(kind) for kind in ("storage_pool", "vswitch", "vm")}
    world.everything("resource_pool")
    world.everything("secret")
    _ask_libvirt(host, haves["vm"].values())
    for vm in haves["vm"].values():
        _ask_about_vm(host, vm)
    _ask_about_moves(MoveFacts(world.facts), haves)
    for vswitch in haves["vswitch"].values():
        host.noted_daemons(vswitch.name)
        if vswitch.live is not None:
            host.leases(vswitch.name)
    for name in NAMES:
        world.facts.ask("network_filter", name)
    for pool in haves["storage_pool"].values():
        if type_of(pool) == "disk":
            host.real_path(xmltree.get(pool.definition, "source/device/@path") or "")
    volumes = {**world.everything("storage_volume"), **_asleep(world, haves["storage_pool"])}
    if host.is_local:
        paths = {path for one in (*paths, *state_folders(host)) for path in _tree(host, one)}
        paths |= {path for have in haves["vm"].values() for path in _paths_of_vm(host, have)}
        paths |= {p for have in haves["storage_pool"].values() for p in _paths_in(have)}
        images = {p for have in haves["vm"].values() for p in _images_of_vm(host, have)}
        images |= {p for have in volumes.values() for p in _paths_in(have)}
        _ask_about_files(host, {*paths, *DEVICES, *XORRISO, *PROGRAMS}, images)
        OF_MACHINE(host)
        OF_SWITCHES(host)
        OF_KEEPING(SwitchFacts(host))
        world.facts.ask("vlan_hook")


def _ask_libvirt(host: HostFacts, vms: Iterable[Have]) -> None:
    """What the hypervisor can do, for the machine types that there are, and those in use."""
    OF_LIBVIRT(host)
    OF_PROMISES(host)
    host.held("")
    newest = host.machines
    used = {(host.arch, newest.get(name) or name) for name in host.machines_of(host.arch)}
    for vm in vms:
        arch = xmltree.get(vm.definition, "os/type/@arch") or host.arch
        used.add((arch, xmltree.get(vm.definition, "os/type/@machine") or ""))
    for arch in sorted({arch for arch, _machine in used}):
        host.machines_of(arch)
        host.cpu_models(arch)
    for arch, machine in sorted(used):
        for virt_type in VIRT_TYPES:
            host.cpu_modes(arch, machine, virt_type)
            host.video_models(arch, machine, virt_type)
    _ask_what_moves_need_of_machines(MoveFacts(host.facts), used)


def _ask_what_moves_need_of_machines(host: MoveFacts, used: Iterable[tuple[str, str]]) -> None:
    """Of one machine type of each family: the others of one QEMU have the same devices and CPUs."""
    families = {(arch, family_of(machine)): machine for arch, machine in sorted(used)}
    newest = {arch: machine for (arch, _family), machine in sorted(families.items())}
    for virt_type in VIRT_TYPES:
        for (arch, _family), machine in families.items():
            host.device_models(arch, machine, virt_type)
        for arch, machine in newest.items():
            host.guest_cpus(arch, machine, virt_type)


def _ask_about_moves(host: MoveFacts, haves: Mapping[str, Mapping[str, Have]]) -> None:
    """How each VM would be sent to another host, and what it would be looked at for there."""
    OF_MOVES(host)
    vms, vswitches = haves["vm"].values(), haves["vswitch"].values()
    for vm in vms:
        host.migratable(vm.name)
        for disk in (vm.definition if vm.live is None else vm.live).findall("devices/disk"):
            if disk.find("source") is not None:
                for ask in (host.disk_size, host.inside):
                    ask(vm.name, xmltree.get(disk, "target/@dev") or "")
    nics = (nic for vm in vms for nic in vm.definition.findall("devices/interface"))
    bridges = {xmltree.get(nic, "source/@bridge") for nic in nics}
    bridges |= {xmltree.get(one.definition, "bridge/@name") for one in vswitches}
    for name in sorted(filter(None, bridges)):
        host.bridge(name)


def _ask_about_vm(host: HostFacts, vm: Have) -> None:
    host.snapshots(vm.name)
    host.checkpoints(vm.name)
    for disk in (vm.definition if vm.live is None else vm.live).findall("devices/disk"):
        if xmltree.get(disk, "driver/@type") == "qcow2" and disk.find("source") is not None:
            host.inner_snapshots(vm.name, xmltree.get(disk, "target/@dev") or "")
    if vm.live is None:
        return
    if vm.facts["state"] != "saved":
        host.controllers(vm.name)
        host.backup(vm.name)
        host.vm_job(vm.name)
        for disk in vm.live.findall("devices/disk"):
            host.block_job(vm.name, xmltree.get(disk, "target/@dev") or "")


def _asleep(world: World, pools: dict[str, Have]) -> dict[str, Have]:
    """The volumes of pools that are not active, as their folders show them."""
    names = []
    for pool in pools.values():
        folder = xmltree.get(pool.definition, "target/path") or ""
        if pool.live is None and type_of(pool) == "dir" and world.host.is_local:
            there = world.host.folder(folder) or {}
            names += [f"{pool.name}/{name}" for name in there if not is_mark(name)]
    return world.read("storage_volume", names)


# ---- files


def _paths_of_vm(host: HostFacts, vm: Have) -> Iterator[str]:
    yield from _paths_in(vm)
    yield saved_memory_of(host, vm.definition).path
    for file in state_files_of(host, vm.definition):
        yield file.path


def _tree(host: HostFacts, path: str) -> Iterator[str]:
    """A path, and all that is below it; a link is not followed."""
    yield path
    for name, kind in (host.folder(path) or {}).items():
        below = posixpath.join(path, name)
        yield from _tree(host, below) if kind == "folder" else (below,)


def _images_of_vm(host: HostFacts, vm: Have) -> Iterator[str]:
    """What its disks are on, and were on when snapshots of it were taken."""
    records = [xmltree.parse(text) for text, _is_current in host.snapshots(vm.name)]
    for tree in (vm.stored, vm.live, *records):
        for disk in tree.iter("disk") if tree is not None else ():
            yield from _absolute(disk)


def _paths_in(have: Have) -> Iterator[str]:
    """All absolute paths that a resource names."""
    for tree in (have.stored, have.live):
        if tree is not None:
            yield from _absolute(tree)


def _absolute(tree: Element) -> Iterator[str]:
    for element in tree.iter():
        for text in (element.text, *element.attrib.values()):
            if text and text.strip().startswith("/"):
                yield text.strip()


def _ask_about_files(host: HostFacts, paths: Iterable[str], images: Iterable[str]) -> None:
    """Each path, every folder above it, and of images what is beside them and what is below."""
    for path in _with_what_is_below(host, images, set()):
        _ask_about(host, path)
    for path in sorted(set(paths)):
        _ask_about(host, path)
        _ask_about_end(host, path)


def _ask_about_end(host: HostFacts, path: str) -> None:
    """Whether an image that a volume may be made from is whole: all of its tables are read."""
    found = host.file(path)
    image = host.image(path) if found is not None and found.type == "file" else None
    if isinstance(image, Image) and image.format == "qcow2":
        host.facts.ask("cut_off", path)


def _ask_about(host: HostFacts, path: str) -> None:
    host.place(path)
    found = host.file(path)
    if found is not None and found.type == "folder":
        host.folder(path)
    elif found is not None and found.type == "file":
        host.image(path)
        host.made_from(path)
    while path not in ("/", ""):
        path = posixpath.dirname(path)
        host.file(path)
        host.folder(path)


def _with_what_is_below(host: HostFacts, images: Iterable[str], seen: set[str]) -> Iterator[str]:
    """Images, what is beside them, which may stand on them, and what all of these stand on."""
    waiting, folders = sorted(images), set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        yield path
        image = host.image(path)
        named = (image.backing, image.data_file) if isinstance(image, Image) else ()
        waiting += [one for one in (backing_path(name, path) for name in named) if one[:1] == "/"]
        folder = posixpath.dirname(path)
        if folder not in folders:
            folders.add(folder)
            waiting += [posixpath.join(folder, name) for name in _files_in(host, folder)]


def _files_in(host: HostFacts, folder: str) -> list[str]:
    """The files in a folder; those of devices are no images."""
    found = host.folder(folder) or {}
    of_devices = folder.startswith(("/dev", "/proc", "/sys"))
    return [name for name, kind in found.items() if kind == "file" and not of_devices]


def pools_of_files(world: World) -> list[str]:
    """The pools at whose folders libvirt has to look before it can tell of all volumes."""
    pools = world.everything("storage_pool").values()
    return [one.name for one in pools if one.live is not None and type_of(one) in FILE_POOLS]
