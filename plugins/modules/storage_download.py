#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module storage_download: a volume of a host as a file of the machine where it runs."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.storage_download.declared import SPEC
from ..module_utils.run.downloading import run
from ..module_utils.run.module import CHANGES_SPEC, create_module


@for_one_task
def main() -> None:
    """Have a file be what a volume is."""
    run(create_module({**CHANGES_SPEC, **SPEC}))


if __name__ == "__main__":
    main()
