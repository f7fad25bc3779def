# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan may ask of a host beside its resources: each question is a fact, and has a type."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, NamedTuple

from .facts import Facts
from .nodes import Cell, HugePages

if TYPE_CHECKING:
    from .looked_at import File, Image, Interface, Unreadable
    from .promises_policy import Capacity, Policy

TEST, QEMU = "TEST", "QEMU"
# What an iSCSI server answers to a login.
LETS_IN, FORBIDS, HAS_NONE = "lets in", "forbids", "has none"

# All questions, and of how many things each is asked.
QUESTIONS = {
    **dict.fromkeys(("arch", "best_virt_type", "can_keep_tpm", "cells", "driver", "interfaces"), 0),
    **dict.fromkeys(("libvirt_version", "machines", "network_daemons", "open_files", "routes"), 0),
    **dict.fromkeys(("huge_pages", "secrets", "state_folder", "uri", "version", "vlan_hook"), 0),
    **dict.fromkeys(("capacity", "faults", "held", "open_vswitch", "promises"), 0),
    **dict.fromkeys(("clock", "identity", "kernel", "lock_manager", "mounts"), 0),
    **dict.fromkeys(("addresses", "linux_bridges", "links", "node_devices", "nwfilters"), 0),
    **dict.fromkeys(("network_keeper", "network_manager", "switch_files", "way_in"), 0),
    **dict.fromkeys(("backup", "bridge", "checkpoints", "controllers", "cpu_models"), 1),
    **dict.fromkeys(("far_interface", "file", "folder", "image", "leases", "machines_of"), 1),
    **dict.fromkeys(("free_in", "migratable", "noted_daemons", "parsed", "place", "real_path"), 1),
    **dict.fromkeys(("cut_off", "direct_block", "made_from", "network_filter", "post_copy"), 1),
    **dict.fromkeys(("refusal", "snapshots", "vm_job", "volume_at", "written"), 1),
    **dict.fromkeys(("block_job", "checksum", "disk_size", "inside", "owner", "parser_refusal"), 2),
    **dict.fromkeys(("greeting", "inner_snapshots", "iscsi_targets", "kept_image", "reaches"), 2),
    **dict.fromkeys(("cpu_modes", "device_models", "guest_cpus", "video_models"), 3),
    **dict.fromkeys(("cpu_comparison", "iscsi_login", "listed_checksum"), 4),
}


class Daemon(NamedTuple):
    """A process that serves a network of libvirt."""

    program: str
    process: int
    network: str


class Secret(NamedTuple):
    """A secret that libvirt has; never what it is."""

    uuid: str
    usage_type: str  # ceph, iscsi, volume, tls, vtpm or none
    usage: str


