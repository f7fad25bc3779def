#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module migration: a VM lives on a host."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.moving.hosts import HOSTS_SPEC
from ..module_utils.moving.options import OPTIONS_SPEC
from ..module_utils.run.module import create_module
from ..module_utils.run.moving import run
from ..module_utils.run.moving_changes import SPEC, options_within


@for_one_task
def main() -> None:
    """Have one VM live on its host."""
    run(create_module({**HOSTS_SPEC, **OPTIONS_SPEC, **SPEC}, options_within()))


if __name__ == "__main__":
    main()
