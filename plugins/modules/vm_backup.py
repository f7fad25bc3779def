#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_backup: backups of a VM, full and incremental, in a folder of the host."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.vm_backup.declared import SPEC
from ..module_utils.run.backing_up import run
from ..module_utils.run.module import CHANGES_SPEC, create_module


@for_one_task
def main() -> None:
    """Converge the backups of one VM."""
    run(create_module({**CHANGES_SPEC, **SPEC}))


if __name__ == "__main__":
    main()
