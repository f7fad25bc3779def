#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module evacuation: says where the VMs of a host can go, or how they come back."""

from __future__ import annotations

from ..module_utils.host.one_task import for_one_task
from ..module_utils.run.evacuating import EVACUATION_SPEC, run
from ..module_utils.run.module import create_module


@for_one_task
def main() -> None:
    """Say where the VMs of a host can go, or how they come back."""
    run(create_module(EVACUATION_SPEC))


if __name__ == "__main__":
    main()
