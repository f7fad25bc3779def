#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module migration_check: whether a VM can move to another KVM host."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.moving.hosts import HOSTS_SPEC
from ..module_utils.moving.options import OPTIONS_SPEC
from ..module_utils.run.checking_moves import FAIL_SPEC, run
from ..module_utils.run.module import create_module


@for_one_task
def main() -> None:
    """Look at the move of one VM."""
    run(create_module({**HOSTS_SPEC, **OPTIONS_SPEC, **FAIL_SPEC}))


if __name__ == "__main__":
    main()
