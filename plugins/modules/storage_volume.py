#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module storage_volume: declares a volume of a storage pool."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.storage_volume.kind import KIND
from ..module_utils.kinds.together import taken_up
from ..module_utils.run.module import CHANGES_SPEC, create_module
from ..module_utils.run.planning import Rule
from ..module_utils.run.runner import run


def _rules_of_changes() -> tuple[Rule, ...]:
    from ..module_utils.kinds.images import one_writer
    from ..module_utils.kinds.together import rules, templates
    from ..module_utils.kinds.vm import block_jobs

    return (
        rules.nothing_in_use_goes,
        one_writer.one_writer,
        block_jobs.no_job_is_disturbed,
        templates.not_written,
    )


@for_one_task
def main() -> None:
    """Converge one storage volume."""
    module = create_module({**CHANGES_SPEC, **KIND.spec()})
    run(
        module,
        kinds=(KIND,),
        parse=KIND.parse,
        shown=KIND.name,
        rules=(taken_up.none_unwelcome,),
        rules_of_changes=_rules_of_changes,
    )


if __name__ == "__main__":
    main()
