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

from ansible_collections.kvm.fleet.plugins.module_utils import host_config, rules
from ansible_collections.kvm.fleet.plugins.module_utils.runner import URI_SPEC, create_module, run


def main() -> None:
    module = create_module({**URI_SPEC, **host_config.SPEC})
    run(
        module,
        kinds=host_config.KINDS,
        parse=host_config.parse,
        rules=(rules.unique_macs, rules.nothing_in_use_goes),
        more=host_config.pruner(module.params["prune"], module.params["prune_limit"]),
    )


if __name__ == "__main__":
    main()
