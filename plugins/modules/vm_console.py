#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_console: what a guest writes to its serial port."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.information import console
from ..module_utils.information.module import found_on
from ..module_utils.run.module import URI_SPEC, create_module


@for_one_task
def main() -> None:
    """Return what came, which the action of the same name writes to a file."""
    spec = {
        **URI_SPEC,
        "name": {"type": "str", "required": True},
        "dest": {"type": "path", "required": True},
        "until": {"type": "str"},
        "timeout_s": {"type": "int", "default": 120},
        "start": {"type": "bool", "default": False},
        "force": {"type": "bool", "default": False},
        "device": {"type": "str"},
        "lines": {"type": "int", "default": 10},
    }
    module = create_module(spec)
    console.prepare()
    found = found_on(module, lambda host: console.capture(host, module.params, module.check_mode))
    for warning in found.pop("warnings", ()):
        module.warn(warning)
    told = {"changed": found.get("started", False), **found}
    if told.pop("failed", False):
        module.fail_json(**told)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
