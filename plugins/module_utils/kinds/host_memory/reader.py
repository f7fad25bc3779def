# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what there is of a machine's memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...engine.errors import FleetError
from ...host import machine_memory
from ...host.capacity import SYSTEM, capacity, policy_to_go_by, pools
from ...host.kernel_memory import KSM, HugePages, folder_of
from ...host.noted import records
from . import kept
from .declared import NAME
from .found import Found, Promised

ROOT = machine_memory.ROOT
UPDATE_GRUB = "usr/sbin/update-grub"
GRUB_CONFIGURATION = "boot/grub/grub.cfg"
# Where others may set the same at boot.
TMPFILES = ("etc/tmpfiles.d", "run/tmpfiles.d", "usr/lib/tmpfiles.d")
SYSCTL = ("etc/sysctl.d", "run/sysctl.d", "usr/lib/sysctl.d")


def read(root: Path = ROOT) -> Found:
    """All that a plan needs to know; FleetError where a file cannot be read."""
    pages = machine_memory.huge_pages(root)
    nodes = sorted({each.node for each in pages if each.node is not None})
    try:
        return Found(
            numbers=_numbers(root, pages),
            pages={(each.size, each.node): each for each in pages},
            memory={node: machine_memory.meminfo(root, node) for node in (None, *nodes)},
            ksm_is_advised=machine_memory.ksm_is_advised(root),
            tmpfiles=_text(root / kept.TMPFILES),
            snippet=_text(root / kept.GRUB_SNIPPET),
            command_line=_text(root / "proc/cmdline"),
            has_grub=(root / UPDATE_GRUB).is_file() and (root / GRUB_CONFIGURATION).is_file(),
            has_systemd=(root / "run/systemd/system").is_dir(),
            grub_of_others=_grub_of_others(root),
            settings_of_others=_settings_of_others(root),
            ksm_tuner=_ksm_tuner(root),
            promised=_promised(root),
        )
    except (OSError, UnicodeDecodeError) as error:
        raise FleetError(f"cannot be read: {error}", NAME) from error


def _numbers(root: Path, pages: Iterable[HugePages]) -> dict[str, int]:
    ksm = {f"{KSM}/{name}": n for name, n in machine_memory.ksm(root).items()}
    of_pages = {f"{folder_of(each.size, each.node)}/nr_hugepages": each.lasting for each in pages}
    return {**ksm, **of_pages}


def _grub_of_others(root: Path) -> dict[str, str]:
    ours = root / kept.GRUB_SNIPPET
    files = [root / "etc/default/grub", *sorted(ours.parent.glob("*.cfg"))]
    return {_outside(root, file): _text(file) for file in files if file != ours}


def _settings_of_others(root: Path) -> dict[str, str]:
    """The settings of systemd-tmpfiles and sysctl; a file covers those of its name further on."""
    found: dict[str, Path] = {"": root / "etc/sysctl.conf"}
    for folders in (TMPFILES, SYSCTL):
        for file in (each for folder in folders for each in sorted((root / folder).glob("*.conf"))):
            found.setdefault(f"{folders[0]}/{file.name}", file)
    ours = root / kept.TMPFILES
    return {_outside(root, file): _text(file) for file in found.values() if file != ours}


def _ksm_tuner(root: Path) -> str:
    wanted_by = root / "etc/systemd/system/multi-user.target.wants"
    for name in ("ksmtuned.service", "ksm.service"):
        if os.path.lexists(wanted_by / name):  # the link may lead nowhere below another root
            return name
    return ""


def _promised(root: Path) -> Promised:
    """As the hook knows it; without it nothing is noted."""
    below = "" if root == ROOT else str(root)
    paths = {name: at for name, at in SYSTEM._asdict().items() if isinstance(at, str)}
    moved: dict[str, Any] = {name: below + path for name, path in paths.items()}
    places = SYSTEM._replace(**moved)
    rules, _broken = policy_to_go_by(places)  # of which plans of VMs tell
    vms = [one.vm for one in records(places)]
    return Promised(capacity(places), rules, pools(places), vms)


def _outside(root: Path, file: Path) -> str:
    return f"/{file.relative_to(root)}"


def _text(path: Path) -> str:
    """A text; empty where there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
