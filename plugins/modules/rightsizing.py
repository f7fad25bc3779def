#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module rightsizing: proposes sizes for VMs by what they used."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.information import usage
from ..module_utils.information.module import found_in
from ..module_utils.information.proposals import gather
from ..module_utils.kinds.vm.kind import KIND
from ..module_utils.run.module import URI_SPEC, create_module

SPEC = {
    "names": {"type": "list", "elements": "str"},
    "window_s": {"type": "float", "default": 60},
    "interval_s": {"type": "float", "default": 5},
    "samples": {"type": "list", "elements": "dict", "options": usage.SPEC},
    "lowest_percent": {"type": "float", "default": 60},
    "highest_percent": {"type": "float", "default": 70},
    "margin_percent": {"type": "float", "default": 15},
}


@for_one_task
def main() -> None:
    """Propose sizes for the VMs of one host."""
    module = create_module({**URI_SPEC, **SPEC})
    found = found_in(module, (KIND,), lambda host, world: gather(host, world, module.params))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
