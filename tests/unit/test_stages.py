"""The runner of the stages counts right and takes no empty stage for a passed one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support import stages
from support.stages import Counts, Ended, Stage

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
    assert stages.junit_counts(report) == Counts(passed=3, failed=2, skipped=2)


def test_a_missing_report_has_no_tests(tmp_path: Path) -> None:
    assert stages.junit_counts(tmp_path / "none.xml") == Counts()


def test_all_summaries_of_molecule_are_counted() -> None:
    assert stages.summary_counts(MOLECULE_OUTPUT) == Counts(passed=5, failed=2, skipped=1)


def test_summaries_without_a_total_of_the_scenarios_are_no_tests() -> None:
    assert stages.molecule_counts(Ended(0, "== 3 passed in 9.00s ==\n")) == Counts(failed=1)


@pytest.mark.parametrize(
    ("counts", "returncode", "expected"),
    [
        (Counts(passed=3), 0, Counts(passed=3)),
        (Counts(passed=3, failed=1), 1, Counts(passed=3, failed=1)),
        (Counts(passed=3), 1, Counts(passed=3, failed=1)),
        (Counts(), 5, Counts(failed=1)),
        (Counts(), 0, Counts(failed=1)),
        (Counts(skipped=2), 0, Counts(skipped=2)),
    ],
)
def test_nothing_hides_a_failure(counts: Counts, returncode: int, expected: Counts) -> None:
    assert stages.counted(counts, Ended(returncode, "")) == expected


def test_a_failed_stage_does_not_stop_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, "ROOT", tmp_path)
    monkeypatch.setattr(stages, "LOGS", tmp_path)
    monkeypatch.setattr(stages, "all_stages", lambda _options: two_stages())
    assert stages.main([]) == 1
    printed = capsys.readouterr().out
    assert printed.endswith("\n1 passed, 1 failed, 0 skipped\n")
    assert "=== the end of bad, from bad.log\nsaid\n\nstage " in printed
    assert (tmp_path / "bad.log").read_text() == "said\n"


def two_stages() -> list[Stage]:
    bad = [sys.executable, "-c", "print('said'); raise SystemExit(3)"]
    good = [sys.executable, "-c", ""]
    return [
        Stage("bad", bad, 60, stages.one_test),
        Stage("good", good, 60, stages.one_test),
    ]


def test_a_stage_is_stopped_at_its_time_limit(tmp_path: Path) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    ended = stages.run_logged(sleeper, 0.5, tmp_path / "log")
    assert ended.returncode != 0


def test_an_unknown_stage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        stages.main(["untit"])
    assert "unknown stage untit; known are lint, sanity, unit" in capsys.readouterr().err
