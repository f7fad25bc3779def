# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's hook does as a VM starts and ends. It is installed on hosts, and calls no libvirt.

A start calls it for `prepare`, before there is a QEMU, and for `started`, when there is a cgroup;
an end for `release`; a daemon that comes back for `reconnect`, with each VM that runs. Only
`prepare` may fail, and only to keep a promise: at `reconnect` libvirt would kill the VM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

from ..engine.promises_held import Vm
from . import cgroups
from .capacity import SYSTEM, Places
from .enforcing import admit, settle
from .noted import fault, forget, note_call, process_mark, record
from .promise_xml import vm_of_xml


def called(
    operation: str, definition: str, daemon: int, places: Places = SYSTEM
) -> tuple[int, Sequence[str]]:
    """What libvirt calls the hook for: its exit status, and what is said to who starts the VM.

    A fault of our own stops nothing; it is noted, and told by the next run.
    """
    vm = Vm("?")
    try:
        vm = vm_of_xml(definition)
        note_call(places, daemon)
        said = OPERATIONS[operation](places, vm, daemon)
    except Exception as error:
        fault(places, f"{operation} of {vm.resource}: {type(error).__name__}: {error}")
        return 0, ()
    return (1, said) if said else (0, ())


def _prepare(places: Places, vm: Vm, daemon: int) -> list[str]:
    starter = process_mark(places, daemon)
    try:
        return admit(places, vm, starter)
    except Exception:
        record(places, vm, starter=starter)  # nobody looked at it, and it holds what it holds
        raise


def _started(places: Places, vm: Vm, daemon: int) -> list[str]:
    """It holds what it was promised, also where nothing of it is found in the kernel: then for as
    long as the daemon that has it."""
    can_hold = cgroups.version(places) == 2
    scope = cgroups.scope_of_vm(places, vm.name) if can_hold else ""
    record(places, vm, scope, "" if scope else process_mark(places, daemon))
    _tell(places, settle(places))
    if can_hold and not scope:
        raise LookupError("its cgroup is not found")
    return []


def _release(places: Places, vm: Vm, _daemon: int) -> list[str]:
    if forget(places, vm.uuid):
        _tell(places, settle(places))
    return []


def _tell(places: Places, lacks: Sequence[str]) -> None:
    for one in lacks:
        fault(places, one)


OPERATIONS: dict[str, Callable[[Places, Vm, int], list[str]]] = {
    "prepare": _prepare,
    "started": _started,
    "reconnect": _started,
    "release": _release,
}
