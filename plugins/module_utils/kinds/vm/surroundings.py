# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM needs around it where a plan starts it or plugs something in, and does not find.

A VM keeps what it was defined with, whatever has become of that since: an image that was removed, a
network that was stopped. It is looked for only where the run comes to need it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from ...engine import xmltree
from ...engine.changes import Came, Change
from ...engine.errors import Mistakes
from ...engine.fields import items_of
from ...engine.keys import UNION, named
from ...engine.plan import DELETE, Plan
from ...engine.world import World
from ...engine.xmltree import Element
from ..images.chains import Chains
from ..storage_volume.volumes import capacity_of, disk_source, format_of
from ..together import secrets
from . import judge, opened, past_cache
from .nic_rows import NICS
from .opened import Opened
from .states import SAVED
from .table import device_of

LISTS = ("disks", "cdroms", "nics")
START, PLUG = "the VM cannot start", "it cannot be plugged in"


def surrounded(plan: Plan, world: World) -> Plan:
    """The plan, with a warning of what is yet to come. FleetErrors where the run would fail."""
    if world.host.driver != "QEMU" or not plan.changed:
        return plan
    starts = _started(plan)
    coming = {named(device_of(change.field)) for change in plan.changes if _comes(change)}
    domain = plan.after.stored if starts is None else starts
    if domain is None or not (coming or starts is not None):
        return plan
    seen = _Surroundings(plan, world)
    seen.check(domain, None if starts is not None else coming)
    seen.mistakes.raise_any()
    return replace(plan, warnings=(*plan.warnings, *seen.warnings))


def _started(plan: Plan) -> Element | None:
    """What a plan starts: what is stored, or what a VM was saved as."""
    if plan.action != DELETE and judge.starts(plan):
        return plan.after.stored
    is_saved = plan.have.facts.get("state") == SAVED
    stays = plan.after.facts.get("state") == SAVED or any(
        change.is_of("saved_memory") for change in plan.changes
    )
    return plan.have.live if is_saved and not stays else None


def _comes(change: Change) -> bool:
    """Whether a device, or a medium or network for one, comes to what runs."""
    comes = change.is_of_union or isinstance(change, Came)
    return comes and change.at_once and change.field[0] in LISTS


