#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_config: declares everything that a KVM host carries."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.together import taken_up
from ..module_utils.run import host_config
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
    spec = {**CHANGES_SPEC, **ADMISSION_SPEC, **host_config.SPEC}
    module = create_module(spec, host_config.options_within())
    run(
        module,
        kinds=host_config.KINDS,
        parse=host_config.parse,
        rules=(taken_up.none_unwelcome,),
        rules_of_changes=_rules_of_changes,
        promising=_promising,
        waiting=_waiting,
        completed=completed,
        more=host_config.more(module.params, module.warn),
    )


if __name__ == "__main__":
    main()
