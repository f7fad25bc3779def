# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an internal snapshot is the one that QEMU finds by its name in the images of a VM.

What others did inside of an image libvirt does not notice: qemu-img takes a name twice, and where
it is to go back it looks for a snapshot of that number before it looks for one of that name.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..vm.snapshots import Snapshot
from .case import Case


def check_one_of_its_name(case: Case, taken: Snapshot) -> None:
    """There are not two of its name, of which QEMU would take the oldest."""
    for path, inner in _images(case, taken):
        count = sum(name == taken.name for _number, name in inner)
        if count > 1:
            case.mistakes.add(
                f"{count} snapshots inside of {path} are called {taken.name}, and QEMU takes the "
                "oldest, which is another than libvirt means; see qemu-img snapshot -l, and remove "
                f"the oldest first (qemu-img snapshot -d {taken.name} {path}, while the VM is off)",
                "name",
            )


def check_goes_back(case: Case, taken: Snapshot) -> None:
    """QEMU goes back to this one."""
    check_one_of_its_name(case, taken)
    for path, inner in _images(case, taken):
        others = [name for number, name in inner if number == taken.name and name != taken.name]
        if others:
            case.mistakes.add(
                f"QEMU takes {taken.name} for the number of the snapshot {others[0]} inside of "
                f"{path}, and would go back to that; remove {others[0]} first",
                "name",
            )
        elif taken.name not in {name for _number, name in inner}:
            case.mistakes.add(
                f"{path} has no snapshot {taken.name} in it any more (qemu-img snapshot -l), so "
                "nothing leads back; remove its record (state: absent)",
                "name",
            )


def _images(case: Case, taken: Snapshot) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The images that have it and are written to by now, each with the snapshots in it."""
    for target in sorted(taken.internal):
        chain, base = case.chain_of.get(target, []), taken.bases.get(target, "")
        inner = case.world.host.inner_snapshots(case.vm_name, target)
        if inner is not None and chain and base and case.place(chain[0]) == case.place(base):
            yield base, inner
