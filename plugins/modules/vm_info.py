#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_info: tells of the virtual machines of a KVM host."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.information.module import tell
from ..module_utils.information.vm_facts import gather
from ..module_utils.kinds.vm.reader_addresses import SOURCES


@for_one_task
def main() -> None:
    """Tell of the VMs of one host."""
    spec = {
        "names": {"type": "list", "elements": "str"},
        "addresses": {"type": "list", "elements": "str", "choices": list(SOURCES)},
        "statistics": {"type": "bool", "default": False},
        "resources": {"type": "bool", "default": False},
    }
    tell(spec, gather)


if __name__ == "__main__":
    main()
