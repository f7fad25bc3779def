# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`host_config`: everything one host carries, declared in one task, and what is pruned from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils import arguments, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.connection import Host
from ansible_collections.kvm.fleet.plugins.module_utils.errors import (
    FleetError,
    FleetErrors,
    Mistakes,
)
from ansible_collections.kvm.fleet.plugins.module_utils.fields import ABSENT
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.base import Kind
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool.kind import (
    KIND as STORAGE_POOL,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import (
    KIND as STORAGE_VOLUME,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND as VM
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.storage import volumes_that_go
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.kind import KIND as VSWITCH
from ansible_collections.kvm.fleet.plugins.module_utils.plan import Have, Wanted

KINDS: tuple[Kind, ...] = (STORAGE_POOL, STORAGE_VOLUME, VSWITCH, VM)
SECTIONS: dict[str, Kind] = {
    "storage_pools": STORAGE_POOL,
    "storage_volumes": STORAGE_VOLUME,
    "vswitches": VSWITCH,
    "vms": VM,
}
# What a host carries for nobody but its VMs. Storage is never pruned.
PRUNABLE: tuple[Kind, ...] = (VM, VSWITCH)

SPEC: dict[str, Any] = {
    **{section: {"type": "list", "elements": "dict", "default": []} for section in SECTIONS},
    "prune": {"type": "bool", "default": False},
    "prune_limit": {"type": "int", "default": 5},
}


def parse(params: Mapping[str, Any]) -> list[Wanted]:
    """All declarations of a host; every mistake in any of them is reported."""
    mistakes = Mistakes()
    wanted: list[Wanted] = []
    for section, kind in SECTIONS.items():
        validator = ArgumentSpecValidator(kind.spec())
        for item in params[section]:
            wanted += _declared(kind, validator, item, mistakes)
    mistakes.raise_any()
    return wanted


def _declared(
    kind: Kind, validator: ArgumentSpecValidator, item: Mapping[str, Any], mistakes: Mistakes
) -> list[Wanted]:
    name = "/".join(str(item[part]) for part in ("pool", "name") if item.get(part))
    resource = f"{kind.name}/{name or '?'}"
    params, wrong = arguments.check(validator, item)
    if wrong:
        for message in wrong:
            mistakes.add(message, resource=resource)
        return []
    try:
        return kind.parse(params)
    except FleetErrors as errors:
        mistakes.extend(error.within(resource) for error in errors.errors)
    except FleetError as error:
        mistakes.extend([error.within(resource)])
    return []


def pruner(prune: bool, limit: int) -> Callable[[Host, Sequence[Wanted]], list[Wanted]]:
    """What goes beside what was declared absent: volumes of VMs that go, and what is pruned."""

    def more(host: Host, wanted: Sequence[Wanted]) -> list[Wanted]:
        pruned = _pruned(host, wanted, limit) if prune else []
        return [*volumes_that_go(host, wanted), *pruned]

    return more


def _pruned(host: Host, wanted: Sequence[Wanted], limit: int) -> list[Wanted]:
    declared = {(one.kind, one.name) for one in wanted}
    goes = [
        _absent(kind, name)
        for kind in PRUNABLE
        for name, have in kind.read(host, None).items()
        if (kind.name, name) not in declared and _is_ours(have)
    ]
    if len(goes) > limit:
        names = ", ".join(one.resource for one in goes)
        raise FleetError(
            f"prune would remove {len(goes)} things and prune_limit is {limit}: {names}; "
            "declare those that stay, or raise the limit"
        )
    return goes


def _is_ours(have: Have) -> bool:
    """Whether the collection made it, and nobody protected it since."""
    if have.stored is None:
        return False
    managed = xmltree.get(have.stored, "metadata/fleet:resource/@managed") == "yes"
    return managed and xmltree.get(have.stored, "metadata/fleet:resource/@protected") != "yes"


def _absent(kind: Kind, name: str) -> Wanted:
    params = ArgumentSpecValidator(kind.spec()).validate({"name": name, "state": ABSENT})
    return kind.parse(params.validated_parameters)[0]
