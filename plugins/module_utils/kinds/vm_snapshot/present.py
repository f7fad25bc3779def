# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for snapshots that are to be there."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from ...engine import xmltree
from ...engine.changes import LIVE, STORED, Change, Changed
from ...engine.keys import ABSENT, PRESENT
from ...engine.plan import CREATE, NONE, UPDATE, Have, Plan
from ...engine.units import format_size, parse_size
from ...engine.xmltree import Element
from ..vm.snapshots import Snapshot
from ..vm.states import PAUSED, RUNNING
from .case import Case
from .changes import Of, Taken
from .disks import Disk, disks_of, selected
from .formats import AUTO, EXTERNAL, Choice, check_memory, choose, told_of
from .names import memory_file, overlays_of
from .obstacles import check_images, check_not_saved, check_vm

AGENT = "devices/channel/target[@name='org.qemu.guest_agent.0']"
OVERLAY_BYTES = 16 << 20  # to begin with; an empty qcow2 image of a large disk has a few MiB


def planned(case: Case) -> Plan:
    """What is to be done that a snapshot is there."""
    if case.taken is not None:
        return _of_known(case, case.taken)
    check_vm(case)
    check_not_saved(case, "on overlays")
    check_memory(case)
    disks = disks_of(case)
    chosen = selected(case, disks)
    check_images(case, [disk.target for disk in chosen])
    case.mistakes.raise_any()
    choice = choose(case, disks, chosen)
    case.mistakes.raise_any()
    files = _files(case, chosen) if choice.format == EXTERNAL else {}
    quiesces, how = _quiesces(case, choice)
    _check_files(case, chosen, files)
    _check_room(case, chosen, choice)
    case.mistakes.raise_any()
    case.warnings.extend(told_of(case, choice))
    after = _record(case, choice, disks, chosen, files)
    effect = LIVE if case.runs else STORED
    resource = case.wanted.resource
    changes: list[Change] = []
    description = case.wanted.options["description"]
    if description:
        changes.append(Changed(resource, ("description",), None, description))
    changes.append(Of(resource, ("format",), None, choice.format, effect, note=choice.why))
    changes.append(_memory(case, files))
    if case.runs and choice.format == EXTERNAL and not case.wanted.options["memory"]:
        changes.append(Of(resource, ("quiesce",), None, quiesces, effect, note=how))
    for disk in chosen:
        where = files.get(disk.target) or f"inside of {disk.path}"
        note = f"an overlay over {disk.path}" if disk.target in files else ""
        changes.append(Of(resource, ("disks", disk.name), None, where, effect, note=note))
    changes.append(Taken(resource, ("state",), ABSENT, PRESENT, effect))
    facts = {"state": "present", "current": True, "quiesces": quiesces}
    have = Have(case.have.kind, case.have.name, after, None, facts)
    return Plan(case.wanted, CREATE, case.have, have, tuple(changes), (), tuple(case.warnings))


# ---- one that is there


def _of_known(case: Case, taken: Snapshot) -> Plan:
    """A name is one snapshot: it is never taken anew, and only what is said of it changes."""
    options = case.wanted.options
    if options["memory"] and not taken.memory:
        _other(case, "memory", f"was taken {taken.taken} without the memory")
    kind = "external" if taken.is_external else "internal"
    if options["format"] not in (AUTO, kind):
        _other(case, "format", f"is {kind}, taken {taken.taken}")
    named = {disk.name: disk.target for disk in disks_of(case)} if options["disks"] else {}
    has = {*taken.internal, *taken.overlays}
    missing = [name for name in options["disks"] or () if not {name, named.get(name)} & has]
    if missing:
        _other(case, "disks", f"was taken {taken.taken} without {', '.join(missing)}")
    case.mistakes.raise_any()
    description = options["description"]
    if description is None or description == taken.description:
        return Plan(case.wanted, NONE, case.have, case.have)
    tree = xmltree.clone(case.have.definition)
    xmltree.put(tree, "description", description or None)
    changed = Changed(
        case.wanted.resource, ("description",), taken.description or None, description or None
    )
    after = Have(case.have.kind, case.have.name, tree, None, case.have.facts)
    return Plan(case.wanted, UPDATE, case.have, after, (changed,))


def _other(case: Case, option: str, what: str) -> None:
    case.mistakes.add(
        f"the snapshot of this name {what}; give another name, or remove it first (state: absent)",
        option,
    )


# ---- one that is to be taken


def _files(case: Case, chosen: Sequence[Disk]) -> dict[str, str]:
    """The files that come to be, by the target of a disk; that of the memory under no name."""
    folder = case.wanted.options["folder"] or ""
    files = overlays_of([(disk.target, disk.path) for disk in chosen], case.name, folder)
    if case.wanted.options["memory"]:
        beside = folder or posixpath.dirname(next(iter(files.values())))
        files[""] = memory_file(beside, case.vm_name, case.name)
    return files


