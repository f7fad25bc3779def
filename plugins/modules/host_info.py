#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_info: tells what a KVM host is and carries."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.information.hypervisor_facts import gather
from ..module_utils.information.module import tell


@for_one_task
def main() -> None:
    """Tell of one host."""
    tell({"promises": {"type": "bool", "default": False}}, gather)


if __name__ == "__main__":
    main()
