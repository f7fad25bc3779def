#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_snapshot: a snapshot of a VM is there, is gone, or is gone back to."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.vm_snapshot.kind import KIND
from ..module_utils.run.module import CHANGES_SPEC, create_module
from ..module_utils.run.runner import run


@for_one_task
def main() -> None:
    """Converge one snapshot."""
    module = create_module({**CHANGES_SPEC, **KIND.spec()})
    run(module, kinds=(KIND,), parse=KIND.parse, shown=KIND.name)


if __name__ == "__main__":
    main()
