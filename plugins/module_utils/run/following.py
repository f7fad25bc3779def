# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from a snapshot of a whole host, though it was not asked for when it was taken.

What a snapshot would list if it were there was not there: a file in a folder, a VM, a volume.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Callable

from ..engine import xmltree
from ..engine.facts import ALL, Fact, NotRecorded
from ..engine.looked_at import File, Unreadable
from ..engine.move_facts import family_of
from ..engine.plan import Have
from ..engine.recording import key_of
from ..kinds.storage_volume.volumes import (
    FILE_POOLS,
    HALF_MADE,
    UNSEEN,
    mark_of,
    name_in_pool,
    pool_of,
    type_of,
    without_folder,
)
from ..kinds.vm_snapshot.records import have_of

Answers = Mapping[Fact, Any]


def following(answers: Answers, fact: Fact) -> Any:
    """The answer to a question, as it follows from others. NotRecorded if none does."""
    asked, *of = fact
    if asked not in FOLLOWS:
        raise NotRecorded(fact)
    return FOLLOWS[asked](answers, *of)


# ---- files


def _file(answers: Answers, path: str) -> None:
    """Nothing is at a path of which a folder above would tell, and does not."""
    if not _is_absent(answers, path):
        raise NotRecorded(("file", path))


def _written(answers: Answers, path: str) -> str:
    if ("file", path) not in answers:
        _file(answers, path)  # nothing is there, or nobody knows
        return ""
    found: File | None = answers[("file", path)]
    return "" if found is None else found.content


def _is_absent(answers: Answers, path: str) -> bool:
    path = posixpath.normpath(path)
    if ("file", path) in answers:
        return answers[("file", path)] is None
    above, name = posixpath.split(path)
    if above == path or not path.startswith("/"):
        return False
    listed = answers.get(("folder", above))
    if listed is not None:
        return name not in listed
    known = ("file", above)
    if known in answers:
        return answers[known] is None or answers[known].type not in ("folder", "")
    return _is_absent(answers, above)


def _folder(answers: Answers, path: str) -> None:
    found = answers.get(("file", path))
    if (found is None or found.type in ("folder", "")) and not _is_absent(answers, path):
        raise NotRecorded(("folder", path))


def _image(answers: Answers, path: str) -> Unreadable:
    if not _is_absent(answers, path):
        raise NotRecorded(("image", path))
    return Unreadable("No such file or directory", missing=True)


def _kept_image(_answers: Answers, _key: str, _library: str) -> None:
    """The library is no part of a host: it may be filled and emptied at any time."""


def _reaches(_answers: Answers, _address: str, _port: str) -> None:
    """Whether a server answers is not kept: that changes from minute to minute."""


def _greeting(_answers: Answers, _address: str, _port: str) -> None:
    """Nor is what it says."""


def _direct_block(_answers: Answers, _path: str) -> None:
    """How a file would be written to is not looked at for all that a host has."""


def _free_in(_answers: Answers, _pool: str) -> None:
    """What is free in a pool is as it was when the snapshot was taken."""


def _iscsi_targets(_answers: Answers, _address: str, _port: str) -> None:
    """What a server lists is not kept either."""


def _iscsi_login(_answers: Answers, *_of: str) -> None:
    """Nor is whom it lets in."""


def _place(answers: Answers, path: str) -> str:
    if path.startswith("/") and not _is_absent(answers, path):
        raise NotRecorded(("place", path))
    return posixpath.normpath(path) if path.startswith("/") else path


# ---- what libvirt has


def _owner(answers: Answers, kind: str, uuid: str) -> str | None:
    for name in answers.get((ALL, kind), ()):
        stored = answers[(kind, name)].stored
        if stored is not None and xmltree.get(stored, "uuid") == uuid:
            return str(name)
    return None


def _volume(answers: Answers, name: str) -> Have:
    """A volume that no pool listed. FleetError where libvirt, too, could not look for it."""
    kind = "storage_volume"
    pool = answers.get(("storage_pool", pool_of(name)))
    if pool is None or pool.stored is None:
        return Have(kind, name)
    folder = xmltree.get(pool.stored, "target/path")
    if pool.live is not None:
        if folder and type_of(pool) in FILE_POOLS and _is_absent(answers, folder):
            raise without_folder(pool.name, folder)
        return Have(kind, name)
    if type_of(pool) != "dir" or not folder:
        return Have(kind, name, facts={UNSEEN: True})
    own = name_in_pool(name)
    if mark_of(own) in (answers.get(("folder", folder)) or ()):
        return Have(kind, name, facts={HALF_MADE: True})
    is_seen = _is_absent(answers, posixpath.join(folder, own))
    return Have(kind, name, facts={} if is_seen else {UNSEEN: True})


