#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_snapshot: a KVM host as a file, for plans without the host."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.information.module import found_on
from ..module_utils.run.module import URI_SPEC, create_module, write_file
from ..module_utils.run.taking import PATHS, as_text, take


@for_one_task
def main() -> None:
    paths = {"type": "list", "elements": "path", "default": list(PATHS)}
    module = create_module({**URI_SPEC, "dest": {"type": "path"}, "paths": paths})
    snapshot = found_on(module, lambda host: take(host, module.params["paths"]))
    text, dest = as_text(snapshot), module.params["dest"]
    done = write_file(module, dest, text, 0o600) if dest else {"changed": False, "text": text}
    module.exit_json(digest=snapshot["digest"], **done)


if __name__ == "__main__":
    main()
