"""The tests of a stage are counted right, and no empty stage is taken for a passed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import counts
from support.counts import Counts, Ended

REPORT = """<testsuites>
  <testsuite tests="7" failures="1" errors="1" skipped="2" name="pytest"/>
</testsuites>"""

MOLECULE_OUTPUT = """
\x1b[32m===== \x1b[32m\x1b[1m3 passed\x1b[0m, \x1b[33m1 skipped\x1b[0m\x1b[32m in 1.05s ====\x1b[0m
INFO     default scenario test matrix
=================== 1 failed, 2 passed, 1 error in 70.10s (0:01:10) ===================
"""


def test_a_report_of_pytest_is_counted(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert counts.junit_counts(report) == Counts(passed=3, failed=2, skipped=2)


def test_a_missing_report_has_no_tests(tmp_path: Path) -> None:
    assert counts.junit_counts(tmp_path / "none.xml") == Counts()


def test_all_summaries_of_molecule_are_counted() -> None:
    assert counts.summary_counts(MOLECULE_OUTPUT) == Counts(passed=5, failed=2, skipped=1)


def test_summaries_without_a_total_of_the_scenarios_are_no_tests() -> None:
    assert counts.molecule_counts(Ended(0, "== 3 passed in 9.00s ==\n")) == Counts(failed=1)


@pytest.mark.parametrize(
    ("found", "returncode", "expected"),
    [
        (Counts(passed=3), 0, Counts(passed=3)),
        (Counts(passed=3, failed=1), 1, Counts(passed=3, failed=1)),
        (Counts(passed=3), 1, Counts(passed=3, failed=1)),
        (Counts(), 5, Counts(failed=1)),
        (Counts(), 0, Counts(failed=1)),
        (Counts(skipped=2), 0, Counts(skipped=2)),
    ],
)
def test_nothing_hides_a_failure(found: Counts, returncode: int, expected: Counts) -> None:
    assert counts.counted(found, Ended(returncode, "")) == expected
