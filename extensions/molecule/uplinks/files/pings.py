"""Has a tiny guest ping addresses five times a second, and tells what of it was lost.

    pings.py start|stop GUEST ADDRESS...

What `stop` prints has `sent` and `received` of each address, and `longest_s`, the longest time in
which nothing came back.
"""

from __future__ import annotations

import json
import sys

from support.guest import TinyGuest

INTERVAL_S = 0.2
START = (
    f"setsid ping -i {INTERVAL_S} {{0}} >/tmp/pings-{{0}} 2>&1 </dev/null &"
    " echo $! >/tmp/pinger-{0}"
)
# ping counts when it is interrupted, and has to be given the time to say so.
STOP = """
kill -INT $(cat /tmp/pinger-{0})
while kill -0 $(cat /tmp/pinger-{0}) 2>/dev/null; do usleep 100000; done
sed -n 's/.* seq=\\([0-9]*\\) .*/\\1/p; s/ packets transmitted.*//p' /tmp/pings-{0}
"""


def told(numbers: list[int]) -> dict[str, float]:
    """Of the numbers of those that came back, and behind them how many were sent."""
    *came, sent = numbers
    came = sorted(set(came))
    # The last ones may be on their way when ping ends.
    gaps = [after - before - 1 for before, after in zip([-1, *came], came)]
    return {
        "sent": came[-1] + 1 if came else sent,
        "received": len(came),
        "longest_s": round(max(gaps, default=sent) * INTERVAL_S, 1),
    }


what, name, *addresses = sys.argv[1:]
guest, found = TinyGuest(name), {}
guest.wait_ready()
for address in addresses:
    rc, said = guest.shell((START if what == "start" else STOP).format(address))
    assert rc == 0, said
    if what == "stop":
        found[address] = told([int(number) for number in said.split()])
if found:
    sys.stdout.write(f"{json.dumps(found)}\n")
