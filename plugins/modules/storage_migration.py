#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module storage_migration: a disk of a VM lives in a storage pool."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.moving.disks.options import SPEC
from ..module_utils.run.module import CHANGES_SPEC, create_module
from ..module_utils.run.moving_disks import run


@for_one_task
def main() -> None:
    """Have one disk live in its pool."""
    run(create_module({**CHANGES_SPEC, **SPEC}))


if __name__ == "__main__":
    main()
