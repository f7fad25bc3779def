# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that are made from a template: what is declared over what the template has.

Only new ones: nothing else knows where a VM came from, and one that is there is planned by what it
says itself. So a template may change, or go, and the VMs that were made from it stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..engine import xmltree
from ..engine.errors import FleetError, FleetErrors, Mistakes
from ..engine.fields import items_of
from ..engine.hidden import revealed
from ..engine.keys import ABSENT
from ..engine.mark import is_template
from ..engine.plan import Have, Wanted
from ..engine.traits import STATE
from ..engine.world import World
from ..engine.xmltree import Element
from ..kinds.storage_volume.volumes import KIND as VOLUME
from ..kinds.storage_volume.volumes import name_in_pool, pool_of
from ..kinds.together.taken_up import VOLUME_OPTIONS, brings_volume
from ..kinds.vm import sysprep
from ..kinds.vm.declaring import declaration
from ..kinds.vm.derived import volume_of
from ..kinds.vm.kind import KIND as VM
from ..kinds.vm.made_from import FROM, LINKED, MADE, PLACED, UNSEEN, Made
from ..kinds.vm.seeded import DRIVE
from ..kinds.vm.states import STOPPED
from ..kinds.vm.table import DISKS, LISTS
from ..kinds.vm.told import unmanaged
from . import arguments, taken_over, vm_defaults

Options = Mapping[str, Any]

# What is one VM's alone, or says how it is to be gone about with it.
ITS_OWN = (
    *("name", "title", "description", "tags", "protected", "scope", "group", "template", FROM),
    *("host_devices", "leases"),
    *("clone", "sysprep", "state", "autostart", "cloud_init", "wait_for", "wait_timeout_s"),
    *("apply", "purge", "remove_storage", "shutdown"),
)
# Of a disk, where its content is, and what it is to others.
_PLACES = ("file", "device", "pool", "network", "nvme")
OF_IMAGE = (
    *(*_PLACES, "volume", "format", "existing", "shareable", "encryption"),
    *VOLUME_OPTIONS,
)


def expanded(world: World, wanted: Sequence[Wanted]) -> list[Wanted]:
    """The declarations, those of new VMs with what their templates have. Or FleetErrors."""
    maker = _Maker(world, {one.name: one for one in wanted if one.kind == "vm"})
    mistakes = Mistakes()
    result = list(wanted)
    for one in wanted:
        if one.kind != "vm" or not maker.has_to_be_completed(one):
            continue
        try:
            made = maker.made(one) if maker.is_new(one) else maker.placed(one)
        except FleetErrors as errors:
            mistakes.extend(errors.errors)
            continue
        except FleetError as error:
            mistakes.extend([error.within(one.resource)])
            continue
        brought = {(VOLUME, volume) for kind, volume in one.needs if kind == VOLUME}
        result = [
            other
            for other in result
            if other is not one
            and not ((other.kind, other.name) in brought and other.options.get("of_disk"))
        ]
        result += made
    mistakes.raise_any()
    return result


