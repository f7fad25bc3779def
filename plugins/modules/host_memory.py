#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_memory: huge pages and merged pages of the machine where it runs."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.kinds.host_memory.declared import SPEC
from ..module_utils.run.module import create_module
from ..module_utils.run.on_this_machine import run


@for_one_task
def main() -> None:
    """Converge this machine's memory."""
    run(create_module(SPEC))


if __name__ == "__main__":
    main()
