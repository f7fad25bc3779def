#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm: declares a virtual machine of a KVM host."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.storage_volume.kind import KIND as STORAGE_VOLUME
from ..module_utils.kinds.vm.going import volumes_that_go
from ..module_utils.kinds.vm.kind import KIND as VM
from ..module_utils.run.module import ADMISSION_SPEC, CHANGES_SPEC, create_module
from ..module_utils.run.planning import Promising, Rule
from ..module_utils.run.runner import Waiting, run
from ..module_utils.run.templates import completed


def _rules_of_changes() -> tuple[Rule, ...]:
    from ..module_utils.kinds.together.vm_rules import RULES

    return RULES


def _promising() -> Promising:
    from ..module_utils.run import promising

    return promising


def _waiting() -> Waiting:
    from ..module_utils.run.waiting import waiting

    return waiting


@for_one_task
def main() -> None:
    module = create_module({**CHANGES_SPEC, **ADMISSION_SPEC, **VM.spec()})
    run(
        module,
        kinds=(STORAGE_VOLUME, VM),
        parse=VM.parse,
        shown=VM.name,
        rules_of_changes=_rules_of_changes,
        promising=_promising,
        waiting=_waiting,
        completed=completed,
        more=volumes_that_go,
    )


if __name__ == "__main__":
    main()
