# SPDX-License-Identifier: GPL-3.0-or-later
"""What it means that libvirt did not remove a volume, where it shows what the storage said."""

from __future__ import annotations

import re

STAYS = (
    # Ceph, of which libvirt tells a wrong error number.
    (
        r"failed to remove volume '(?P<volume>[^']+)'",
        "Ceph does not remove it: it has snapshots (rbd snap ls {volume}) and maybe clones on them "
        "(rbd children --all {volume}), or somebody has it open (rbd status {volume}); remove or "
        "flatten the clones first, then the snapshots (rbd snap unprotect, rbd snap purge)",
    ),
    (
        r"cannot destroy '(?P<volume>[^']+)': volume has",
        "ZFS does not remove it: it has snapshots (zfs list -t snapshot {volume}), and there may "
        "be clones of these; remove them first (zfs destroy)",
    ),
)


def why_it_stays(told: str) -> str:
    """Why a volume was not removed, in words with a way out; empty where these are no better."""
    for pattern, message in STAYS:
        found = re.search(pattern, told)
        if found:
            return message.format(**found.groupdict())
    return ""
