"""The tables of all kinds, each with what declares, edits and reads it."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import Rows
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import table as pool
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import kind as volume
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import table as vm
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import table as vswitch

ALL_ROWS: dict[str, Rows] = {
    "storage_pool": pool.ROWS,
    "storage_volume": volume.ROWS,
    "vm": vm.ROWS,
    "vswitch": (*vswitch.ROWS, vswitch.HOSTNAMES),
    "vswitch IPv4": vswitch.FAMILIES[0].rows,
    "vswitch IPv6": vswitch.FAMILIES[1].rows,
}
