"""Counts tests: in pytest's reports, and in what Molecule and the runner of the scenarios print."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
PYTEST_SUMMARY = re.compile(r"^=+ (.*) in [\d.]+s.* =+$", re.MULTILINE)
SUMMARY_COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?|xfailed|xpassed)")
SCENARIOS_TOTAL = re.compile(
    r"^scenarios: (\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE
)


@dataclass(frozen=True)
class Counts:
    """How many tests ended in which way."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True)
class Ended:
    """How one command ended."""

    returncode: int
    output: str


def one_test(ended: Ended) -> Counts:
    """A command that passes or fails as a whole."""
    return Counts(failed=1) if ended.returncode else Counts(passed=1)


def counted(counts: Counts, ended: Ended) -> Counts:
    """The counts, or one failure more where they hide that the stage failed or tested nothing."""
    hides_failure = ended.returncode != 0 and counts.failed == 0
    if hides_failure or counts == Counts():
        return counts + Counts(failed=1)
    return counts


def junit_counts(report: Path) -> Counts:
    """The tests in a report of pytest; none if there is no report."""
    if not report.exists():
        return Counts()
    total = Counts()
    for suite in ET.parse(report).getroot().iter("testsuite"):
        tests, failures, errors, skipped = (
            int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")
        )
        failed = failures + errors
        # A test that passes and then fails in its teardown is reported twice but is one test.
        total += Counts(max(0, tests - failed - skipped), failed, skipped)
    return total


def summary_counts(output: str) -> Counts:
    """The tests in all of pytest's summary lines of an output, as Molecule shows them."""
    total = Counts()
    for summary in PYTEST_SUMMARY.findall(COLOURS.sub("", output)):
        for number, outcome in SUMMARY_COUNT.findall(summary):
            total += _one_count(int(number), outcome)
    return total


def _one_count(number: int, outcome: str) -> Counts:
    if outcome == "passed":
        return Counts(passed=number)
    if outcome in ("skipped", "xfailed"):
        return Counts(skipped=number)
    return Counts(failed=number)


def scenarios_total(counts: Counts) -> str:
    """The last line of tests/scenarios.py, which `molecule_counts` reads."""
    return f"scenarios: {counts}"


def molecule_counts(ended: Ended) -> Counts:
    """What the last line says: before it are also runs that were repeated, and ends shown again."""
    totals = SCENARIOS_TOTAL.findall(ended.output)
    counts = Counts(*map(int, totals[-1])) if totals else Counts()
    return counted(counts, ended)
