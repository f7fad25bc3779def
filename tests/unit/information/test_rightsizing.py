"""What is proposed for a VM, by recorded numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kvm.fleet.plugins.module_utils.information import usage
from ansible_collections.kvm.fleet.plugins.module_utils.information.proposals import (
    declaration_of,
    has_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.information.rightsizing import (
    MIB,
    Aim,
    Has,
    Measured,
    Proposal,
    Sample,
    Use,
    measured,
    proposed,
)

GIB = 1024 * MIB
AIM = Aim()


def used(cpu: tuple[float, float], memory: tuple[int, int] | None = None) -> Measured:
    return Measured(600.0, 60, Use(*cpu), Use(*memory) if memory else None)


def series(*cores: float, memory: int | None = None, waits: float = 0.0) -> list[Sample]:
    """Samples of every 10 s, in which so many cores were used, and waited for."""
    samples = [Sample(0.0, 5.0, 1.0, memory)]
    for each in cores:
        last = samples[-1]
        samples.append(
            Sample(last.at + 10, last.cpu_s + each * 10, last.delay_s + waits * 10, memory)
        )
    return samples


# ---- what samples say


def test_an_average_and_a_peak() -> None:
    found = measured(series(0.5, 1.5, 1.0, memory=GIB))
    assert found == Measured(30.0, 3, Use(1.0, 1.5), Use(GIB, GIB))


def test_what_a_vm_waited_for_it_would_have_used() -> None:
    assert measured(series(0.5, 0.5, waits=0.25)).cpu == Use(0.75, 0.75)


def test_an_interval_in_which_it_was_restarted_does_not_count() -> None:
    again = [Sample(sample.at + 100, sample.cpu_s) for sample in series(1.0, 1.0)]
    found = measured([*series(1.0, 3.0), *again])
    assert (found.intervals, found.window_s, found.cpu) == (4, 40.0, Use(1.5, 3.0))


def test_the_order_in_which_samples_are_given_is_none() -> None:
    assert measured(series(0.5, 1.5)[::-1]) == measured(series(0.5, 1.5))


def test_one_sample_says_nothing() -> None:
    assert measured(series()) == measured([]) == Measured(0.0, 0, None, None)


# ---- what is proposed


@pytest.mark.parametrize(
    ("has", "cpu", "count"),
    [
        (4, (1.3, 1.6), None),  # 1.3 of 4 is too little, see below
        (2, (1.3, 1.6), None),  # 65 %
        (8, (1.3, 1.6), 2),
        (8, (1.3, 5.0), 6),  # the peak and its margin: 5.75
        (2, (1.7, 1.9), 3),
        (4, (0.0, 0.0), 1),
        (1, (0.01, 0.5), None),
        (1, (1.0, 1.0), 2),
    ],
)
def test_vcpus(has: int, cpu: tuple[float, float], count: int | None) -> None:
    expected = 2 if (has, cpu[0]) == (4, 1.3) else count
    assert proposed(Has(has, GIB), used(cpu), AIM).cpus == expected


def test_a_reservation_and_a_limit_follow_the_use() -> None:
    has = Has(4, GIB, cpu_limit=4.0, cpu_reservation=3.0)
    found = proposed(has, used((0.65, 0.8)), AIM)
    assert (found.cpus, found.cpu_limit, found.cpu_reservation) == (1, 1.0, 1.0)
    assert proposed(Has(4, GIB), used((0.65, 0.8)), AIM).cpu_reservation is None


def test_a_limit_that_holds_a_vm_back_grows() -> None:
    found = proposed(Has(4, GIB, cpu_limit=1.0), used((0.95, 1.0)), AIM)
    assert found.cpu_limit == 1.5
    assert any("used all that it has" in why for why in found.why)


def test_memory_in_sizes_that_can_be_read() -> None:
    found = proposed(Has(1, 8 * GIB), used((0.65, 0.7), (2 * GIB, 2 * GIB)), AIM)
    assert found.memory == 3328 * MIB  # 2048 / 65 % is 3150.8, in steps of 256
    kept = proposed(Has(1, 3 * GIB), used((0.65, 0.7), (2 * GIB, 2 * GIB)), AIM)
    assert kept.memory is None


def test_a_memory_reservation_is_of_use_too_and_all_stays_all() -> None:
    use = used((0.65, 0.7), (GIB, GIB))
    assert proposed(Has(1, 8 * GIB, memory_reservation=8 * GIB), use, AIM).memory_reservation == (
        1792 * MIB
    )
    assert proposed(Has(1, 8 * GIB, reserves_all=True), use, AIM).memory_reservation is None


def test_a_moment_and_a_silent_guest_propose_nothing() -> None:
    short = proposed(Has(8, GIB), measured(series(0.1, 0.1)), AIM)
    assert not short.changes and "measured 2 times" in short.why[0]
    silent = proposed(Has(8, GIB), used((0.1, 0.1)), AIM)
    assert silent.memory is None
    assert any("does not tell" in why for why in silent.why)


CORES = st.floats(0, 64, allow_nan=False)
USES = st.tuples(CORES, CORES).map(sorted).map(lambda two: Use(*two))
BYTES = st.integers(0, 512 * GIB)
MEMORIES = st.tuples(BYTES, BYTES).map(sorted).map(lambda two: Use(*two))
LIMITS = st.sampled_from([0.0, 0.5, 2.0, 16.0])
HAS = st.builds(
    Has,
    cpus=st.integers(1, 128),
    memory=st.integers(1, 1024).map(lambda n: n * 64 * MIB),
    cpu_limit=LIMITS,
    cpu_reservation=LIMITS,
    memory_reservation=st.integers(0, 64).map(lambda n: n * 64 * MIB),
)


@given(HAS, USES, MEMORIES)
def test_nothing_is_proposed_below_the_peak_and_its_margin(has: Has, cpu: Use, memory: Use) -> None:
    found = proposed(has, Measured(600, 60, cpu, memory), AIM)
    most = 1 + AIM.margin - 1e-6
    for cores in (found.cpus, found.cpu_limit, found.cpu_reservation):
        assert cores is None or cores >= cpu.peak * most
    for size in (found.memory, found.memory_reservation):
        assert size is None or size >= memory.peak * most


@given(HAS, USES, MEMORIES)
def test_what_was_proposed_is_right(has: Has, cpu: Use, memory: Use) -> None:
    """The same use proposes nothing more, so a pipeline does not go to and fro."""
    found = Measured(600, 60, cpu, memory)
    first = proposed(has, found, AIM)
    then = Has(*(b if a is None else a for a, b in zip(_sizes(first), has)), has.reserves_all)
    assert not proposed(then, found, AIM).changes


def _sizes(one: Proposal) -> tuple[float | None, ...]:
    return one.cpus, one.memory, one.cpu_limit, one.cpu_reservation, one.memory_reservation


# ---- what libvirt counts, and options


RECORD = {
    "cpu.time": 12_500_000_000,
    "vcpu.maximum": 2,
    "vcpu.0.delay": 1_000_000_000,
    "vcpu.1.delay": 500_000_000,
    "balloon.current": 4096,
    "balloon.usable": 1024,
    "balloon.last-update": 990,
}


def test_a_record_of_libvirt_is_a_sample() -> None:
    assert usage.sample_of(RECORD, 1000.0) == Sample(1000.0, 12.5, 1.5, 3072 * 1024)


@pytest.mark.parametrize("without", ["balloon.usable", "balloon.last-update"])
def test_a_guest_that_tells_nothing_or_told_it_long_ago(without: str) -> None:
    record = {name: value for name, value in RECORD.items() if name != without}
    assert usage.sample_of(record, 1000.0).memory is None


@pytest.mark.parametrize(
    ("began", "ended", "pause"),
    [
        (0, 0.1, 4.9),
        (5, 12, 2.5),  # a call that took longer than an interval
        (50, 56, 2.5),
        (55, 57, 3),
        (55, 58, None),  # the last 2 s would be a moment
        (60, 60.1, None),
    ],
)
def test_no_two_samples_are_a_moment_apart(began: float, ended: float, pause: float | None) -> None:
    assert usage.pause_s(began, ended, 60, 5) == pause


def test_a_window_shorter_than_an_interval_has_two_samples() -> None:
    assert usage.pause_s(0, 0.1, 1, 5) == 0.9


def test_samples_can_be_given_again() -> None:
    samples = {"web": series(0.5, 1.0, memory=GIB), "db": series(0.1)}
    from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes

    assert usage.given(usage.shown(samples), Mistakes()) == samples


def test_a_proposal_says_what_else_has_to_grow() -> None:
    options = {"cpu": {"count": 2, "maximum": 2}, "memory": {"size": "1GiB", "maximum": "1GiB"}}
    proposal = Proposal(cpus=3, memory=2 * GIB, cpu_reservation=1.5)
    assert declaration_of(proposal, options) == {
        "cpu": {"count": 3, "maximum": 3, "reservation": 1.5},
        "memory": {"size": "2GiB", "maximum": "2GiB"},
    }
    assert declaration_of(Proposal(), options) == {}


def test_what_a_vm_has_by_its_options() -> None:
    options = {"cpu": {"count": 2, "reservation": 1.5}, "memory": {"size": "2GiB"}}
    assert has_of(options) == Has(2, 2 * GIB, cpu_reservation=1.5)
    assert has_of({"memory": {"size": "2GiB", "reservation": "all"}}).reserves_all