def _check_files(case: Case, chosen: Sequence[Disk], files: Mapping[str, str]) -> None:
    """libvirt writes over no file, and neither do we."""
    tops = {disk.target: case.place(disk.path) for disk in chosen}
    for target, path in files.items():
        if target in tops and case.place(path) == tops[target]:
            case.mistakes.add(
                f"disk {target} writes to {path} already, an overlay of this name of which libvirt "
                "has no record, as a run leaves it in whose midst libvirt's daemon was killed; "
                f"give another name, or merge it (virsh blockcommit {case.vm_name} {target} "
                "--active --pivot, which needs the VM to run)",
                "name",
            )
        elif case.world.host.exists(path):
            case.mistakes.add(
                f"{path} is there already, and would have to be made; give another name, or remove "
                "it if nobody needs it (as what a run left that was killed)",
                "name",
            )


def _check_room(case: Case, chosen: Sequence[Disk], choice: Choice) -> None:
    """As far as libvirt knows it: of pools that are folders, when it last looked."""
    memory = parse_size(_memory_size(case.definition)) if case.wanted.options["memory"] else 0
    paths = [disk.path for disk in chosen]
    if choice.format == EXTERNAL and case.wanted.options["folder"]:
        paths = [f"{case.wanted.options['folder']}/x"]
    for number, folder in enumerate(dict.fromkeys(posixpath.dirname(path) for path in paths)):
        needed = (memory if number == 0 else 0) + OVERLAY_BYTES
        pool, free = _free_in(case, folder)
        if free is not None and free < needed:
            case.mistakes.add(
                f"pool {pool} has {format_size(free)} left, and {format_size(needed)} are needed "
                f"to begin with; make room, or have libvirt look again (virsh pool-refresh {pool})",
                "folder",
            )


def _memory_size(domain: Element) -> str:
    unit = xmltree.get(domain, "memory/@unit") or "KiB"
    return f"{xmltree.get(domain, 'memory') or 0}{unit}"


def _free_in(case: Case, folder: str) -> tuple[str, int | None]:
    for name, pool in case.world.everything("storage_pool").items():
        at = xmltree.get(pool.definition, "target/path") or ""
        free = xmltree.get(pool.live, "available") if pool.live is not None else None
        if at and free and case.place(at) == case.place(folder):
            return name, int(free)
    return "", None


def _quiesces(case: Case, choice: Choice) -> tuple[bool, str]:
    """Whether the guest's agent has its file systems at rest meanwhile, and why."""
    asked = case.wanted.options["quiesce"]
    why_not = ""
    if case.wanted.options["memory"]:
        why_not = "with the memory it goes on as if nothing had been"
    elif not case.runs:
        why_not = "the VM does not run"
    elif choice.format != EXTERNAL:
        why_not = "an internal snapshot has the memory"
    elif case.state != RUNNING:
        why_not = "the guest is paused, and its agent too"
    elif not any(one.get("state") == "connected" for one in case.definition.findall(AGENT)):
        why_not = "no guest agent is connected; the disks are as after a power failure"
    if asked == "true" and why_not:
        case.mistakes.add(f"the guest cannot be asked: {why_not}", "quiesce")
    if asked == "false":
        return False, "as declared; the disks are as after a power failure"
    return not why_not, why_not or "the guest agent has its file systems at rest meanwhile"


def _memory(case: Case, files: Mapping[str, str]) -> Change:
    effect = LIVE if case.runs else STORED
    has = case.wanted.options["memory"]
    note = "the guest stands still while it is written" if has else ""
    value = files.get("", "inside") if has else False
    return Of(case.wanted.resource, ("memory",), None, value, effect, note=note)


def _record(
    case: Case,
    choice: Choice,
    disks: Sequence[Disk],
    chosen: Sequence[Disk],
    files: Mapping[str, str],
) -> Element:
    """What libvirt is asked for; state and parent are what it will say itself."""
    tree = Element("domainsnapshot")
    xmltree.put(tree, "name", case.name)
    xmltree.put(tree, "description", case.wanted.options["description"] or None)
    xmltree.put(tree, "state", _state_of(case, choice))
    current = next((one.name for one in case.known if one.current), None)
    xmltree.put(tree, "parent/name", current)
    memory = case.wanted.options["memory"]
    xmltree.put(tree, "memory/@snapshot", choice.format if memory else "no")
    xmltree.put(tree, "memory/@file", files.get("") or None)
    above = xmltree.ensure(tree, "disks")
    for disk in disks:
        above.append(_disk(disk, choice.format if disk in chosen else "no", files))
    return tree


def _state_of(case: Case, choice: Choice) -> str:
    if not case.runs:
        return "shutoff"
    if choice.format == EXTERNAL and not case.wanted.options["memory"]:
        return "disk-snapshot"
    return "paused" if case.state == PAUSED else "running"


def _disk(disk: Disk, how: str, files: Mapping[str, str]) -> Element:
    element = Element("disk", {"name": disk.target, "snapshot": how})
    if how == EXTERNAL:
        element.set("type", "file")
        xmltree.put(element, "driver/@type", "qcow2")
        xmltree.put(element, "source/@file", files[disk.target])
    return element
