# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules for pytest-testinfra that read VMs, vswitches, pools, volumes and cgroups.

Loaded with PYTEST_PLUGINS=ansible_collections.kvm.fleet.extensions.testinfra. They ask virsh and
the kernel of the host under test, and share no code with the collection's modules: a test that
uses them judges the collection from outside.
"""

from __future__ import annotations

import functools
from typing import Any

from testinfra.host import Host
from testinfra.modules.base import Module

from .cgroup import CgroupOfVm
from .resource_pool import ResourcePool
from .storage import StoragePool, StorageVolume
from .vm import Vm
from .vswitch import Vswitch

MODULES: dict[str, type[Module]] = {
    "vm": Vm,
    "vswitch": Vswitch,
    "storage_pool": StoragePool,
    "storage_volume": StorageVolume,
    "cgroup_of_vm": CgroupOfVm,
    "resource_pool": ResourcePool,
}


def pytest_configure(config: Any) -> None:
    """Give every testinfra host these modules; testinfra itself has no registry to enter."""
    for name, module in MODULES.items():
        attribute = functools.cached_property(functools.partial(_bind, module))
        attribute.__set_name__(Host, name)
        setattr(Host, name, attribute)


def _bind(module: type[Module], host: Host) -> Any:
    return module.get_module(host)
