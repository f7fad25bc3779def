# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths of resource pools, which say what is in what, and the VMs that are in them."""

from __future__ import annotations

from collections.abc import Iterable

from ...engine import xmltree
from ...engine.plan import Have
from ...engine.xmltree import Element

PARTITION = "/machine"
PATH = "resource/partition"  # in a domain


def above(path: str) -> list[str]:
    """A pool and all that it is in, from the outermost on; none of no path."""
    names = path.split("/")
    return ["/".join(names[:deep]) for deep in range(1, len(names) + 1)] if path else []


def parent_of(path: str) -> str:
    """The pool that a pool is in; empty of one that is in none."""
    return path.rpartition("/")[0]


def name_of(path: str) -> str:
    """The name of a pool within its parent."""
    return path.rpartition("/")[2]


# ---- VMs


def pool_of(domain: Element) -> str:
    """The pool that a domain says it is in; empty where it is in none."""
    said = xmltree.get(domain, PATH) or ""
    return said[len(PARTITION) + 1 :] if said.startswith(f"{PARTITION}/") else ""


def pools_of(vm: Have) -> set[str]:
    """Where a VM is, and where it will be when it is started again."""
    return {pool_of(tree) for tree in (vm.stored, vm.live) if tree is not None} - {""}


def vms_in(pool: str, vms: Iterable[Have]) -> list[str]:
    """The VMs in a pool, or in one that is in it."""
    return sorted(
        vm.name for vm in vms if any(f"{one}/".startswith(f"{pool}/") for one in pools_of(vm))
    )
