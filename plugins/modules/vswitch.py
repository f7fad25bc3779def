#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vswitch: declares a virtual switch of a KVM host."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.vswitch.kind import KIND
from ..module_utils.run.module import CHANGES_SPEC, create_module
from ..module_utils.run.runner import run


@for_one_task
def main() -> None:
    """Converge one vswitch."""
    module = create_module({**CHANGES_SPEC, **KIND.spec()})
    run(module, (KIND,), KIND.parse, shown=KIND.name)


if __name__ == "__main__":
    main()
