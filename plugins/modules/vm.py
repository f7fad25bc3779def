#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
"""

EXAMPLES = r"""
"""

RETURN = r"""
"""

from ansible_collections.kvm.fleet.plugins.module_utils import rules
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import KIND as STORAGE_POOL
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import KIND as STORAGE_VOLUME
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND as VM
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.storage import volumes_that_go
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import KIND as VSWITCH
from ansible_collections.kvm.fleet.plugins.module_utils.runner import URI_SPEC, create_module, run


def main() -> None:
    module = create_module({**URI_SPEC, **VM.spec()})
    run(
        module,
        kinds=(STORAGE_POOL, STORAGE_VOLUME, VSWITCH, VM),
        parse=VM.parse,
        shown=VM.name,
        rules=(rules.unique_macs, rules.nothing_in_use_goes),
        more=volumes_that_go,
    )


if __name__ == "__main__":
    main()
