# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's secrets, as far as pools and disks refer to them: whether there is such a one."""

from __future__ import annotations

from ...engine.host import HostFacts
from ...engine.xmltree import Element

# The types of usage that storage has, and what a pool's `<auth>` calls them.
USAGES = {"ceph": "ceph", "iscsi": "iscsi", "chap": "iscsi"}


def lacks(host: HostFacts, usage: str, secret: Element | None) -> str:
    """What a `<secret>` refers to and the host does not have, in words.

    Nothing where it has it, or where nobody can tell. `usage` is ceph, iscsi or a pool's chap.
    """
    by_uuid, by_usage = (secret.get(at) if secret is not None else None for at in ("uuid", "usage"))
    there = host.secrets if by_uuid or by_usage else None
    if there is None:
        return ""
    if by_uuid and by_uuid.lower() not in {one.uuid for one in there}:
        return f"the secret with the UUID {by_uuid}"
    usages = {(one.usage_type, one.usage) for one in there}
    if by_usage and usage in USAGES and (USAGES[usage], by_usage) not in usages:
        return f"the secret {by_usage} (usage {USAGES[usage]})"
    return ""