class _Surroundings:
    """Looks for what one plan needs on the host."""

    def __init__(self, plan: Plan, world: World) -> None:
        self.plan = plan
        self.world = world
        self.chains = Chains(world)
        self.mistakes = Mistakes(plan.resource)
        self.warnings: list[str] = []
        self.fails = START

    def check(self, domain: Element, coming: set[str] | None) -> None:
        """Look for what all of a domain needs, or for what some of its devices do."""
        self.fails = START if coming is None else PLUG
        for one in opened.opened_by(domain, self.chains):
            if coming is None or _device(one.field) in coming:
                self._file(one)
        self._secrets(domain, coming)
        for field, disk in opened.disks_of(domain):
            if coming is None or field in coming:
                self._size(field, disk)
            if disk.get("type") == "volume" and (coming is None or field in coming):
                self._pool(field, xmltree.get(disk, "source/@pool") or "")
        for name, nic in items_of(NICS, domain).items():
            if coming is None or f"nics.{name}" in coming:
                self._nic(f"nics.{name}", nic)

    # ---- files and devices

    def _file(self, one: Opened) -> None:
        if self.world.host.exists(one.path) is not False or self._is_made(one.path):
            return
        is_new = self.world.assume_on_host and one.path not in self._had
        if is_new or (self.world.assume_missing and self._may_be_volume(one.path)):
            self._assume(one.path)
        else:
            message = (
                f"is not there, and without it {self.fails}; put it back, or give the VM another"
            )
            self.mistakes.add(f"{_said(one)} {message}", one.field)

    def _assume(self, what: str, lacks: str = "does not exist") -> None:
        """Leave it to what an earlier task makes, of which nothing is seen in check mode."""
        warning = f"{what} {lacks} yet; the plan assumes that it will"
        if warning not in (*self.plan.warnings, *self.warnings):
            self.warnings.append(warning)

    def _is_made(self, path: str) -> bool:
        """Whether the run itself makes it: a volume, or what a pool shows once it is active."""
        volumes = (have.stored for have in self.world.planned("storage_volume"))
        paths = (xmltree.get(tree, "target/path") for tree in volumes if tree is not None)
        pools = self.world.planned("storage_pool")
        started = (pool for pool in pools if self.world.was("storage_pool", pool.name).live is None)
        return path in paths or any(_shows(pool.live, path) for pool in started)

    def _may_be_volume(self, path: str) -> bool:
        """Whether it is a volume that the declaration names, or in a pool that is not active."""
        pools = self.world.everything("storage_pool").values()
        asleep = (pool for pool in pools if pool.live is None)
        return path in self._named or any(_shows(pool.stored, path) for pool in asleep)

    @cached_property
    def _named(self) -> set[str]:
        values = self.plan.wanted.values.items()
        sources = [said for key, said in values if key[-1] == UNION and "pool" in said]
        pools = {one["pool"]: self.world.will_be("storage_pool", one["pool"]) for one in sources}
        return {
            path
            for one in sources
            if pools[one["pool"]].exists
            for path in disk_source(pools[one["pool"]], one["volume"]).values()
        }

    @cached_property
    def _had(self) -> set[str]:
        """What the VM has needed all along."""
        before = self.plan.have.stored
        found = () if before is None else opened.opened_by(before, self.chains)
        return {one.path for one in found}

    def _size(self, field: str, disk: Element) -> None:
        """Whether QEMU opens an image of this size as the disk says."""
        path, host = past_cache.file_past_cache(disk), self.world.host
        if not path or not host.is_local:
            return
        made = self._made.get(path)
        if made is None:
            there = host.file(path)
            size = there.size if there is not None and there.type == "file" else 0
            block = self._block(path) if size % past_cache.LARGEST else None
            found = past_cache.odd(path, size, block, False)
        else:
            found = past_cache.odd(path, made, None, True)
        if found is not None and found.is_sure:
            message = f"{found.message}; until then {self.fails}"
            self.mistakes.add(message, f"{field}.cache")
        elif found is not None:
            self.warnings.append(f"{field}.cache: {found.message}")

    def _block(self, path: str) -> int | None:
        """In what pieces QEMU writes to a file past the host's cache; None if nobody can tell."""
        found: int | None = self.world.facts.ask("direct_block", path)
        return found

    @cached_property
    def _made(self) -> dict[str, int]:
        """The sizes of raw images that the run itself makes or resizes, by their paths."""
        there = [have for have in self.world.planned("storage_volume") if have.stored is not None]
        changed = [
            have
            for have in there
            if format_of(have) == "raw"
            and capacity_of(have) != capacity_of(self.world.was("storage_volume", have.name))
        ]
        return {
            xmltree.get(have.definition, "target/path") or "": capacity_of(have) for have in changed
        }

    # ---- secrets, pools, vswitches and the host's own network

    def _secrets(self, domain: Element, coming: set[str] | None) -> None:
        """What disks, and the state of a TPM, are opened by."""
        devices = [*opened.disks_of(domain)]
        devices += [("tpm", one) for one in domain.findall("devices/tpm")]
        for field, device in devices:
            if coming is None or field in coming:
                for usage, secret in secrets.used_in(device):
                    self._secret(field, secrets.lacks(self.world, usage, secret))

    def _secret(self, field: str, missing: str) -> None:
        if missing and (self.world.assume_on_host or self.world.assume_missing):
            self._assume(missing)
        elif missing:
            message = f"does not exist, and without it {self.fails}; declare it (secrets)"
            self.mistakes.add(f"{missing} {message}", field)

    def _pool(self, field: str, name: str) -> None:
        self._resource("storage_pool", name, f"{field}.pool", f"the storage pool {name}")

    def _nic(self, field: str, nic: Element) -> None:
        name = xmltree.get(nic, "source/@network")
        bridge, device = xmltree.get(nic, "source/@bridge"), xmltree.get(nic, "source/@dev")
        host = self.world.host
        if name:
            self._resource("vswitch", name, f"{field}.vswitch", f"the vswitch {name}")
        elif nic.get("type") == "bridge" and bridge:
            self._of_host(f"{field}.bridge", nic, f"the bridge {bridge}", self._has_bridge)
        elif nic.get("type") == "direct" and device and host.is_this_machine:
            self._of_host(
                field,
                nic,
                f"the network device {device}",
                lambda _nic: host.has_interface(device),
            )

    def _resource(self, kind: str, name: str, field: str, said: str) -> None:
        have = self.world.will_be(kind, name)
        if have.live is not None:
            return
        lacks = "is not active" if have.exists else "does not exist"
        if self.world.assume_missing:
            self._assume(said, lacks)
        else:
            message = f"and without it {self.fails}; declare it active"
            self.mistakes.add(f"{said} {lacks}, {message}", field)

    def _of_host(
        self, field: str, nic: Element, said: str, is_there: Callable[[Element], bool]
    ) -> None:
        if is_there(nic):
            return
        before = self.plan.have.stored
        had = items_of(NICS, before) if before is not None else {}
        is_old = any(xmltree.same(one, nic) for one in had.values())
        if self.world.assume_on_host and not is_old:
            self._assume(said)
        else:
            message = f"is not on the host, and without it {self.fails}; make it there first"
            self.mistakes.add(f"{said} {message}, or name another", field)

    def _has_bridge(self, nic: Element) -> bool:
        """Whether the host has the bridge of a NIC, or a vswitch of this run makes it."""
        bridge = xmltree.get(nic, "source/@bridge") or ""
        vswitches = [have.live for have in self.world.planned("vswitch")]
        trees = (tree for tree in vswitches if tree is not None)
        made = any(xmltree.get(tree, "bridge/@name") == bridge for tree in trees)
        return made or self.world.host.has_bridge(bridge) is not False


def _device(field: str) -> str:
    return ".".join(field.split(".")[:2])


def _shows(pool: Element | None, path: str) -> bool:
    """Whether a path is below that of a pool."""
    folder = (xmltree.get(pool, "target/path") or "") if pool is not None else ""
    return bool(folder) and path.startswith(f"{folder.rstrip('/')}/")


def _said(one: Opened) -> str:
    if one.for_file:
        return f"the folder {one.path}, for {posixpath.basename(one.for_file)},"
    return f"{one.path}, on which {one.under} stands," if one.under else one.path
