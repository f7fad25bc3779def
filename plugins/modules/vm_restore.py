#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_restore: a VM is as it was in a backup."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.vm_restore.declared import SPEC
from ..module_utils.run.module import CHANGES_SPEC, create_module
from ..module_utils.run.restoring import run


@for_one_task
def main() -> None:
    """Have one VM be as in a backup."""
    run(create_module({**CHANGES_SPEC, **SPEC}))


if __name__ == "__main__":
    main()
