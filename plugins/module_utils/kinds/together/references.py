# SPDX-License-Identifier: GPL-3.0-or-later
"""Who refers to whom on a host: so that nothing goes before those that use it."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.plan import Have
from ..images.servers import place_of
from ..resource_pool.paths import above, parent_of
from ..resource_pool.paths import pool_of as resource_pool_of
from ..storage_volume.volumes import backing_of, image_in, pool_of
from .secrets import USAGES, used_in

# Where a domain names files that are no disk's.
FILES = ("os/kernel", "os/initrd", "os/dtb", "os/loader", "os/nvram", "os/nvram/@template")
DEVICES = (
    ("devices/memory/source/path", ""),
    ("devices/serial[@type='file']/source", "path"),
    ("devices/parallel[@type='file']/source", "path"),
)

SECRET_UUID = "secret_uuid"  # whoever names a secret by its UUID
Reference = tuple[str, str]  # (kind, name), or ("path", where a volume or an image is)


def names_of(have: Have) -> set[Reference]:
    """What others on the host may call it by."""
    names = {(have.kind, have.name)}
    if have.kind == "storage_volume" and have.stored is not None:
        names |= _at(image_in(have.stored))
    if have.kind == "secret" and have.stored is not None:
        names.add((SECRET_UUID, (xmltree.get(have.stored, "uuid") or "").lower()))
    return names


def uses_of(have: Have) -> set[Reference]:
    """What a resource as it is stands on, stored or running."""
    trees = [tree for tree in (have.stored, have.live) if tree is not None]
    secrets = {reference for tree in trees for reference in _secrets_of(tree)}
    if have.kind == "vm":
        return secrets | {reference for tree in trees for reference in _uses_of_domain(tree)}
    if have.kind == "resource_pool" and trees and parent_of(have.name):
        return {(have.kind, parent_of(have.name))}
    if have.kind == "storage_volume" and trees:
        at = {("storage_pool", pool_of(have.name))} | _at(backing_of(have))
        return at | secrets | _secret_of_volume(trees[0])
    return secrets if have.kind == "storage_pool" else set()


def _secrets_of(tree: xmltree.Element) -> Iterator[Reference]:
    for usage, secret in used_in(tree):
        if secret.get("uuid"):
            yield SECRET_UUID, secret.get("uuid", "").lower()
        if secret.get("usage"):
            yield "secret", f"{USAGES.get(usage, usage)}/{secret.get('usage')}"


def _secret_of_volume(volume: xmltree.Element) -> set[Reference]:
    """The secret that is kept for an encrypted volume under its path."""
    path = xmltree.get(volume, "target/path")
    is_encrypted = volume.find("target/encryption") is not None
    return {("secret", f"volume/{path}")} if path and is_encrypted else set()


def _uses_of_domain(domain: xmltree.Element) -> Iterator[Reference]:
    for pool in above(resource_pool_of(domain)):
        yield "resource_pool", pool
    for source in domain.findall("devices/interface/source"):
        yield "vswitch", source.get("network", "")
    for source in domain.iterfind("devices/disk//source"):  # those of backing images too
        if source.get("volume"):
            yield "storage_volume", f"{source.get('pool')}/{source.get('volume')}"
        yield from _at(place_of(source))
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
