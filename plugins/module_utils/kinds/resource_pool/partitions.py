# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs are in which resource pool, as partitions of libvirt say it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...engine import xmltree
from ...engine.codecs import Codec
from ...engine.plan import Have
from ...engine.xmltree import Element
from .naming import NAME, PARTITION

PATH = "resource/partition"


def partition() -> Codec:
    """A pool by its path, or a partition of others, which begins with a slash; `""` is none.

    libvirt puts into the definition that runs where a VM is that says nothing: `/machine`.
    """

    def parse(given: Any) -> str:
        value = decode(str(given))
        names = value.strip("/").split("/")
        if value and not all(NAME.fullmatch(name) for name in names):
            raise ValueError(f"{given!r} is not the path of a pool, such as gold or gold/inner")
        return value

    def decode(found: str | None) -> str:
        value = found or ""
        if value == PARTITION:
            return ""
        return value[len(PARTITION) + 1 :] if value.startswith(f"{PARTITION}/") else value

    def encode(value: str) -> str | None:
        return value if value.startswith("/") else f"{PARTITION}/{value}" if value else None

    return Codec(parse, decode, encode)


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
