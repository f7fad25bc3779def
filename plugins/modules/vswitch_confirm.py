#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vswitch_confirm: tells a host that it can still be reached."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.run.confirming import confirm
from ..module_utils.run.module import URI_SPEC, create_module


@for_one_task
def main() -> None:
    """Confirm a checkpoint, or tell of it."""
    confirm(create_module({**URI_SPEC, "checkpoint": {"type": "str"}}))


if __name__ == "__main__":
    main()
