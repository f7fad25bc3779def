#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module storage_pool: declares a storage pool of a KVM host."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.images import one_writer
from ..module_utils.kinds.storage_pool.kind import KIND
from ..module_utils.kinds.together import rules
from ..module_utils.run.module import CHANGES_SPEC, create_module
from ..module_utils.run.planning import Rule
from ..module_utils.run.runner import run


def _rules_of_changes() -> tuple[Rule, ...]:

    return (
        rules.nothing_in_use_goes,
        one_writer.one_writer,
    )


@for_one_task
def main() -> None:
    """Converge one storage pool."""
    module = create_module({**CHANGES_SPEC, **KIND.spec()})
    run(
        module,
        kinds=(KIND,),
        parse=KIND.parse,
        shown=KIND.name,
        rules_of_changes=_rules_of_changes,
    )


if __name__ == "__main__":
    main()
