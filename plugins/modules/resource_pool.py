#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module resource_pool: declares a resource pool of a KVM host."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.resource_pool.kind import KIND
from ..module_utils.kinds.together import admission, rules
from ..module_utils.run.module import ADMISSION_SPEC, CHANGES_SPEC, create_module
from ..module_utils.run.planning import Promising, Rule
from ..module_utils.run.runner import run


def _rules_of_changes() -> tuple[Rule, ...]:
    return (rules.nothing_in_use_goes, admission.admitted)


def _promising() -> Promising:
    from ..module_utils.run import promising

    return promising


@for_one_task
def main() -> None:
    """Converge one resource pool."""
    module = create_module({**CHANGES_SPEC, **ADMISSION_SPEC, **KIND.spec()})
    run(
        module,
        kinds=(KIND,),
        parse=KIND.parse,
        shown=KIND.name,
        rules_of_changes=_rules_of_changes,
        promising=_promising,
    )


if __name__ == "__main__":
    main()
