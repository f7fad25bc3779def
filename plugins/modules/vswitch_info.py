#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vswitch_info: tells of the virtual switches of a KVM host."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.information.module import tell
from ..module_utils.information.vswitch_facts import gather


@for_one_task
def main() -> None:
    """Tell of the vswitches of one host."""
    tell({"names": {"type": "list", "elements": "str"}}, gather)


if __name__ == "__main__":
    main()
