# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a clone somebody of its own: its machine-id, and the host keys of its ssh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...engine.changes import Change
from ...engine.errors import FleetError
from ...engine.plan import Wanted
from ...engine.world import World
from .changes import Brought

if TYPE_CHECKING:
    from .draft import VmDraft

AUTO, VIRT_SYSPREP, CLOUD_INIT, NONE = "auto", "virt-sysprep", "cloud_init", "none"
# Where distributions, or an administrator, put it.
PROGRAMS = ("/usr/bin/virt-sysprep", "/usr/local/bin/virt-sysprep")
OPTION = "sysprep"
KEPT = (
    "has the machine-id and the host keys of ssh that its template has: install virt-sysprep on "
    "the host (package guestfs-tools), declare cloud_init, or say sysprep: none where that is meant"
)


def chosen(wanted: Wanted, world: World, options: Mapping[str, Any]) -> tuple[str, list[str]]:
    """By what a new VM gets an identity, and what to know of that. FleetError if it cannot be."""
    said = options.get(OPTION) or AUTO
    seeds = bool(options.get("cloud_init"))
    is_there = world.host.is_local and any(world.host.exists(path) for path in PROGRAMS)
    if said == VIRT_SYSPREP and not is_there:
        if not (world.host.is_local and world.assume_on_host):
            raise FleetError(_missing(world), wanted.resource, OPTION)
        return said, ["virt-sysprep is not there yet; the plan assumes that it will be"]
    if said == CLOUD_INIT and not seeds:
        raise FleetError("needs a seed; declare cloud_init", wanted.resource, OPTION)
    if said == CLOUD_INIT and options["cloud_init"].get("vendor_data"):
        raise FleetError(
            "is done by vendor_data of the seed, and cloud_init has other; leave that out, or say "
            "virt-sysprep or none",
            wanted.resource,
            OPTION,
        )
    if said != AUTO:
        return ("" if said == NONE else said), []
    if seeds and not options["cloud_init"].get("vendor_data"):
        return CLOUD_INIT, []
    if is_there and not str(options.get("profile") or "").startswith("windows"):
        return VIRT_SYSPREP, []
    return "", [KEPT]


def _missing(world: World) -> str:
    if not world.host.is_local:
        return "virt-sysprep has to run on the host, and the module runs elsewhere"
    return "there is no virt-sysprep; install the package guestfs-tools, or say cloud_init or none"


def told(draft: VmDraft, by: str, fresh: Sequence[str]) -> Iterator[Change]:
    """What a plan says of it. What was there before the run is written to by nobody."""
    if by == VIRT_SYSPREP and not fresh:
        draft.warnings.append(
            "sysprep: its disks were there already, and virt-sysprep is only for new clones"
        )
        return
    notes = {
        VIRT_SYSPREP: f"on {', '.join(fresh)}, before it is started: machine-id and ssh host keys",
        CLOUD_INIT: "at its first boot, by its own instance-id: machine-id and ssh host keys",
    }
    yield Brought(draft.wanted.resource, (OPTION,), None, by, note=notes[by])