class HostFacts:
    """One host, as far as it was asked about."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    # ---- libvirt

    @property
    def uri(self) -> str:
        """By which libvirt calls itself, not an alias of it."""
        return str(self.facts.ask("uri", unknown="qemu:///system"))

    @property
    def driver(self) -> str:
        """libvirt's driver: `QEMU`, or `TEST` for the one without a hypervisor."""
        return str(self.facts.ask("driver", unknown=QEMU))

    @property
    def is_local(self) -> bool:
        """Whether the host has files and devices, as the test driver has not, and they are here."""
        scheme, _colon, rest = self.uri.partition("://")
        server = rest.split("/", 1)[0]
        is_near = not server and scheme.partition("+")[2] in ("", "unix")
        return is_near and self.driver != TEST

    @property
    def is_this_machine(self) -> bool:
        """Whether the host's interfaces are those that can be seen here. Behind a socket of its own
        libvirt may be in another network namespace."""
        return self.is_local and "socket=" not in self.uri

    @property
    def version(self) -> int:
        """The version of the hypervisor: 7002000 is 7.2.0."""
        return int(self.facts.ask("version", unknown=0))

    @property
    def libvirt_version(self) -> int:
        """The version of libvirt there: 9001000 is 9.1.0."""
        return int(self.facts.ask("libvirt_version", unknown=0))

    @property
    def can_keep_tpm(self) -> bool:
        """Whether libvirt, there and its binding here, can be told to keep a TPM's state."""
        return bool(self.facts.ask("can_keep_tpm"))

    @property
    def state_folder(self) -> str:
        """Where a session's libvirt keeps its files; empty of the system's."""
        return str(self.facts.ask("state_folder", unknown=""))

    # ---- what it can run

    @property
    def arch(self) -> str:
        """The architecture of the machine."""
        return str(self.facts.ask("arch", unknown="x86_64"))

    @property
    def best_virt_type(self) -> str:
        """`kvm` only where guests really run under it; `test` on the driver without guests."""
        return str(self.facts.ask("best_virt_type", unknown="kvm"))

    @property
    def machines(self) -> dict[str, str | None]:
        """The machine types by name; a family such as `q35` with its newest version."""
        return dict(self.facts.ask("machines", unknown={}))

    @property
    def cells(self) -> list[Cell]:
        """The NUMA nodes with the CPUs and the memory of each; none where that is not known."""
        return list(self.facts.ask("cells", unknown=()))

    @property
    def cpus(self) -> list[int]:
        """The numbers of its CPUs; none where they are not known."""
        return sorted(cpu for cell in self.cells for core in cell.cores for cpu in core)

    def machines_of(self, arch: str) -> list[str]:
        """The names of all machine types for an architecture, in libvirt's order."""
        return list(self.facts.ask("machines_of", arch, unknown=()))

    def cpu_models(self, arch: str) -> list[str]:
        """The CPU models that libvirt knows for an architecture; none where it cannot be asked."""
        return list(self.facts.ask("cpu_models", arch, unknown=()))

    def cpu_modes(self, arch: str, machine: str, virt_type: str) -> dict[str, str]:
        """Whether each CPU mode is possible, `yes` or `no`; empty where nobody can tell."""
        return dict(self.facts.ask("cpu_modes", arch, machine, virt_type, unknown={}))

    def video_models(self, arch: str, machine: str, virt_type: str) -> list[str]:
        """The graphics cards that the hypervisor has; none where nobody can tell."""
        return list(self.facts.ask("video_models", arch, machine, virt_type, unknown=()))

    # ---- libvirt's judgement, and what its definitions do not tell

    def refusal(self, definition: str) -> str | None:
        """What libvirt has against a domain, None for nothing; it changes nothing."""
        said = self.facts.ask("refusal", definition)
        return None if said is None else str(said)

    def parsed(self, definition: str) -> dict[str, str] | None:
        """A domain as libvirt's parser writes it (`xml`), or why its schema refuses it (`schema`).

        None where that cannot be had.
        """
        answer: dict[str, str] | None = self.facts.ask("parsed", definition)
        return answer

    def parser_refusal(self, kind: str, definition: str) -> str:
        """What libvirt's parser has against a network (vswitch) or storage pool."""
        return str(self.facts.ask("parser_refusal", kind, definition, unknown=""))

    def owner_of(self, kind: str, uuid: str) -> str | None:
        """The name of the resource of a kind that has a UUID."""
        owner: str | None = self.facts.ask("owner", kind, uuid)
        return owner

    @property
    def secrets(self) -> list[Secret] | None:
        """The secrets that libvirt has; None where nobody can tell."""
        found: list[Secret] | None = self.facts.ask("secrets")
        return found

    def snapshots(self, vm: str) -> list[tuple[str, bool]]:
        """libvirt's records of a VM's snapshots as XML, each with whether it is the current one."""
        return [
            (str(text), bool(current))
            for text, current in self.facts.ask("snapshots", vm, unknown=())
        ]

    def inner_snapshots(self, vm: str, target: str) -> list[tuple[str, str]] | None:
        """QEMU's number and name of each snapshot inside of the image that a disk has, whoever
        took it; None where nobody can tell."""
        found = self.facts.ask("inner_snapshots", vm, target)
        return None if found is None else [(str(number), str(name)) for number, name in found]

    def checkpoints(self, vm: str) -> list[str]:
        """The names of a VM's checkpoints."""
        return list(self.facts.ask("checkpoints", vm, unknown=()))

    def block_job(self, vm: str, target: str) -> str:
        """The job that works on a disk of a running VM, as virsh calls it; empty without one."""
        return str(self.facts.ask("block_job", vm, target, unknown=""))

    def vm_job(self, vm: str) -> str:
        """What libvirt does with a whole VM that runs at this moment; empty for nothing."""
        return str(self.facts.ask("vm_job", vm, unknown=""))

    def controllers(self, vm: str) -> list[str]:
        """Of `cpu` and `memory` the control groups by which libvirt can tune a VM that runs."""
        return list(self.facts.ask("controllers", vm, unknown=()))

    def backup(self, vm: str) -> str:
        """The backup that is made of a running VM, as XML; empty without one."""
        return str(self.facts.ask("backup", vm, unknown=""))

    def leases(self, vswitch: str) -> list[dict[str, Any]]:
        """The addresses that DHCP gave on an active vswitch, as far as libvirt knows them."""
        return list(self.facts.ask("leases", vswitch, unknown=()))

    def volume_at(self, path: str) -> str:
        """`POOL/NAME` of the volume at a path; empty where libvirt knows of none.

        It may not yet know what others put into a pool's folder: then that is looked at anew.
        """
        return str(self.facts.ask("volume_at", path, unknown=""))

    # ---- the machine

    @property
    def huge_pages(self) -> HugePages | None:
        """The host's huge pages, and the memory of which there could be more; None if unknown."""
        found: HugePages | None = self.facts.ask("huge_pages")
        return found

    @property
    def capacity(self) -> Capacity | None:
        """What the host has to promise; None where nobody can tell."""
        found: Capacity | None = self.facts.ask("capacity")
        return found

    @property
    def promises(self) -> dict[str, Any] | None:
        """The `policy` of this machine for promises, and what enforces them; None of another.

        `error` is what is wrong with its policy file, `hook` says whether libvirt's hook is
        `installed` (its version) and `called`, `faults` what went wrong with it since.
        """
        found: dict[str, Any] | None = self.facts.ask("promises")
        return found

    @property
    def faults(self) -> list[str]:
        """What went wrong with libvirt's hook on this machine, and nobody was told yet."""
        return list(self.facts.ask("faults", unknown=()))

    def held(self, vm: str) -> dict[str, Any] | None:
        """What the kernel has for a VM that runs; None where that cannot be seen from here.

        Its `scope`, `memory_min`, `cpu_weight`, `cpus`, `memory_min` of its `ancestors`, what is
        `noted` there as its promise, and what it `lacks` of that, in words.
        """
        found: dict[str, Any] | None = self.facts.ask("held")
        return None if found is None else found.get(vm, {})

    @property
    def policy(self) -> Policy:
        """What the host's administrator said about promises; the default where that is unknown."""
        from .promises_policy import Policy

        told = self.promises
        return Policy(**told["policy"]) if told else Policy()

    def place(self, path: str) -> str:
        """What is the same for all paths of this machine to one file or device."""
        return str(self.facts.ask("place", path, unknown=posixpath.normpath(path)))

    def real_path(self, path: str) -> str:
        """A path of this machine without links."""
        return str(self.facts.ask("real_path", path, unknown=path))

    def file(self, path: str) -> File | None:
        """What is at a path; None where nothing is."""
        from .looked_at import File

        found: File | None = self.facts.ask("file", path, unknown=File(""))
        return found

    def content_of(self, path: str) -> str:
        """By what it is seen that a file of this machine was written to since."""
        return str(self.facts.ask("written", path, unknown=""))

    def exists(self, path: str) -> bool | None:
        """Whether something is at a path of the host; None where that cannot be seen from here."""
        if not self.is_local:
            return None
        found = self.file(path)
        return None if found is not None and not found.type else found is not None

    def image(self, path: str) -> Image | Unreadable:
        """What a file of the machine on which this runs says about itself."""
        from .looked_at import Unreadable

        found: Image | Unreadable = self.facts.ask(
            "image", path, unknown=Unreadable("the recording does not know it")
        )
        return found

    def checksum(self, path: str, algorithm: str) -> str | None:
        """The checksum of a file in lower case; None where it cannot be read."""
        found: str | None = self.facts.ask("checksum", path, algorithm)
        return found

    def listed_checksum(self, url: str, name: str, algorithm: str, how: str) -> dict[str, str]:
        """What a list of checksums on a server has for a file: its `digits`, or the `error`."""
        return dict(self.facts.ask("listed_checksum", url, name, algorithm, how, unknown={}))

    def made_from(self, path: str) -> str:
        """The checksums of the image that a volume was made from, as noted on its file."""
        return str(self.facts.ask("made_from", path, unknown=""))

    def folder(self, path: str) -> dict[str, str] | None:
        """What is in a folder, each name with its type (a link is one); None if unreadable."""
        found: dict[str, str] | None = self.facts.ask("folder", path)
        return found

    @property
    def open_files(self) -> dict[str, list[str]]:
        """What programs beside libvirt write to or hand out: by place, each as errors call it."""
        return dict(self.facts.ask("open_files", unknown={}))

    @property
    def interfaces(self) -> dict[str, Interface]:
        """The network interfaces; none of another machine."""
        return dict(self.facts.ask("interfaces", unknown={})) if self.is_this_machine else {}

    def has_interface(self, name: str) -> bool:
        """Whether a local host has a network interface of this name."""
        return name in self.interfaces

    def has_bridge(self, name: str) -> bool | None:
        """Whether the host has such a bridge; None where that cannot be told."""
        if self.is_this_machine:
            found = self.interfaces.get(name)
            return found is not None and (found.is_bridge or found.is_openvswitch)
        there: bool | None = self.facts.ask("far_interface", name)
        return there

    def is_on_bridge(self, tap: str, bridge: str) -> bool:
        """Whether a tap of this machine is on a bridge; of another machine, nobody can tell."""
        found = self.interfaces.get(tap)
        return not self.is_this_machine or (found is not None and found.master == bridge)

    @property
    def loose_taps(self) -> set[str]:
        """The taps of this machine that are on no bridge or switch; of another, none are known."""
        found = self.interfaces.items()
        return {name for name, one in found if one.is_tap and not one.master}

    @property
    def open_vswitch(self) -> dict[str, Any]:
        """Open vSwitch as host/open_vswitch.py has it, or why nobody knows (`error`)."""
        unknown = {"error": "the ports of another machine are not seen from here", "ports": {}}
        here = self.is_this_machine
        return dict(self.facts.ask("open_vswitch", unknown=unknown)) if here else unknown

    @property
    def linux_bridges(self) -> dict[str, Any]:
        """Bridges of Linux as host/linux_bridges.py has them, or why nobody knows (`error`)."""
        unknown = {"error": "bridges of another machine are not seen from here"}
        here = self.is_this_machine
        return dict(self.facts.ask("linux_bridges", unknown=unknown)) if here else unknown

    @property
    def links(self) -> dict[str, dict[str, Any]]:
        """The interfaces of this machine, as host/links.py has them."""
        return dict(self.facts.ask("links", unknown={})) if self.is_this_machine else {}

    @property
    def way_in(self) -> dict[str, Any]:
        """How Ansible came to this machine, as host/way_in.py has it."""
        unknown = {"address": "", "systemd": True, "unconfirmed": ""}
        return dict(self.facts.ask("way_in", unknown=unknown)) if self.is_this_machine else unknown

    @property
    def routes(self) -> list[tuple[str, str]]:
        """The networks that a local host is in itself, with the interface of each."""
        if not self.is_this_machine:
            return []
        routes = self.facts.ask("routes", unknown=())
        return [(str(name), str(network)) for name, network in routes]

    @property
    def network_daemons(self) -> list[Daemon]:
        """The processes that serve networks of libvirt to this machine."""
        return list(self.facts.ask("network_daemons", unknown=())) if self.is_this_machine else []

    def noted_daemons(self, network: str) -> list[Daemon]:
        """Those of one network that have noted their process themselves; quicker to find."""
        if not self.is_this_machine:
            return []
        return list(self.facts.ask("noted_daemons", network, unknown=()))
