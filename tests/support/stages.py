"""Runs the stages of the tests one after the other and says how they ended.

A failed stage does not stop the others. Each stage's output goes to the terminal and to
.cache/test-logs/STAGE.log. The last line counts all tests; a stage that is no pytest run counts
as one.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / ".cache" / "test-logs"
PROGRAMS = ROOT / ".venv" / "bin"
# How long a stage may take to clean up after an interrupt or at its time limit.
GRACE_S = 60

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


@dataclass(frozen=True)
class Stage:
    """A name, what runs, for how long at most, and how its tests are counted."""

    name: str
    argv: Sequence[str]
    timeout_s: int
    count: Callable[[Ended], Counts]
    # How much is shown again at the end when it failed: CI shows little more than that.
    end_lines: int = 40


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


def pytest_stage(name: str, timeout_s: int, options: Sequence[str]) -> Stage:
    report = LOGS / f"{name}.xml"
    argv = ["pytest", f"tests/{name}", f"--junitxml={report}", "--durations=5", *options]
    return Stage(name, argv, timeout_s, lambda ended: counted(junit_counts(report), ended))


def scenarios_total(counts: Counts) -> str:
    """The last line of tests/scenarios.py, which `molecule_counts` reads."""
    return f"scenarios: {counts}"


def molecule_counts(ended: Ended) -> Counts:
    """What the last line says: before it are also runs that were repeated, and ends shown again."""
    totals = SCENARIOS_TOTAL.findall(ended.output)
    counts = Counts(*map(int, totals[-1])) if totals else Counts()
    return counted(counts, ended)


def all_stages(pytest_options: Sequence[str]) -> list[Stage]:
    return [
        Stage("lint", ["tools/lint"], 600, one_test),
        Stage("sanity", ["tools/sanity"], 1200, one_test),
        pytest_stage("unit", 600, pytest_options),
        pytest_stage("guest", 1200, pytest_options),
        pytest_stage("integration", 2400, pytest_options),
        pytest_stage("fidelity", 2400, pytest_options),
        Stage(
            "molecule",
            ["python", "tests/scenarios.py"],
            3600,
            molecule_counts,
            end_lines=150,
        ),
    ]


def environment() -> Mapping[str, str]:
    return {
        **os.environ,
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        # Molecule's own choice depends on the name of the checkout's folder only.
        "MOLECULE_EPHEMERAL_DIRECTORY": str(ROOT / ".cache" / "molecule"),
        "PYTHONUNBUFFERED": "1",
    }


def run_logged(argv: Sequence[str], timeout_s: float, log: Path) -> Ended:
    """Run a command, its output to the terminal and to the log, no longer than its time."""
    process = subprocess.Popen(
        argv,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        # What a shell starts in the background ignores Ctrl-C, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    limit = threading.Timer(timeout_s, interrupt, (process, f"stopped after {timeout_s} s"))
    limit.start()
    try:
        output = copy_output(process, log)
    except KeyboardInterrupt:
        interrupt(process, "interrupted")
        raise
    finally:
        limit.cancel()
    return Ended(process.wait(), output)


def copy_output(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout
    lines = []
    with log.open("w", encoding="utf-8") as file:
        for line in process.stdout:
            print(line, end="", flush=True)
            file.write(line)
            lines.append(line)
    return "".join(lines)


def interrupt(process: subprocess.Popen[str], reason: str) -> None:
    """End the command and what it started: first as Ctrl-C does, so that it can clean up."""
    print(f"\n{reason}", flush=True)
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return
        return


@dataclass(frozen=True)
class Row:
    """A line of the table at the end."""

    stage: str
    seconds: float
    counts: Counts

    @property
    def result(self) -> str:
        if self.counts.failed:
            return "FAILED"
        return "passed" if self.counts.passed else "skipped"


def run_stage(stage: Stage) -> Row:
    print(f"\n=== {stage.name}", flush=True)
    (LOGS / f"{stage.name}.xml").unlink(missing_ok=True)
    start = time.monotonic()
    ended = run_logged(stage.argv, stage.timeout_s, LOGS / f"{stage.name}.log")
    return Row(stage.name, time.monotonic() - start, stage.count(ended))


def print_end(stage: Stage) -> None:
    """The end of what a stage said."""
    log = LOGS / f"{stage.name}.log"
    lines = COLOURS.sub("", log.read_text(encoding="utf-8")).splitlines()
    print(f"\n=== the end of {stage.name}, from {log.relative_to(ROOT)}")
    print("\n".join(lines[-stage.end_lines :]))


def print_table(rows: Sequence[Row]) -> None:
    print(f"\n{'stage':<12} {'seconds':>8} {'passed':>7} {'failed':>7} {'skipped':>8}  result")
    for row in rows:
        counts = row.counts
        print(
            f"{row.stage:<12} {row.seconds:>8.1f} {counts.passed:>7} {counts.failed:>7}"
            f" {counts.skipped:>8}  {row.result}"
        )


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    own, pytest_options = list(argv), []
    if "--" in own:
        own, pytest_options = own[: own.index("--")], own[own.index("--") + 1 :]
    names = [stage.name for stage in all_stages([])]
    parser = argparse.ArgumentParser(
        prog="tests/run",
        description="Run the test stages, or those named.",
        epilog="What follows -- goes to pytest.",
    )
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(names))
    arguments = parser.parse_args(own)
    if unknown := set(arguments.stages) - set(names):
        parser.error(f"unknown stage {', '.join(sorted(unknown))}; known are {', '.join(names)}")
    arguments.stages = arguments.stages or names
    arguments.pytest_options = pytest_options
    return arguments


def main(argv: Sequence[str]) -> int:
    arguments = parse_arguments(argv)
    LOGS.mkdir(parents=True, exist_ok=True)
    stages = all_stages(arguments.pytest_options)
    chosen = [stage for stage in stages if stage.name in arguments.stages]
    rows = [run_stage(stage) for stage in chosen]
    for stage, row in zip(chosen, rows):
        if row.counts.failed:
            print_end(stage)
    print_table(rows)
    total = sum((row.counts for row in rows), Counts())
    print(f"\n{total}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
