# SPDX-License-Identifier: GPL-3.0-or-later
"""The graphics card that graphics bring, and that none is none where there are no graphics."""

from __future__ import annotations

from ...engine.codecs import Value
from ...engine.host import HostFacts
from ...engine.keys import Key, Values
from .screen_rows import VIDEOS

VIDEO, GRAPHICS = ("video",), ("graphics", "type")


def resolve(values: dict[Key, Value], stored: Values, arch: str, host: HostFacts) -> None:
    """Say the card that libvirt would add with graphics; leave a VM alone that has neither."""
    if stored.get(VIDEO) is not None or _has_others(stored) or host.driver != "QEMU":
        return
    has_graphics = values.get(GRAPHICS, stored.get(GRAPHICS) or "none") != "none"
    if not has_graphics and stored and values.get(VIDEO) == "none":
        del values[VIDEO]  # as it is
    elif has_graphics and GRAPHICS in values and VIDEO not in values:
        said = {key: values.get((key,)) or stored.get((key,)) for key in ("machine", "virt_type")}
        machine, virt_type = str(said["machine"] or ""), str(said["virt_type"] or "")
        values[VIDEO] = usual(arch, machine, host.video_models(arch, machine, virt_type))


def _has_others(stored: Values) -> bool:
    """Whether there are cards beside the first, which is not there."""
    return any(key[0] == VIDEOS.name for key in stored)


def usual(arch: str, machine: str, models: list[str]) -> str:
    """What libvirt adds (qemuDomainDefaultVideoDevice): the first that QEMU has."""
    if arch.startswith("ppc64"):
        return "vga"
    if arch.startswith("s390") or machine.startswith("virt"):
        return "virtio"
    return next((model for model in ("cirrus", "vga") if model in models), "cirrus")
