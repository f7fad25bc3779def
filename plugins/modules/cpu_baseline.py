#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module cpu_baseline: tells the CPU that all hosts of a group can give to a VM."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.moving.baseline import EMULATED, KVM
from ..module_utils.run.baselining import run
from ..module_utils.run.module import create_module

SPEC = {
    "hosts": {"type": "dict", "required": True},
    "arch": {"type": "str"},
    "machine": {"type": "str"},
    "virt_type": {"type": "str", "choices": ["auto", KVM, EMULATED], "default": "auto"},
}


@for_one_task
def main() -> None:
    """Tell the CPU that all hosts can give."""
    run(create_module(SPEC))


if __name__ == "__main__":
    main()
