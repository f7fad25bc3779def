#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_backup_export: the disks of a VM as of one moment, over NBD."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.vm_backup_export.declared import SPEC
from ..module_utils.run.backup_exporting import run
from ..module_utils.run.module import CHANGES_SPEC, create_module


@for_one_task
def main() -> None:
    """Have the export of one VM be as declared."""
    run(create_module({**CHANGES_SPEC, **SPEC}))


if __name__ == "__main__":
    main()