def _volume_at(answers: Answers, path: str) -> str:
    for name in answers[(ALL, "storage_volume")]:
        stored = answers[("storage_volume", name)].stored
        if stored is not None and xmltree.get(stored, "target/path") == path:
            return str(name)
    return ""


def _of_vm(nothing: Any) -> Callable[..., Any]:
    """The answer about a VM that was not there, or did not run."""

    def answer(answers: Answers, vm: str, *_of: str) -> Any:
        have = answers.get(("vm", vm))
        if have is not None and have.live is not None:
            raise NotRecorded(("vm", vm))
        return nothing

    return answer


def _inner_snapshots(answers: Answers, vm: str, target: str) -> None:
    have = answers.get(("vm", vm))
    if have is not None and have.exists:
        raise NotRecorded(("inner_snapshots", vm, target))


def _vm_snapshot(answers: Answers, name: str) -> Have:
    """One of those that libvirt has records of."""
    vm = name.partition("/")[0]
    fact = ("snapshots", vm)
    records = answers[fact] if fact in answers else _of_vm(())(answers, vm)
    found = {have.name: have for have in have_of(f"{vm}/", records)}
    return found.get(name) or Have("vm_snapshot", name)


def _daemons(answers: Answers, network: str) -> list[Any]:
    return [one for one in answers.get(("network_daemons",), ()) if one.network == network]


def _leases(_answers: Answers, _vswitch: str) -> list[Any]:
    return []


def _migratable(answers: Answers, vm: str) -> dict[str, str]:
    if (ALL, "vm") in answers and vm not in answers[(ALL, "vm")]:
        return {}
    raise NotRecorded(("migratable", vm))


def _of_machines(asked: str, by_family: bool) -> Callable[..., Any]:
    """What a hypervisor has for a machine type, by what it has for one that is like it."""

    def answer(answers: Answers, arch: str, machine: str, virt_type: str) -> Any:
        machine = answers.get(("machines",), {}).get(machine) or machine
        known = answers.get(("machines_of", arch))
        if known is not None and machine not in known:
            return None
        for fact, found in answers.items():
            is_of_it = fact[0] == asked and (fact[1], fact[3]) == (arch, virt_type)
            if is_of_it and (not by_family or family_of(fact[2]) == family_of(machine)):
                return found
        raise NotRecorded((asked, arch, machine, virt_type))

    return answer


FOLLOWS: dict[str, Callable[..., Any]] = {
    "file": _file,
    "folder": _folder,
    "written": _written,
    "image": _image,
    "kept_image": _kept_image,
    "place": _place,
    "reaches": _reaches,
    "owner": _owner,
    "storage_volume": _volume,
    "volume_at": _volume_at,
    "snapshots": _of_vm(()),
    "direct_block": _direct_block,
    "free_in": _free_in,
    "greeting": _greeting,
    "iscsi_login": _iscsi_login,
    "iscsi_targets": _iscsi_targets,
    "inner_snapshots": _inner_snapshots,
    "checkpoints": _of_vm(()),
    "vm_job": _of_vm(""),
    "vm_snapshot": _vm_snapshot,
    "controllers": _of_vm(()),
    "backup": _of_vm(""),
    "block_job": _of_vm(""),
    "migratable": _migratable,
    "device_models": _of_machines("device_models", by_family=True),
    "guest_cpus": _of_machines("guest_cpus", by_family=False),
    "noted_daemons": _daemons,
    "leases": _leases,
}


def judged_here(answers: Answers, fact: Fact) -> Any:
    """The same, and what libvirt's parser says, which needs no host but its Python binding."""
    from ..host.connection import IMPORT_ERROR

    if fact[0] not in ("parsed", "parser_refusal") or key_of(fact) == fact or IMPORT_ERROR:
        return following(answers, fact)
    from ..host import judgement

    return getattr(judgement, fact[0])(*fact[1:])
