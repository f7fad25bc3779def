"""Makes this checkout importable as ansible_collections.kvm.fleet, for pytest from any folder."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
COLLECTIONS = ROOT / ".ansible" / "collections"


def link_collection() -> None:
    """Give the checkout the path below which Ansible and Python look for a collection."""
    link = COLLECTIONS / "ansible_collections" / "kvm" / "fleet"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to("../../../..")


link_collection()
sys.path.insert(0, str(COLLECTIONS))
