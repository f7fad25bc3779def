# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that hold a VM's state beside its disks: NVRAM, the TPM's state, saved memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.host import HostFacts
from ...engine.plan import Plan
from ...engine.world import World
from ...engine.xmltree import Element

# Where libvirt's QEMU driver keeps them (virQEMUDriverConfigNew). No setting moves them.
OF_SYSTEM = {
    "nvram": "/var/lib/libvirt/qemu/nvram",
    "tpm_state": "/var/lib/libvirt/swtpm",
    "saved_memory": "/var/lib/libvirt/qemu/save",
}
OF_SESSION = {"nvram": "qemu/nvram", "tpm_state": "qemu/swtpm", "saved_memory": "qemu/save"}
NAMES = {"nvram": "NVRAM", "tpm_state": "TPM state", "saved_memory": "saved memory"}


@dataclass(frozen=True)
class StateFile:
    """One file, or folder, with state of a VM."""

    field: str
    path: str
    removable: bool = True  # by libvirt; it would unlink the node of a device


def state_folders(host: HostFacts) -> list[str]:
    """The folders with the states of all VMs."""
    return [_folder(host, field) for field in OF_SYSTEM]


def nvram_of(host: HostFacts, domain: Element) -> StateFile | None:
    """The variables of a VM's UEFI firmware."""
    loader, nvram = domain.find("os/loader"), domain.find("os/nvram")
    if loader is not None and loader.get("stateless") == "yes":
        return None
    if nvram is not None and (nvram.text or "").strip():
        return StateFile("nvram", (nvram.text or "").strip())
    source = None if nvram is None else nvram.find("source")
    if nvram is not None and source is not None:
        path = source.get("file") or source.get("dev") or source.get("name") or ""
        return StateFile("nvram", path, removable=nvram.get("type", "file") == "file")
    if xmltree.get(domain, "os/@firmware") != "efi":
        return None
    # libvirt 9.0 picks it at each start, and shows it in what runs only.
    name = xmltree.get(domain, "name")
    return StateFile("nvram", f"{_folder(host, 'nvram')}/{name}_VARS.fd")


def tpm_state_of(host: HostFacts, domain: Element) -> StateFile | None:
    """The state of an emulated TPM; of one of the host, the VM has nothing."""
    backend = domain.find("devices/tpm/backend[@type='emulator']")
    if backend is None:
        return None
    source = backend.find("source")  # since libvirt 10.10
    if source is not None and source.get("path"):
        return StateFile("tpm_state", source.get("path", ""))
    uuid = xmltree.get(domain, "uuid")
    return StateFile("tpm_state", f"{_folder(host, 'tpm_state')}/{uuid}")


def saved_memory_of(host: HostFacts, domain: Element) -> StateFile:
    """The memory of a VM that is saved."""
    name = xmltree.get(domain, "name")
    return StateFile("saved_memory", f"{_folder(host, 'saved_memory')}/{name}.save")


def state_files_of(host: HostFacts, domain: Element) -> list[StateFile]:
    """What is kept of a VM when it goes, unless it goes with its storage."""
    if host.driver != "QEMU":
        return []
    found = (nvram_of(host, domain), tpm_state_of(host, domain))
    return [file for file in found if file is not None]


def found_again(host: HostFacts, before: Element | None, after: Element) -> list[str]:
    """What to say of state that is there already where a definition comes to have its file."""
    return [
        f"takes up the {NAMES[file.field]} of an earlier VM at {file.path}, last written "
        f"{_changed_on(host, file.path)}; remove it first where it is to begin anew"
        for file in _new_files(host, before, after)
        if host.exists(file.path)
    ]


def one_vm_each(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """No VM comes to have the file of another, as a definition that was copied by hand has it."""
    for plan in plans:
        if plan.wanted.kind != "vm" or plan.after.stored is None:
            continue
        for file in _new_files(world.host, plan.have.stored, plan.after.stored):
            others = others_with(plan.wanted.name, file, world)
            if others:
                yield FleetError(
                    f"would have its {NAMES[file.field]} at {file.path}, which is that of "
                    f"{', '.join(others)}; give that one a file of its own first (virsh edit)",
                    plan.resource,
                )


def _new_files(host: HostFacts, before: Element | None, after: Element) -> list[StateFile]:
    if after is before:
        return []
    had = {file.path for file in state_files_of(host, before)} if before is not None else set()
    return [file for file in state_files_of(host, after) if file.path not in had]


def others_with(name: str, file: StateFile, world: World) -> list[str]:
    """The other VMs with the same file."""
    return sorted(
        other
        for other, have in world.everything("vm").items()
        if other != name
        and have.stored is not None
        and any(has.path == file.path for has in state_files_of(world.host, have.stored))
    )


def _changed_on(host: HostFacts, path: str) -> str:
    """The day on which a file that is there was last written."""
    found = host.file(path)
    if found is None or not found.type:
        return "an unknown day"
    return datetime.fromtimestamp(found.written).strftime("%Y-%m-%d %H:%M")


def _folder(host: HostFacts, field: str) -> str:
    if not host.state_folder:
        return OF_SYSTEM[field]
    return f"{host.state_folder}/{OF_SESSION[field]}"
