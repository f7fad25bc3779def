# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule that an image has one writer: one disk of one VM, and none while others stand on it.

Asked only of what a plan brings: a disk's source, a clone, a volume that grows or goes. What others
have made so already is no mistake of a plan that does not touch it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from ...engine import xmltree
from ...engine.changes import Came, Went
from ...engine.errors import FleetError
from ...engine.keys import named
from ...engine.plan import CREATE, DELETE, NONE, UPDATE, Have, Plan
from ...engine.world import World
from ..storage_volume.volumes import backing_of, capacity_of, image_in, resizes
from ..together.references import names_of, uses_of
from ..vm import moved, snapshots
from .backups import uses_of_backups
from .beside import Beside
from .chains import Chains
from .filled import filled
from .uses import (
    NVRAM,
    READS,
    STANDS,
    WRITES,
    Use,
    places_of,
    uses_of_domain,
    uses_of_pools,
    uses_of_volumes,
)


def one_writer(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """Every image that a plan brings into use, grows or removes is nobody else's."""
    images = Images(plans, world)
    for plan in plans:
        if plan.wanted.kind == "vm" and plan.action in (CREATE, UPDATE):
            yield from _of_vm(plan, images)
        elif plan.wanted.kind == "storage_volume" and plan.action != NONE:
            yield from _of_volume(plan, images)
        elif plan.wanted.kind == "storage_pool" and plan.action == CREATE:
            yield from _of_pool(plan, images)


def _of_vm(plan: Plan, images: Images) -> Iterator[FleetError]:
    for use in images.brought_by(plan):
        if use.does == STANDS:
            others = [other for other in images.others(use, plan) if other.does == WRITES]
            if others:
                yield _error(plan, use, f"stands on {use.path}, which {_names(others)} writes to")
            continue
        standing = [other for other in images.others(use, plan) if other.does == STANDS]
        if standing and use.does == WRITES:
            yield _error(
                plan,
                use,
                f"would write to {use.path}, on which {_names(standing)} stands; make a clone or a "
                "copy of it for this disk",
            )
        clash = [other for other in images.others(use, plan) if _clash(use, other)]
        if clash:
            yield _error(plan, use, f"{use.path} is in use by {_names(clash)}; {_way_out(use)}")


def _of_pool(plan: Plan, images: Images) -> Iterator[FleetError]:
    """A pool is built on devices: what a guest keeps there libvirt need not recognise as data."""
    for device in uses_of_pools([plan.after]):
        others = [use for use in images.at(device.path) if use.user != device.user]
        if others:
            yield FleetError(
                f"{device.path} is in use by {_names(others)}, and a pool would be made on it; "
                "name another device, or take it from there first",
                plan.resource,
                "source",
            )


def _way_out(use: Use) -> str:
    if use.what == NVRAM:
        return "each firmware keeps its variables in a file of its own; give that VM another"
    return (
        "name another volume (volume) or file for one of them, or say shareable (raw images) or "
        "read_only of both"
    )


def _of_volume(plan: Plan, images: Images) -> Iterator[FleetError]:
    yield from filled(plan, images.world, images.chains)
    have = plan.after if plan.action == CREATE else plan.have
    path = image_in(have.stored)
    if not path:
        return
    if plan.action == CREATE:
        base = backing_of(plan.after)
        writers = [use for use in images.at(base) if use.does == WRITES] if base else []
        if writers:
            yield FleetError(
                f"would stand on {base}, which {_names(writers)} writes to; take it from there, or "
                "make a copy of it (copy_of)",
                plan.resource,
                "backing",
            )
        yield from _copy(plan, images)
        yield from _lost(plan, path, images)
        yield from _replaced(plan, path, images)
        return
    uses = images.at(path)
    if plan.action == UPDATE:
        if resizes(plan):
            yield from _growth(plan, path, [*uses, *images.standing_beside(path, uses)])
            yield from _shrinking(plan, path, uses, images)
    elif plan.action == DELETE:
        others = [use for use in uses if use.user not in images.known_users(plan.have)]
        users = [_names(others)] if others else images.opened_by_others(path)
        if users:
            yield FleetError(
                f"is used by {' and '.join(users)}; take it from them first, or remove them too",
                plan.resource,
            )


def _copy(plan: Plan, images: Images) -> Iterator[FleetError]:
    """QEMU lets nobody read a whole image to which it writes, and what is read would be torn."""
    for option, path in _sources(plan, images.world):
        uses = images.at(path)
        written = [use for use in uses if use.does == WRITES and not use.shared]
        writers = [use for use in written if images.runs(use)]
        if writers:
            yield FleetError(
                f"{path} is written to by {_names(writers)} while it is to be copied; stop that "
                "first, or copy what a snapshot left below it",
                plan.resource,
                option,
            )


def _sources(plan: Plan, world: World) -> Iterator[tuple[str, str]]:
    """What a volume is filled with, on this host."""
    source, image = (plan.wanted.options.get(name) for name in ("copy_of", "image"))
    volume = world.will_be("storage_volume", source) if source else None
    path = image_in(volume.stored) if volume and volume.exists else ""
    if path:
        yield "copy_of", path
    if image and world.host.is_local:
        yield "image", image


def _lost(plan: Plan, path: str, images: Images) -> Iterator[FleetError]:
    """What a running VM has open is not made anew beside it: its data would go at the next stop."""
    users = [] if plan.have.facts else images.running_on(path)
    if users:
        yield FleetError(
            f"{path} was removed, and {' and '.join(users)} runs on what it was; save that as "
            "long as it runs (virsh blockcopy to another image), or stop it and give it up",
            plan.resource,
        )


def _replaced(plan: Plan, path: str, images: Images) -> Iterator[FleetError]:
    """What clones stood on is not made anew without what was in it: each would be spoilt."""
    if plan.have.facts or any(plan.wanted.options.get(origin) for origin in moved.ORIGINS):
        return
    orphans = [use for use in images.at(path) if use.does == STANDS and not images.is_new(use.top)]
    if orphans:
        yield FleetError(
            f"{path} is not there, {_names(orphans)} stands on it, and it would be new and empty; "
            "put it back, make it from its image (image, copy_of), or remove what stands on it",
            plan.resource,
        )


def _growth(plan: Plan, path: str, uses: Sequence[Use]) -> Iterator[FleetError]:
    standing = [use for use in uses if use.does == STANDS]
    if standing:
        yield FleetError(
            f"{path} cannot grow below {_names(standing)}; merge an overlay first (virsh "
            "blockcommit), or remove it if it was merged; grow a linked clone itself",
            plan.resource,
            "capacity",
        )
    writers = [use for use in uses if use.does == WRITES]
    if any(_clash(one, other) for one in writers for other in writers if one.user != other.user):
        yield FleetError(
            f"{path} is in use by {_names(writers)}, of which each would see it grow; give each a "
            "volume of its own (volume)",
            plan.resource,
            "capacity",
        )


def _shrinking(plan: Plan, path: str, uses: Sequence[Use], images: Images) -> Iterator[FleetError]:
    """What shrinks nobody has open, and no memory is saved that knows it as it was."""
    if capacity_of(plan.after) >= capacity_of(plan.have):
        return
    vms = sorted({use.user for use in uses if use.user.startswith("vm/")})
    states = {vm: images.world.was("vm", vm[3:]).facts.get("state") for vm in vms}
    busy = [f"{vm} (which is {state})" for vm, state in states.items() if state != "stopped"]
    busy += images.opened_by_others(path)
    if busy:
        yield FleetError(
            f"{path} cannot shrink below {' and '.join(busy)}; stop that first",
            plan.resource,
            "capacity",
        )


def _clash(one: Use, other: Use) -> bool:
    """Whether two disks cannot have one image: one that is written to has to be shared."""
    does = {one.does, other.does}
    if STANDS in does or does == {READS}:
        return False
    return not all(use.shared or use.does == READS for use in (one, other))


def _names(uses: Iterable[Use]) -> str:
    return " and ".join(sorted({use.named for use in uses}))


def _error(plan: Plan, use: Use, message: str) -> FleetError:
    return FleetError(message, plan.resource, use.what)


class Images:
    """The uses of images as they will be, read once and only when a plan brings something."""

    def __init__(self, plans: Sequence[Plan], world: World) -> None:
        self.plans = plans
        self.world = world
        self.chains = Chains(world)
        self.beside = Beside(self.chains)

    def at(self, path: str, newcomer: str = "") -> list[Use]:
        """All uses of an image that is there already, also by a VM to which it is new."""
        place = self.chains.place(path)
        known = (self._deep, self._clones, self._backups, self._pools)
        told = [use for by_place in known for use in by_place.get(place, ())]
        return told + self._beside(path, [use for use in told if use.user != newcomer])

    def _beside(self, path: str, told: Sequence[Use]) -> list[Use]:
        """What only the headers of other files tell. What goes in this run needs nothing.

        What stands on an image to which a VM writes is spoilt already, as what a merge left over.
        """
        if any(use.does == WRITES for use in told):
            return []
        known = self._going | {self.chains.place(use.top) for use in told if use.top}
        found = self.beside.uses_of(path)
        return [use for use in found if self.chains.place(use.top) not in known]

    def opened_by_others(self, path: str) -> list[str]:
        """What uses a file of this machine without libvirt, as an error calls it."""
        host = self.world.host
        is_file = path.startswith("/") and not path.startswith("/dev/")
        if not host.is_local or not is_file:
            return []
        return host.open_files.get(self.chains.place(path), [])

    def standing_beside(self, path: str, told: Sequence[Use]) -> list[Use]:
        """What only headers say to stand on an image to which VMs write, and did not since then.

        An image that grows is written to, and what stands on it would be taken for spoilt from then
        on. What a merge of a VM's own snapshot left over is known by the record of that snapshot.
        """
        writers = {use.user.partition("/")[2] for use in told if use.does == WRITES and use.what}
        records = [
            record for vm in writers for record in snapshots.snapshots_of(self.world.host, vm)
        ]
        own = {self.chains.place(one) for record in records for one in record.overlays.values()}
        known = {*own, *self._going, *(self.chains.place(use.top) for use in told if use.top)}
        found = self.beside.uses_of(path) if writers else ()
        return [use for use in found if self.chains.place(use.top) not in known]

    @cached_property
    def _going(self) -> set[str]:
        """Where volumes are that this run removes."""
        gone = (plan.have.stored for plan in self.plans if _removes_volume(plan))
        paths = (image_in(tree) for tree in gone)
        return {self.chains.place(path) for path in paths if path}

    def others(self, use: Use, plan: Plan) -> list[Use]:
        """The uses of the same image by others, and by other disks of the same VM."""
        place = self.chains.place(use.path)
        found = self._told.get(place, []) if place in self._new else self.at(use.path, use.user)
        comes_now = use.what in _plugged(plan, Came)
        return [
            other
            for other in found
            if other.user != use.user
            or (other.what != use.what and (comes_now or not other.lingers))
        ]

    def is_new(self, path: str) -> bool:
        """Whether a volume comes to be there in this run."""
        return not path or self.chains.place(path) in self._new

    def runs(self, use: Use) -> bool:
        """Whether the VM of a use runs now, while volumes are made."""
        return self.world.was("vm", use.user.partition("/")[2]).live is not None

    def running_on(self, path: str) -> list[str]:
        """The VMs that have an image open before anything is done."""
        place = self.chains.place(path)
        running = []
        for name in self.world.everything("vm"):
            live = self.world.was("vm", name).live
            disks = xmltree.find_all(live, "devices/disk") if live is not None else []
            tops = [layer.path for disk in disks for layer in self.chains.told(disk)[0][:1]]
            if place in {self.chains.place(top) for top in tops if top}:
                running.append(f"vm/{name}")
        return running

    def known_users(self, volume: Have) -> set[str]:
        """The VMs that name a volume as it is named here, of which another rule tells."""
        vms = self.world.everything("vm").values()
        return {f"vm/{have.name}" for have in vms if uses_of(have) & names_of(volume)}

    def brought_by(self, plan: Plan) -> list[Use]:
        """What a plan brings for a VM, with what is below it."""
        before = set(self._uses(plan.have.stored, plan.resource, deep=False))
        after = set(self._uses(plan.after.stored, plan.resource, deep=False))
        new = {
            use.what
            for use in after - before
            if not any(use.is_no_more_than(old) for old in before)
        }
        deep = self._uses(plan.after.stored, plan.resource, deep=True) if new else ()
        return [use for use in dict.fromkeys(deep) if use.what in new]

    def _uses(self, tree: xmltree.Element | None, user: str, deep: bool) -> Iterable[Use]:
        return () if tree is None else uses_of_domain(tree, user, self.chains, deep)

    @cached_property
    def _new(self) -> set[str]:
        """Where volumes come to be in this run: there can be nothing that stands on them."""
        made = (plan.after.stored for plan in self.plans if _makes_volume(plan))
        paths = (image_in(tree) for tree in made)
        return {self.chains.place(path) for path in paths if path}

    @cached_property
    def _told(self) -> dict[str, list[Use]]:
        return self._of_all(deep=False)

    @cached_property
    def _deep(self) -> dict[str, list[Use]]:
        return self._of_all(deep=True)

    @cached_property
    def _clones(self) -> dict[str, list[Use]]:
        volumes = self.world.everything("storage_volume").values()
        return places_of(uses_of_volumes(volumes), self.chains)

    @cached_property
    def _pools(self) -> dict[str, list[Use]]:
        pools = self.world.everything("storage_pool").values()
        return places_of(uses_of_pools(pools), self.chains)

    @cached_property
    def _backups(self) -> dict[str, list[Use]]:
        return places_of(uses_of_backups(self.world), self.chains)

    def _of_all(self, deep: bool) -> dict[str, list[Use]]:
        planned = {plan.wanted.name: plan for plan in self.plans if plan.wanted.kind == "vm"}
        uses: dict[Use, None] = {}
        for name, have in self.world.everything("vm").items():
            stored = dict.fromkeys(self._uses(have.stored, f"vm/{name}", deep))
            uses.update(stored)
            plan = planned.get(name)
            gone = _plugged(plan, Went) if plan is not None else set()
            for use in self._uses(_stays_running(have, plan), f"vm/{name}", deep):
                if use not in stored and use.what not in gone:
                    uses[replace(use, lingers=True)] = None
        return places_of(uses, self.chains)


def _makes_volume(plan: Plan) -> bool:
    return plan.wanted.kind == "storage_volume" and plan.action == CREATE


def _removes_volume(plan: Plan) -> bool:
    return plan.wanted.kind == "storage_volume" and plan.action == DELETE


def _stays_running(have: Have, plan: Plan | None) -> xmltree.Element | None:
    """What a VM runs, or goes on running where what is planned for it waits for a restart."""
    if plan is None:
        return have.live
    return plan.have.live if plan.pending else None


def _plugged(plan: Plan, how: type[Came] | type[Went]) -> set[str]:
    """The disks that a plan plugs in or unplugs at once."""
    return {named(c.field) for c in plan.changes if c.at_once and isinstance(c, how)}
