"""`migration` against `virsh migrate` of the same guest, to and fro between two hosts, in turn.

Told are the median times of each way, apart from the start of Ansible and Python: of the module
what it waited for the migration, what the whole of it took with its pre-flight, and what check mode
did, which is little else than the pre-flight; and the downtimes.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import libvirt

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.guest_moves import Moves
from support.two_hosts import two_hosts

ROUNDS = 5
MOST = 1.1  # times that of virsh


def by_virsh(moves: Moves) -> dict[str, float]:
    """Move it to the target by virsh, with its disk, and tell what that took."""
    source, target = moves.hosts.both
    path, images = f"{moves.images}/root.qcow2", moves.images
    target.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "8M"])
    began = time.monotonic()
    source.virsh(
        *("migrate", moves.name, target.tcp_uri, "--live", "--persistent", "--undefinesource"),
        *("--copy-storage-all", "--abort-on-error", "--migrateuri", target.migration_uri),
    )
    took = time.monotonic() - began
    connection = libvirt.open(target.uri)
    stats: dict[str, Any] = connection.lookupByName(moves.name).jobStats(3)
    connection.close()
    source.outside(images / "root.qcow2").unlink()
    return {"s": took, "downtime_ms": stats.get("downtime_net", stats.get("downtime", 0))}


def by_module(moves: Moves) -> dict[str, float]:
    """The same by the module."""
    source, target = moves.hosts.both
    target.virsh("pool-refresh", moves.pool)
    source.virsh("pool-refresh", moves.pool)
    began = time.monotonic()
    moves.move(check=True, remove_source_storage=True)
    check_s = time.monotonic() - began
    began = time.monotonic()
    done = moves.move(remove_source_storage=True)
    took = time.monotonic() - began
    assert not done.get("failed"), done["msg"]
    told = done["statistics"]
    return {
        "s": told["waited_ms"] / 1000,
        "whole_s": took,
        "check_s": check_s,
        "downtime_ms": told["downtime_ms"],
    }


def come_back(moves: Moves) -> None:
    """Have the VM at the source again, as it was."""
    for host in moves.hosts.both:
        if moves.name in host.virsh("list", "--all", "--name"):
            host.try_run(["virsh", "destroy", moves.name])
            host.try_run(["virsh", "undefine", moves.name])
        for file in host.outside(moves.images).iterdir():
            file.unlink()
        host.virsh("pool-refresh", moves.pool)
    moves.start_counting(fill_mib=15)


def main() -> int:
    """Measure, print, and fail where the module takes too long."""
    found: dict[str, list[dict[str, float]]] = {"virsh": [], "module": []}
    with two_hosts(Path(tempfile.mkdtemp(prefix="kvmf-", dir="/tmp") + "h")) as hosts:
        moves = Moves(hosts, "bench-")
        moves.make_pools()
        for _round in range(ROUNDS):
            come_back(moves)
            found["virsh"].append(by_virsh(moves))
            come_back(moves)
            found["module"].append(by_module(moves))
        moves.clear()
    return told(found)


def told(found: dict[str, list[dict[str, float]]]) -> int:
    """The medians, and whether they are good enough."""
    median = {
        (way, what): statistics.median(one[what] for one in ones)
        for way, ones in found.items()
        for what in ones[0]
    }
    ratio = median["module", "s"] / median["virsh", "s"]
    for (way, what), value in median.items():
        print(f"{way:7} {what:12} {value:8.3f}")
    print(f"ratio of the migrations {ratio:.2f}, at most {MOST}")
    return 0 if ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
