"""What a tiny guest reads of its disk after a move: seen.py GUEST POOL MILLISECONDS."""

from __future__ import annotations

import json
import sys

from support.guest import TinyGuest

name, pool, took_ms = sys.argv[1:]
guest = TinyGuest(name)
told = {
    "pool": pool,
    "took_ms": int(took_ms),
    "sha256": guest.checksum("vda", 8192, 2048),
    "path": guest.virsh("domblklist", name).split("vda")[1].split()[0],
}
sys.stdout.write(f"{json.dumps(told)}\n")
