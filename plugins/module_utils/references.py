# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who refers to whom on a host: so that nothing goes before those that use it."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.kvm.fleet.plugins.module_utils import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.volumes import backing_of, pool_of

Reference = tuple[str, str]  # (kind, name), or ("path", where a volume or an image is)


def names_of(have: Have) -> set[Reference]:
    """What others on the host may call it by."""
    names = {(have.kind, have.name)}
    if have.kind == "storage_volume" and have.stored is not None:
        names |= _at(xmltree.get(have.stored, "target/path"))
    return names


def uses_of(have: Have) -> set[Reference]:
    """What a resource as it is stands on, stored or running."""
    trees = [tree for tree in (have.stored, have.live) if tree is not None]
    if have.kind == "vm":
        return {reference for tree in trees for reference in _uses_of_domain(tree)}
    if have.kind == "storage_volume" and trees:
        return {("storage_pool", pool_of(have.name))} | _at(backing_of(have))
    return set()


def _uses_of_domain(domain: xmltree.Element) -> Iterator[Reference]:
    for source in domain.findall("devices/interface/source"):
        yield "vswitch", source.get("network", "")
    for source in domain.iterfind("devices/disk//source"):  # those of backing images too
        if source.get("volume"):
            yield "storage_volume", f"{source.get('pool')}/{source.get('volume')}"
        yield from _at(source.get("file") or source.get("dev"))
    for tag in ("kernel", "initrd", "dtb", "loader", "nvram"):
        yield from _at(xmltree.get(domain, f"os/{tag}"))


def _at(path: str | None) -> set[Reference]:
    return {("path", path)} if path else set()
