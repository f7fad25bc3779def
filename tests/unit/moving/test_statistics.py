"""What is told of a migration that is over, by what libvirt kept of real ones."""

from __future__ import annotations

from typing import Any

from ansible_collections.kvm.fleet.plugins.module_utils.moving.statistics import (
    NOT_KNOWN,
    statistics,
)

# A guest of 32 MiB with a disk of 8 MiB at 4 MiB/s, as its source kept it (libvirt 9.0).
RECORDED: dict[str, Any] = {
    "operation": 5, "time_elapsed": 8081, "time_elapsed_net": 8070, "downtime": 89,
    "downtime_net": 78, "setup_time": 0, "data_total": 42467328, "data_processed": 24802687,
    "data_remaining": 0, "memory_total": 33947648, "memory_processed": 16283007,
    "memory_remaining": 0, "memory_bps": 4209224, "memory_constant": 4338, "memory_normal": 3958,
    "memory_normal_bytes": 16211968, "memory_dirty_rate": 0, "memory_iteration": 3,
    "memory_postcopy_requests": 0, "memory_page_size": 4096, "disk_total": 8519680,
    "disk_processed": 8519680, "disk_remaining": 0, "type": 3,
}  # fmt: skip
# As it was told where the clock of the target was 0.92 s ahead of that of the source.
AHEAD = {
    **RECORDED,
    **{"time_elapsed": 9000, "time_elapsed_net": 8080, "downtime": 1550, "downtime_net": 640},
}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in RECORDED.items() if name not in names}


def test_all_is_told_of_a_migration() -> None:
    assert statistics(RECORDED, 8351) == {
        "mode": "live",
        "waited_ms": 8351,
        "total_ms": 8070,
        "downtime_ms": 78,
        "setup_ms": 0,
        "rounds": 3,
        "memory": {
            "total_bytes": 33947648,
            "transferred_bytes": 16283007,
            "zero_pages": 4338,
            "dirty_pages_per_s": 0,
            "page_bytes": 4096,
        },
        "disks": {"total_bytes": 8519680, "transferred_bytes": 8519680},
        "rate_bytes_per_s": 3073443,
        "notes": [],
    }


def test_the_difference_of_two_clocks_is_no_downtime() -> None:
    told = statistics(AHEAD, 8351)
    assert (told["downtime_ms"], told["total_ms"], told["notes"]) == (640, 8080, [])


def test_a_clock_that_may_be_behind_is_told() -> None:
    told = statistics(without("time_elapsed_net", "downtime_net"), 8351)
    assert told["downtime_ms"] == 89
    assert "may be behind" in told["notes"][0]


def test_what_is_of_an_earlier_move_is_not_told() -> None:
    older = without("time_elapsed_net", "downtime_net")
    told = statistics(older, 2000)
    assert told == {"mode": "live", "waited_ms": 2000, "notes": [NOT_KNOWN]}


def test_what_is_of_another_job_is_not_told() -> None:
    for job in ({}, {**RECORDED, "operation": 2}, {**RECORDED, "type": 2}):
        assert statistics(job, 8351)["notes"] == [NOT_KNOWN]


def test_a_total_time_by_two_clocks_gives_way_to_ours() -> None:
    told = statistics({**RECORDED, "time_elapsed_net": 20000}, 8351)
    assert told["total_ms"] == 8351
    assert "clocks of the hosts differ" in told["notes"][0]


def test_the_downtime_is_held_against_what_was_declared() -> None:
    assert statistics(RECORDED, 8351, 100)["within_downtime"] is True
    assert statistics(RECORDED, 8351, 50)["within_downtime"] is False
    assert statistics(without("downtime", "downtime_net"), 8351, 50)["within_downtime"] is None


def test_a_guest_that_was_slowed_down_is_told() -> None:
    assert statistics({**RECORDED, "auto_converge_throttle": 40}, 8351)["throttled_percent"] == 40
