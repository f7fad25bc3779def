"""CPU time: what users write, quotas of other periods, and what must hold between its options."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import units, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import key_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import cpu_time, tree


@pytest.mark.parametrize(
    "given, millicores", [("2", 2000), (1.5, 1500), ("0.001", 1), (0.1 + 0.2, 300), (0, 0)]
)
def test_cores_are_counted_in_thousandths(given: object, millicores: int) -> None:
    assert units.parse_cores(given) == millicores
    assert units.parse_cores(units.cores_of(millicores)) == millicores


@pytest.mark.parametrize("given", ["", "two", "-1", "1.0001", "1e3", "nan", "inf", "1_0", "9" * 40])
def test_what_is_no_number_of_cores(given: str) -> None:
    with pytest.raises(ValueError):
        units.parse_cores(given)


@pytest.mark.parametrize("period", [None, 1_000, 12_345, 100_000, 1_000_000])
@pytest.mark.parametrize("limit", [1, 1.5, 3.999])
def test_a_limit_is_read_as_it_was_set_whatever_the_period(period: int | None, limit: Any) -> None:
    said = f"<global_period>{period}</global_period>" if period else ""
    domain = xmltree.parse(
        f"<domain><vcpu>4</vcpu><cputune>{said}<global_quota>1007</global_quota></cputune></domain>"
    )
    after = tree.edited(domain, {cpu_time.LIMIT: limit})
    assert tree.domain_values(after)[cpu_time.LIMIT] == limit
    assert xmltree.get(after, cpu_time.PERIOD) == xmltree.get(domain, cpu_time.PERIOD)
    assert xmltree.same(after, tree.edited(after, {cpu_time.LIMIT: limit}))


@pytest.mark.parametrize("quota", ["-1", "0", "17592186044415"])
def test_a_quota_of_others_that_is_none_stays(quota: str) -> None:
    text = f"<domain><vcpu>4</vcpu><cputune><global_quota>{quota}</global_quota></cputune></domain>"
    domain = xmltree.parse(text)
    limit = tree.domain_values(domain)[cpu_time.LIMIT]
    assert limit == (0 if int(quota) <= 0 else 175921860.444)
    assert xmltree.same(domain, tree.edited(domain, {cpu_time.LIMIT: limit}))


@pytest.mark.parametrize(
    "word, count, shares",
    [("low", 1, 50), ("normal", 4, 400), ("high", 4, 800), ("high", 100, 10_000)],
)
def test_shares_in_words_are_so_many_for_each_vcpu(word: str, count: int, shares: int) -> None:
    declared = {cpu_time.SHARES: word, cpu_time.COUNT: count}
    cpu_time.resolve(declared, {cpu_time.COUNT: 7})
    kept = {cpu_time.SHARES: word}
    cpu_time.resolve(kept, {cpu_time.COUNT: count})
    assert declared[cpu_time.SHARES] == kept[cpu_time.SHARES] == shares


@pytest.mark.parametrize(
    "declared, field",
    [
        ({"cpu.reservation": 2}, "cpu.reservation"),
        ({"cpu.count": 1}, "cpu.count"),
        ({"cpu.count": 1, "cpu.reservation": 2}, "cpu.reservation"),
    ],
)
def test_too_few_vcpus_for_what_is_reserved(declared: dict[str, Any], field: str) -> None:
    mistakes = Mistakes("vm/web")
    after = {
        cpu_time.RESERVATION: 2,
        cpu_time.LIMIT: 0,
        cpu_time.COUNT: 1,
        cpu_time.DEDICATED: False,
    }
    cpu_time.check(after, {key_of(name): value for name, value in declared.items()}, mistakes)
    assert [error.field for error in mistakes.errors] == [field]
