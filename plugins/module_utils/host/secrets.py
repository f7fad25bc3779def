# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's secrets, as far as pools and disks refer to them: whether there is such a one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..engine.xmltree import Element
from .connection import Host, libvirt

# The types of usage that storage has, and what a pool's `<auth>` calls them.
USAGES = {"ceph": "CEPH", "iscsi": "ISCSI", "chap": "ISCSI"}


def lacks(host: Host, usage: str, secret: Element | None) -> str:
    """What a `<secret>` refers to and the host does not have, in words.

    Nothing where it has it, or where nobody can tell. `usage` is ceph, iscsi or a pool's chap.
    """
    by_uuid, by_usage = (secret.get(at) if secret is not None else None for at in ("uuid", "usage"))
    if by_uuid and _is_missing(partial(host.conn.secretLookupByUUIDString, by_uuid)):
        return f"the secret with the UUID {by_uuid}"
    if by_usage and usage in USAGES:
        number = getattr(libvirt, f"VIR_SECRET_USAGE_TYPE_{USAGES[usage]}")
        if _is_missing(partial(host.conn.secretLookupByUsage, number, by_usage)):
            return f"the secret {by_usage} (usage {USAGES[usage].lower()})"
    return ""


def _is_missing(look_up: Callable[[], Any]) -> bool:
    try:
        look_up()
    except libvirt.libvirtError as error:
        return bool(error.get_error_code() == libvirt.VIR_ERR_NO_SECRET)
    return False
