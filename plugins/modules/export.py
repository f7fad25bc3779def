#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module export: writes the declarations of all that a KVM host carries."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.information.module import found_in
from ..module_utils.run.exporting import VOLUMES, export
from ..module_utils.run.host_config import KINDS
from ..module_utils.run.host_vars import written
from ..module_utils.run.module import URI_SPEC, create_module, write_file

SPEC = {
    "dest": {"type": "path"},
    "prefix": {"type": "str", "default": "kvm_"},
    "volumes": {"type": "str", "choices": list(VOLUMES), "default": "used"},
}


@for_one_task
def main() -> None:
    module = create_module({**URI_SPEC, **SPEC})
    params = module.params
    exported = found_in(module, KINDS, lambda _host, world: export(world, params["volumes"]))
    for warning in exported.warnings:
        module.warn(warning)
    variables = {f"{params['prefix']}{name}": told for name, told in exported.sections.items()}
    text = written(variables, "What this host carries, as kvm.fleet.export found it.")
    done = write_file(module, params["dest"], text) if params["dest"] else {"changed": False}
    module.exit_json(declarations=exported.sections, yaml=text, **done)


if __name__ == "__main__":
    main()
