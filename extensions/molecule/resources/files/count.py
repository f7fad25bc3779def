"""Has a tiny guest write 0, 1, 2 and so on to its disk, a number in each sector, without an end."""

from __future__ import annotations

import sys

from support.guest import TinyGuest

LOOP = """
i=0
while :; do
    printf '%-511s\\n' $i | dd of=/dev/vda bs=512 seek=$i conv=notrunc,fsync 2>/dev/null || exit
    echo $i >/tmp/counted
    i=$((i + 1))
    usleep 250000
done
"""

guest = TinyGuest(sys.argv[1])
guest.wait_ready()
rc, said = guest.shell(
    f"cat >/tmp/count <<'END'\n{LOOP}\nEND\nsetsid sh /tmp/count >/dev/null 2>&1 </dev/null &"
)
assert rc == 0, said
