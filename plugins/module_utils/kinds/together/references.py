# SPDX-License-Identifier: GPL-3.0-or-later
"""Who refers to whom on a host: so that nothing goes before those that use it."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.plan import Have
from ..resource_pool.paths import above, parent_of
from ..resource_pool.paths import pool_of as resource_pool_of
from ..storage_volume.volumes import backing_of, pool_of

# Where a domain names files that are no disk's.
FILES = ("os/kernel", "os/initrd", "os/dtb", "os/loader", "os/nvram", "os/nvram/@template")
DEVICES = (
    ("devices/memory/source/path", ""),
    ("devices/serial[@type='file']/source", "path"),
    ("devices/parallel[@type='file']/source", "path"),
)

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
    if have.kind == "resource_pool" and trees and parent_of(have.name):
        return {(have.kind, parent_of(have.name))}
    if have.kind == "storage_volume" and trees:
        return {("storage_pool", pool_of(have.name))} | _at(backing_of(have))
    return set()


def _uses_of_domain(domain: xmltree.Element) -> Iterator[Reference]:
    for pool in above(resource_pool_of(domain)):
        yield "resource_pool", pool
    for source in domain.findall("devices/interface/source"):
        yield "vswitch", source.get("network", "")
    for source in domain.iterfind("devices/disk//source"):  # those of backing images too
        if source.get("volume"):
            yield "storage_volume", f"{source.get('pool')}/{source.get('volume')}"
        yield from _at(source.get("file") or source.get("dev"))
    for path in _files_of_domain(domain):
        yield "path", path


def files_of(have: Have) -> set[str]:
    """What a VM has of files beside its disks, stored or running."""
    trees = [tree for tree in (have.stored, have.live) if tree is not None]
    return {path for tree in trees for path in _files_of_domain(tree)}


def _files_of_domain(domain: xmltree.Element) -> Iterator[str]:
    for path in FILES:
        yield from filter(None, [xmltree.get(domain, path)])
    for path, attribute in DEVICES:
        for element in domain.iterfind(path):
            found = element.get(attribute) if attribute else (element.text or "").strip()
            yield from filter(None, [found])


def _at(path: str | None) -> set[Reference]:
    return {("path", path)} if path else set()
