# SPDX-License-Identifier: GPL-3.0-or-later
"""What else a guest sees can be had at the target: firmware, devices, files of the host."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.xmltree import Element
from ...kinds.vm.opened import CHARACTER_DEVICES, FILES
from ..case import Case, listed
from ..findings import Finding

# Where libvirt's domain capabilities list models, and where a definition says which.
MODELS = {
    "video/modelType": ("devices/video/model", "type", "video"),
    "graphics/type": ("devices/graphics", "type", "graphics.type"),
    "disk/bus": ("devices/disk/target", "bus", "disks"),
    "tpm/model": ("devices/tpm", "model", "tpm.model"),
    "rng/model": ("devices/rng", "model", "rng"),
    "rng/backendModel": ("devices/rng/backend", "model", "rng"),
    "redirdev/bus": ("devices/redirdev", "bus", "devices/redirdev"),
    "channel/type": ("devices/channel", "type", "channels"),
}
# Capabilities leave these out of their lists, though every QEMU has them.
ALWAYS = ("none", "dbus", "pty", "unix", "spicevmc", "ide", "xen")


QEMU_ARGUMENTS = "qemu:commandline"


def devices(case: Case) -> Iterator[Finding]:
    """QEMU at the target has each model of device that the VM has."""
    known = case.target.moves.device_models(*case.kind)
    if known is None:
        message = "which devices QEMU has there is not known"
        yield case.warned("devices", message, "see that the machine type is known there")
        return
    if xmltree.find(case.sent, QEMU_ARGUMENTS) is not None:
        message = "it has arguments of its own for QEMU, which libvirt does not look into"
        todo = "see that QEMU of the target takes them"
        yield case.warned("devices", message, todo, QEMU_ARGUMENTS)
    lacks = list(_lacking(case, known))
    yield from lacks
    if not lacks:
        yield case.passed("devices", "QEMU of the target has all models of its devices")


def _lacking(case: Case, known: dict[str, list[str]]) -> Iterator[Finding]:
    for kind, (path, attribute, about) in MODELS.items():
        section = kind.partition("/")[0]
        there = known.get(kind, known.get(section))
        has = [one.get(attribute) or "" for one in case.sent.findall(path)]
        for model in dict.fromkeys(filter(None, has)):
            if there is not None and model not in there and model not in ALWAYS:
                yield case.failed(
                    "devices",
                    f"QEMU of the target has no {section} {model}",
                    "declare a model that both have and restart the VM, or upgrade the target",
                    about,
                    source=model,
                    target=listed(there),
                )


# ---- firmware


def firmware(case: Case) -> Iterator[Finding]:
    """The firmware's code is at the target under the same path."""
    loader = xmltree.get(case.sent, "os/loader")
    known = [side.moves.device_models(*case.kind) for side in (case.source, case.target)]
    here, there = ((models or {}).get("loader", []) for models in known)
    sides = {"source": loader or "", "target": listed(there)}
    if not loader:
        yield from _by_libvirt(case, known[1])
    elif loader in there:
        yield case.passed("firmware", "the firmware is there", "firmware", source=loader)
    elif case.target.is_here and case.target.host.exists(loader) is not None:
        if case.target.host.exists(loader):
            yield case.passed("firmware", "the firmware is there", "firmware", source=loader)
        else:
            yield _no_firmware(case, loader, sides)
    elif known[1] is not None and loader in here:
        yield _no_firmware(case, loader, sides)
    else:
        message = f"whether the target has {loader} is not known"
        yield case.warned("firmware", message, "see that it has", "firmware", **sides)


def _no_firmware(case: Case, loader: str, sides: dict[str, str]) -> Finding:
    todo = "install the same firmware there (package ovmf)"
    message = f"the target has no {loader}"
    return case.failed("firmware", message, todo, "firmware", **sides)


def _by_libvirt(case: Case, known: dict[str, list[str]] | None) -> Iterator[Finding]:
    """Firmware that libvirt is to choose at the next start."""
    if xmltree.get(case.sent, "os/@firmware") != "efi" or known is None:
        return
    if "efi" in known.get("firmware", []):
        yield case.passed("firmware", "the target has UEFI firmware", "firmware")
    else:
        todo = "install it there (package ovmf)"
        yield case.failed("firmware", "the target has no UEFI firmware", todo, "firmware")


# ---- how it is confined


def security(case: Case) -> Iterator[Finding]:
    """The target confines VMs by each model that the VM has a label of."""
    labels = list(case.sent.iter("seclabel"))  # of devices too
    models = sorted({one.get("model") or "" for one in labels if one.get("type") != "none"} - {""})
    there = case.target.moves.identity
    if not models:
        return
    sides = {"source": listed(models), "target": listed(there.security) if there else "not known"}
    if there is None:
        message = "how the target confines VMs is not known"
        yield case.warned("security", message, "see that it has the same", "seclabel", **sides)
    elif lacks := sorted(set(models) - set(there.security)):
        yield case.failed(
            "security",
            f"the target does not confine VMs by {listed(lacks)}",
            "have the same security_driver in qemu.conf of both hosts",
            "seclabel",
            **sides,
        )
    else:
        yield case.passed("security", "the target confines VMs alike", "seclabel", **sides)


# ---- files of the host

# What is looked at by checks of their own.
_OTHERS = ("os/loader", "devices/memory/source/path")


def files(case: Case) -> Iterator[Finding]:
    """What else QEMU opens of its host is at the target too."""
    found = [
        (path, about)
        for place, about in FILES
        if place not in _OTHERS and "tpm" not in place
        for path in _texts(case.sent, place)
        if path not in ("/dev/urandom", "/dev/random")
    ]
    found += _of_character_devices(case.sent)
    for path, about in dict.fromkeys(found):
        yield _file(case, path, about)


def _file(case: Case, path: str, about: str) -> Finding:
    is_there = case.target.host.exists(path) if case.target.is_here else None
    if is_there is None:
        message = f"whether the target has {path} is not known from here"
        return case.warned("files", message, "see that it has the same", about, source=path)
    if not is_there:
        todo = "bring it there, or take it out of the VM"
        return case.failed("files", f"the target has no {path}", todo, about, source=path)
    return case.passed("files", f"{path} is there", about, source=path, target=path)


def _texts(domain: Element, path: str) -> Iterator[str]:
    place, _at, attribute = path.rpartition("/@")
    for element in domain.findall(place or path):
        found = element.get(attribute) if place else (element.text or "").strip()
        if found and found.startswith("/"):
            yield found


def _of_character_devices(domain: Element) -> Iterator[tuple[str, str]]:
    """Devices of the host behind serial and parallel ports; files are made anew."""
    for tag in CHARACTER_DEVICES:
        for device in domain.findall(f"devices/{tag}[@type='dev']"):
            path = xmltree.get(device, "source/@path") or ""
            if path:
                yield path, f"devices/{tag}"
