# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM may ask of a host's hypervisor: its machine types, CPU modes and CPU models.

libvirt itself knows the first of these at a define, and the others at the start only.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from ...engine import xmltree
from ...engine.errors import Mistakes
from ...engine.fields import items_of
from ...engine.host import HostFacts
from ...engine.xmltree import Element
from .nic_rows import NICS
from .table import HOTPLUG_DEVICE

# What a CPU mode depends on, and the option that each is; the first that changes is to blame.
_MODE = (("cpu/@mode", "cpu.mode"), ("@type", "virt_type"), ("os/type/@machine", "machine"))


def check(after: Element, before: Element | None, host: HostFacts, mistakes: Mistakes) -> None:
    """What the host does not have of what a plan changes."""
    changed = [path for path in _PATHS if _said(after, path) != _said(before, path)]
    if "os/type/@machine" in changed:
        _machine(after, host, mistakes)
    if "cpu/model" in changed:
        _model(after, host, mistakes)
    _nics(after, before, host, mistakes)
    if xmltree.find(after, HOTPLUG_DEVICE) is not None and host.libvirt_version < SINCE_VIRTIO_MEM:
        mistakes.add("comes with libvirt 7.9, and this host's is older", "memory.hotplug")
    for path, word, field, since in SINCE:
        is_new = _said(after, path) == word != _said(before, path)
        if is_new and host.driver == "QEMU" and host.libvirt_version < since:
            release = f"{since // 1_000_000}.{since // 1_000 % 1_000}"
            mistakes.add(f"{word} comes with libvirt {release}, and this host's is older", field)
    field = next((field for path, field in _MODE if path in changed), "")
    if field and not mistakes.errors:
        _mode(after, field, host, mistakes)


SINCE_IGB, SINCE_VIRTIO_MEM = 8_000_000, 7_009_000
# What libvirt's parser does not know before a version, by the option that says it.
SINCE = (
    ("devices/panic/@model", "pvpanic", "panic", 9_001_000),
    ("devices/sound/@model", "virtio", "sound", 10_004_000),
)
_PATHS = ("os/type/@machine", "@type", "cpu/@mode", "cpu/model")


def _said(domain: Element | None, path: str) -> str | None:
    return None if domain is None else xmltree.get(domain, path)


def _machine(after: Element, host: HostFacts, mistakes: Mistakes) -> None:
    wanted, arch = xmltree.get(after, "os/type/@machine") or "", _arch(after)
    has = host.machines_of(arch)
    if not has or wanted in has:
        return
    family = wanted.rpartition("-")[0]
    kin = [name for name in has if family and name.startswith(f"{family}-")] or has
    has_all = ", ".join(sorted(kin, key=_by_version))
    mistakes.add(f"this host has no {wanted}; it has {has_all}", "machine")


def _by_version(name: str) -> tuple[str, list[int]]:
    return re.sub(r"\d", "", name), [int(number) for number in re.findall(r"\d+", name)]


def _model(after: Element, host: HostFacts, mistakes: Mistakes) -> None:
    wanted, arch = xmltree.get(after, "cpu/model"), _arch(after)
    known = host.cpu_models(arch)
    if wanted and known and wanted not in known:
        near = get_close_matches(wanted, known, 3, 0.4)
        hint = f"near to it are {', '.join(near)}; " if near else ""
        mistakes.add(
            f"libvirt knows no {wanted} for {arch}; {hint}`virsh cpu-models {arch}` lists all",
            "cpu.model",
        )


def _nics(after: Element, before: Element | None, host: HostFacts, mistakes: Mistakes) -> None:
    """libvirt (9.0) does not ask QEMU whether it has this model of NIC, and fails to start."""
    if host.driver != "QEMU" or host.version >= SINCE_IGB:
        return
    known = set() if before is None else _igbs(before)
    for name in _igbs(after) - known:
        mistakes.add("igb comes with QEMU 8.0, and this host's is older", f"nics.{name}.model")


def _igbs(domain: Element) -> set[str]:
    nics = items_of(NICS, domain).items()
    return {name for name, nic in nics if xmltree.get(nic, "model/@type") == "igb"}


def _mode(after: Element, field: str, host: HostFacts, mistakes: Mistakes) -> None:
    mode, virt_type = xmltree.get(after, "cpu/@mode"), after.get("type", "")
    machine = xmltree.get(after, "os/type/@machine") or ""
    if mode is None:
        return
    modes = host.cpu_modes(_arch(after), machine, virt_type)
    if modes.get(mode) == "no":
        can = ", ".join(name for name, can in modes.items() if can == "yes")
        mistakes.add(
            f"the CPU mode {mode} is not possible with virt_type {virt_type}; possible are {can}",
            field,
        )


def _arch(domain: Element) -> str:
    return xmltree.get(domain, "os/type/@arch") or "x86_64"
