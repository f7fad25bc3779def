# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's secrets, as far as pools and disks refer to them: whether there is such a one."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.host import Secret
from ...engine.plan import Have
from ...engine.world import World
from ...engine.xmltree import Element

# The types of usage that there are, and what `<auth>` and `<encryption>` call them.
USAGES = {"ceph": "ceph", "iscsi": "iscsi", "chap": "iscsi", "passphrase": "volume", "vtpm": "vtpm"}

Used = tuple[str, Element]  # a type of usage as it is called there, and what names the secret


def lacks(world: World, usage: str, secret: Element | None) -> str:
    """What a `<secret>` refers to, and there will be none, in words.

    Nothing where there is one, or where nobody can tell. `usage` is one of USAGES.
    """
    by_uuid, by_usage = (secret.get(at) if secret is not None else None for at in ("uuid", "usage"))
    there = world.host.secrets if by_uuid or by_usage else None
    if there is None:
        return ""
    there = _as_planned(there, world.planned("secret"))
    if by_uuid and by_uuid.lower() not in {one.uuid for one in there}:
        return f"the secret with the UUID {by_uuid}"
    usages = {(one.usage_type, one.usage) for one in there}
    if by_usage and usage in USAGES and (USAGES[usage], by_usage) not in usages:
        return f"the secret {by_usage} (type {USAGES[usage]})"
    return ""


def comes(world: World, before: Element | None, part: Element) -> bool:
    """Whether what names a secret names one that this run is to make, or in check mode one that an
    earlier task may: none that was named before, which is missing."""
    had = set() if before is None else {_name(usage, one) for usage, one in used_in(before)}
    planned = [have for have in world.planned("secret") if have.exists]
    names = {name for have in planned for name in (have.name, _secret(have).uuid)}
    for usage, secret in used_in(part):
        name = _name(usage, secret)
        is_new = world.assume_missing and name not in had
        if name in names or (is_new and lacks(world, usage, secret)):
            return True
    return False


def _name(usage: str, secret: Element) -> str:
    """The UUID by which it is named, or its type and name."""
    return (secret.get("uuid") or "").lower() or f"{USAGES.get(usage, usage)}/{secret.get('usage')}"


def _as_planned(there: list[Secret], planned: list[Have]) -> list[Secret]:
    """The secrets of a host with those that come, and without those that go."""
    names = {have.name for have in planned}
    stays = [one for one in there if f"{one.usage_type}/{one.usage}" not in names]
    return [*stays, *(_secret(have) for have in planned if have.exists)]


def _secret(have: Have) -> Secret:
    usage_type, _slash, usage = have.name.partition("/")
    return Secret(xmltree.get(have.definition, "uuid") or "", usage_type, usage)


def used_in(tree: Element) -> Iterator[Used]:
    """The secrets that a pool, a volume, a domain or a part of one names."""
    for auth in tree.iter("auth"):
        for secret in auth.findall("secret"):
            yield secret.get("type") or auth.get("type") or "", secret
    for encryption in tree.iter("encryption"):
        for secret in encryption.findall("secret"):
            yield secret.get("type", "passphrase"), secret
        if encryption.get("secret"):  # of a TPM's state
            yield "vtpm", Element("secret", {"uuid": encryption.get("secret", "")})