class _Maker:
    """Makes declarations of VMs by those of their templates."""

    def __init__(self, world: World, declared: Mapping[str, Wanted]) -> None:
        self.world = world
        self.declared = declared
        self.arguments = arguments.Items(VM.spec())

    def has_to_be_completed(self, one: Wanted) -> bool:
        """Whether a VM is to be made from a template, or was, and has disks of which no pool is
        said."""
        if not one.options.get(FROM) or one.state == ABSENT:
            return False
        return any(map(_is_unplaced, one.options.get("disks") or ())) or self.is_new(one)

    def is_new(self, one: Wanted) -> bool:
        """Whether it is yet to be made."""
        return not self._have(one.name).exists

    def placed(self, one: Wanted) -> list[Wanted]:
        """What one that is there declares, its disks in the volumes that they have by now."""
        there = items_of(DISKS, self._have(one.name).definition)
        declared = one.options.get("disks") or ()
        disks = [self._placed(disk, there.get(str(disk["name"]))) for disk in declared]
        *volumes, vm = VM.parse({**one.options, "disks": disks, PLACED: True})
        return [*volumes, replace(vm, inherited=one.inherited, member=one.member)]

    def _placed(self, disk: Options, there: Element | None) -> Options:
        if there is None or not _is_unplaced(disk):
            return disk
        path = xmltree.get(there, "source/@file") or xmltree.get(there, "source/@dev") or ""
        volume = self.world.host.volume_at(path) if path else ""
        if not volume:
            return disk
        return {**disk, "pool": pool_of(volume), "volume": name_in_pool(volume)}

    def made(self, one: Wanted) -> list[Wanted]:
        """What a new VM declares, with the volumes that it brings."""
        template = str(one.options[FROM])
        below, told = self._template(template)
        if below is None:
            unseen = f"vm/{template} does not exist yet; what the VM gets of it cannot be seen"
            return [replace(one, options={**one.options, UNSEEN: unseen})]
        own = {name: value for name, value in one.options.items() if name in self.arguments.spec}
        both = _over(self._cloned(below, own), _said(own, self.arguments.spec))
        params, wrong = self.arguments.check(both)
        if wrong:  # by what a template has that no option could say
            raise FleetError("; ".join(wrong), one.resource, FROM)
        *volumes, vm = VM.parse({**one.options, **params, PLACED: True})
        return self._with_notes(one, vm, volumes, told)

    def _with_notes(
        self, one: Wanted, vm: Wanted, volumes: Sequence[Wanted], told: Sequence[str]
    ) -> list[Wanted]:
        template = str(one.options[FROM])
        clones = tuple(
            volume.name
            for volume in volumes
            if volume.options.get("backing") or volume.options.get("copy_of")
        )
        by, warnings = sysprep.chosen(one, self.world, vm.options)
        made = Made(template, clones, by, (*told, *warnings))
        held = by == sysprep.VIRT_SYSPREP
        options = {**vm.options, MADE: made}
        needs = vm.needs | ({("vm", template)} if template in self.declared else set())
        vm = replace(vm, options=options, needs=needs, inherited=one.inherited, member=one.member)
        return [
            *(
                replace(volume, options={**volume.options, "held": True})
                if held and volume.name in clones
                else volume
                for volume in volumes
            ),
            vm,
        ]

    # ---- the template

    def _have(self, name: str) -> Have:
        return self.world.read("vm", [name])[name]

    def _template(self, name: str) -> tuple[Options | None, list[str]]:
        """What one declares that is there, or is to come; and what no option says of it."""
        have, declared = self._have(name), self.declared.get(name)
        said = declared.options.get("template") if declared is not None else None
        if declared is not None and declared.state == ABSENT:
            raise FleetError(f"{name} goes in this run; make VMs from it before", field=FROM)
        if have.exists:
            if said is False or not (said or is_template(have.definition)):
                raise FleetError(
                    f"{name} is no template; declare it with template: true first, after which it "
                    "is not started any more",
                    field=FROM,
                )
            _check_stopped(name, have, declared)
            said, left = taken_over.possible(declaration(have, self.world.host))
            return said, [*_not_taken(name, have, left), *_devices_kept(name, said)]
        if declared is None and self.world.assume_missing:
            return None, []
        if declared is None or not said:
            raise FleetError(
                f"there is no template {name}; declare it, or name another", field=FROM
            )
        if declared.options.get(FROM):
            raise FleetError(
                f"{name} is to be made from a template itself; make it in a run before", field=FROM
            )
        options = _said(declared.options, self.arguments.spec)
        return options, list(_devices_kept(name, options))

    def _cloned(self, template: Options, own: Options) -> dict[str, Any]:
        """What of a template a new VM has where it says nothing."""
        below = {name: value for name, value in template.items() if name not in ITS_OWN}
        below = _without_identity(_plain(below))
        for name in LISTS if own.get("purge") else ():
            if own.get(name) is not None:  # a list that is complete
                below.pop(name, None)
        for name, said in own.items():  # none at all has nothing of the template's, either
            if isinstance(said, Mapping) and "none" in (said.get("model"), said.get("type")):
                below.pop(name, None)
        for nic in below.get("nics", ()):
            nic.pop("mac", None)
        below["cdroms"] = [one for one in below.get("cdroms", ()) if one["name"] != DRIVE[1]]
        if "disks" in below:
            template_name = str(template["name"])
            _check_cloneable(template_name, below["disks"], own.get("disks") or ())
            below["disks"] = [
                self._disk(template_name, disk, own.get("clone") or LINKED)
                for disk in below["disks"]
            ]
        return below

    def _disk(self, template: str, disk: Options, how: str) -> dict[str, Any]:
        """A disk on a clone of the template's. What nobody writes to is the same for all."""
        if disk.get("read_only") or disk.get("state") == ABSENT:
            return dict(disk)
        rest = {name: value for name, value in disk.items() if name not in OF_IMAGE}
        path = str(disk.get("file") or disk.get("device") or "")
        volume = self._volume_of(template, disk, path)
        if volume:
            source = {"pool": pool_of(volume), "volume": name_in_pool(volume)}
            rest["pool"] = pool_of(volume)
            rest["backing" if how == LINKED else "copy_of"] = source
        elif path:
            source = {"file": path, "format": disk.get("format") or "raw"}
            rest.update({"backing": source} if how == LINKED else {"image": path})
        return rest

    def _volume_of(self, template: str, disk: Options, path: str) -> str:
        if disk.get("pool"):
            return f"{disk['pool']}/{disk.get('volume') or volume_of(template, disk)}"
        return self.world.host.volume_at(path) if path else ""


