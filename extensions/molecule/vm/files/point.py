"""Has a tiny guest write what its disk has at one point alone, and tells it: point.py VM POINT."""

from __future__ import annotations

import json
import sys

from support.guest import TinyGuest

vm, point = sys.argv[1:]
guest = TinyGuest(vm)
told = {
    "point": point,
    "sha256": guest.write("vda", 1024, 256, f"point-{point}"),
    "counted": int(guest.shell("cat /tmp/counted")[1]),
}
sys.stdout.write(f"{json.dumps(told)}\n")
