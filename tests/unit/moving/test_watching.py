"""When a migration goes on for too long, or has come to a stand."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.moving.options import Options
from ansible_collections.kvm.fleet.plugins.module_utils.moving.watching import (
    ABORT,
    GOES_ON,
    PREPARE_S,
    SILENCE_S,
    START_S,
    Limits,
    Watch,
    limits_of,
    progress_of,
)

GIB = 2**30
JOB = {"type": 2, "data_total": 100 * 2**20, "data_remaining": 40 * 2**20, "memory_iteration": 1}


def watch(timeout_s: float = 1000, stall_s: float = 60, on_timeout: str = "cancel") -> Watch:
    return Watch(Limits(timeout_s, stall_s, on_timeout), began=100.0)


def moving(done: int) -> dict[str, int]:
    return {**JOB, "data_processed": done}


def test_what_moves_goes_on() -> None:
    one = watch()
    assert [one.see(100 + 50 * n, moving(n)) for n in range(1, 10)] == [GOES_ON] * 9


def test_what_stands_still_is_aborted_once() -> None:
    one = watch()
    assert one.see(110, moving(5)) == GOES_ON
    assert one.see(170, moving(5)) == GOES_ON
    assert one.see(171, moving(5)) == ABORT
    assert "nothing was transferred for 61 s" in one.why
    assert one.see(300, moving(5)) == GOES_ON, "it is told to abort once"


def test_a_target_that_is_silent_is_not_waited_for_until_it_could_let_the_guest_run() -> None:
    one = watch()
    assert one.see(110, moving(5), silent_s=SILENCE_S) == GOES_ON
    assert one.see(111, moving(6), silent_s=SILENCE_S + 1) == ABORT
    assert "libvirt at the target has not answered for 11 s" in one.why
    assert one.see(112, moving(7), silent_s=SILENCE_S + 2) == GOES_ON, "it is told to abort once"


def test_until_the_first_byte_it_may_take_longer() -> None:
    one = watch(stall_s=10)
    nothing = {"type": 1, "data_processed": 0}
    assert one.see(101, nothing) == GOES_ON
    assert one.see(101 + START_S, nothing) == GOES_ON
    assert one.see(102 + START_S, nothing) == ABORT


def test_a_target_that_gets_ready_has_longer_and_is_named() -> None:
    one = watch(stall_s=10)
    assert one.see(100 + PREPARE_S, {"type": 0}) == GOES_ON
    assert one.see(101 + PREPARE_S, {}) == ABORT
    assert "the target was not ready to take it within 301 s" in one.why


def test_once_it_is_ready_its_time_to_connect_begins() -> None:
    one = watch(stall_s=10)
    nothing = {"type": 2, "data_processed": 0}
    assert one.see(100 + PREPARE_S, {}) == GOES_ON
    assert one.see(101 + PREPARE_S, nothing) == GOES_ON
    assert one.see(101 + PREPARE_S + START_S, nothing) == GOES_ON
    assert one.see(102 + PREPARE_S + START_S, nothing) == ABORT
    assert "reach each other" in one.why


def test_times_that_grow_are_no_progress() -> None:
    one = watch()
    one.see(101, {**moving(5), "time_elapsed": 1})
    assert one.see(170, {**moving(5), "time_elapsed": 2, "downtime": 9}) == ABORT


def test_statistics_that_libvirt_did_not_tell_are_none() -> None:
    one = watch()
    one.see(110, moving(5))
    assert one.see(120, {}) == GOES_ON
    assert one.see(171, {}) == ABORT


@pytest.mark.parametrize("action", ["pause", "post_copy"])
def test_after_its_time_it_is_paused_or_switched_once(action: str) -> None:
    one = watch(timeout_s=10, on_timeout=action)
    assert one.see(110, moving(1)) == GOES_ON
    assert one.see(111, moving(2)) == action
    assert one.see(112, moving(3)) == GOES_ON
    assert one.see(113 + 60, moving(3)) == ABORT, "what stands still is aborted all the same"


def test_after_its_time_it_is_cancelled_and_said_what_to_do() -> None:
    one = watch(timeout_s=10)
    assert one.see(111, moving(2)) == ABORT
    assert "not done within 10 s; 40 MiB were left in round 1" in one.why
    for option in ("timeout_s", "bandwidth", "downtime_ms", "auto_converge", "on_timeout: pause"):
        assert option in one.why


def test_the_time_that_it_has_is_by_its_size_and_bandwidth() -> None:
    assert limits_of(Options(), 0).timeout_s == 600
    assert limits_of(Options(), 10 * GIB).timeout_s == 3000
    slow = limits_of(Options(bandwidth=2**20), GIB)
    assert slow.timeout_s == 4 * 1024
    assert limits_of(Options(bandwidth=2**20, stall_s=5), 0).stall_s == 16, "a burst takes so long"
    assert limits_of(Options(timeout_s=5, stall_s=7), 10 * GIB)[:2] == (5, 7)


def test_progress_is_told_in_percent() -> None:
    told = progress_of(3.14159, {**moving(60), "memory_bps": 5, "disk_bps": 6})
    assert told == {
        "seconds": 3.1,
        "percent": 60,
        "remaining_bytes": 40 * 2**20,
        "transferred_bytes": 60,
        "bytes_per_s": 11,
        "rounds": 1,
    }
    assert progress_of(0, {})["percent"] == 0