def _is_unplaced(disk: Options) -> bool:
    """Whether something is said of a disk's volume, and not where it is."""
    return not disk.get("pool") and brings_volume(disk)


def _check_stopped(name: str, have: Have, declared: Wanted | None) -> None:
    """Its guest writes to what would be cloned, or will when it is woken."""
    state = have.facts.get(STATE[0])
    stops = declared is not None and declared.state == STOPPED
    if state != STOPPED and not stops:
        raise FleetError(
            f"{name} is {state}, and a template is never started; declare it with state: stopped, "
            "and see that nothing spoilt its disks, before VMs are made from it",
            field=FROM,
        )


def _not_taken(name: str, have: Have, impossible: Sequence[str]) -> Iterator[str]:
    """What a template has that no option says, and so no VM gets that is made from it."""
    left = [*unmanaged(have.definition), *impossible]
    if left:
        yield f"{FROM}: {name} has what no option says, and the new VM does not: {', '.join(left)}"


def _devices_kept(name: str, template: Options) -> Iterator[str]:
    """A device of the host is one VM's, and so is a lease."""
    for section, said in (("host_devices", "devices of the host"), ("leases", "leases")):
        kept = [str(one["name"]) for one in template.get(section) or ()]
        if kept:
            yield (
                f"{FROM}: {name} has {said}, which stay its own: {', '.join(kept)}; "
                "declare those of the new VM"
            )


def _without_identity(options: dict[str, Any]) -> dict[str, Any]:
    """Without the numbers by which one VM alone is known, to its guest and on the host."""
    smbios = options.get("smbios") or {}
    for name in ("uuid", "serial"):
        smbios.get("system", {}).pop(name, None)
    if not any(smbios.get(section) for section in smbios if section != "mode"):
        options.pop("smbios", None)  # which was for these alone
    if str((options.get("vsock") or {}).get("cid", "")).isdigit():
        options["vsock"] = {**options["vsock"], "cid": "auto"}
    return options


def _check_cloneable(template: str, disks: Sequence[Options], own: Sequence[Options]) -> None:
    """What is on a server or an NVMe namespace cannot be cloned here, and is not shared instead:
    the new VM would write to its template's."""
    elsewhere = {one["name"] for one in own if any(one.get(at) for at in _PLACES)}
    for disk in disks:
        is_far = disk.get("network") or disk.get("nvme")
        if is_far and disk["name"] not in elsewhere and not disk.get("read_only"):
            raise FleetError(
                f"{template} has the disk {disk['name']} on a server or an NVMe namespace, of "
                f"which no clone is made; say of disks.{disk['name']} what the new VM's stands on",
                field=FROM,
            )


# ---- merging


def _over(below: Options, above: Options) -> dict[str, Any]:
    """What is declared over what a template has: of lists each thing by its name."""
    result = vm_defaults.merged(below, above, LISTS)
    return {name: value for name, value in result.items() if value is not None}


def _said(options: Options, spec: Options) -> dict[str, Any]:
    """Options without those that say nothing."""
    said: dict[str, Any] = {}
    for name, value in options.items():
        if value is None or name not in spec:
            continue
        inner = spec[name].get("options")
        if inner and isinstance(value, Mapping):
            value = _said(value, inner)
        elif inner and isinstance(value, (list, tuple)):
            value = [_said(one, inner) for one in value]
        said[name] = value
    return said


def _plain(value: Any) -> Any:
    """A copy in which secrets are what they are, as a user would declare them."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return revealed(value)
