# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a seed for cloud-init shows in a VM: its values, its note and its drive."""

from __future__ import annotations

from ...engine.keys import Key
from ...engine.plan import Plan

CLOUD_INIT = "cloud_init"
NOTE = "metadata/fleet-seed:seed"
DRIVE: Key = ("cdroms", "cloud-init")

# The program that makes it, where Debian, Fedora and their kin, or an administrator, put it.
XORRISO = ("/usr/bin/xorriso", "/usr/local/bin/xorriso")

# What is compared and never shown: whoever writes a whole file may write a password into it.
HIDDEN_PARTS = ("password_hash", "user_data", "vendor_data", "meta_data", "network_config")
# What goes into a seed, and then what is to be known of it.
CONTENT = ("hostname", "user", "ssh_keys", "nics", *HIDDEN_PARTS)
PARTS = (*CONTENT, "machine_id", "instance_id", "detach", "volume", "former")
KEYS: tuple[Key, ...] = tuple((CLOUD_INIT, part) for part in PARTS)

# POOL/NAME of the volume in the drive, empty once it is detached; and those that are yet to go.
VOLUME, FORMER = (CLOUD_INIT, "volume"), (CLOUD_INIT, "former")
# Whether the guest makes itself another machine-id, as one that is made from a template.
MACHINE_ID, OWN = (CLOUD_INIT, "machine_id"), "own"
INSTANCE_ID, DETACH, NICS = (
    (CLOUD_INIT, "instance_id"),
    (CLOUD_INIT, "detach"),
    (CLOUD_INIT, "nics"),
)


def volume_field(name: str) -> Key:
    """Of what a change is by which a volume, POOL/NAME, that was a seed goes or stays.

    Each has its own, since a diff shows one line of a field.
    """
    return (CLOUD_INIT, "volumes", name)


def seeds(plan: Plan) -> bool:
    """Whether a plan is about a seed, too."""
    return any(change.field[0] == CLOUD_INIT for change in plan.changes)
