#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_screenshot: a picture of the screen of a VM."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.information.module import found_on
from ..module_utils.information.screen import take
from ..module_utils.run.module import URI_SPEC, create_module


@for_one_task
def main() -> None:
    """Return the picture, which the action of the same name writes to a file."""
    spec = {
        **URI_SPEC,
        "name": {"type": "str", "required": True},
        "dest": {"type": "path", "required": True},
        "screen": {"type": "int", "default": 0},
    }
    module = create_module(spec)
    found = found_on(module, lambda host: take(host, module.params, module.check_mode))
    for warning in found.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(**{"changed": False, **found})


if __name__ == "__main__":
    main()
