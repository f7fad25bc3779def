#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module reservation: promises CPU and memory to a VM that is there."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.vm.reservation import KIND as RESERVATION
from ..module_utils.run.module import ADMISSION_SPEC, CHANGES_SPEC, create_module
from ..module_utils.run.planning import Promising, Rule
from ..module_utils.run.runner import run


def _rules_of_changes() -> tuple[Rule, ...]:
    from ..module_utils.kinds.together.vm_rules import RULES

    return RULES


def _promising() -> Promising:
    from ..module_utils.run import promising

    return promising


@for_one_task
def main() -> None:
    module = create_module({**CHANGES_SPEC, **ADMISSION_SPEC, **RESERVATION.spec()})
    run(
        module,
        kinds=(RESERVATION,),
        parse=RESERVATION.parse,
        shown=RESERVATION.name,
        rules_of_changes=_rules_of_changes,
        promising=_promising,
    )


if __name__ == "__main__":
    main()
