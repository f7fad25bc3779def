"""Runs the stages of the tests, side by side, and says how they ended.

    tests/run [--jobs N] [STAGE...] [-- OPTIONS OF PYTEST]
    tests/run --all [--minutes N] [--afresh] [STAGE...]

A failed stage does not stop the others. Each stage's output goes to .cache/test-logs/STAGE.log, and
to the terminal when the stage ends. The last line counts all tests; a stage that is no pytest run
counts as one.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

from support import everything
from support.commands import ROOT
from support.counts import COLOURS, Counts, Ended, counted, junit_counts, molecule_counts, one_test
from support.faults import faults
from support.side_by_side import Queue, Row, SideBySide, Stage

LOGS = ROOT / ".cache" / "test-logs"
JOBS = 2
# CI ends a run after 90 minutes without a word on what had passed.
LIMIT_MINUTES = 84


def pytest_stage(
    name: str, *options: str, tests: Sequence[str] = (), by: Sequence[str] = ()
) -> Stage:
    """Tests by path (tests/NAME if none is given), run by a command that is given pytest's."""
    report = LOGS / f"{name}.xml"

    def count(ended: Ended) -> Counts:
        return counted(junit_counts(report), ended)

    pytest = ["pytest", *(tests or [f"tests/{name}"]), f"--junitxml={report}", "--durations=15"]
    return Stage(name, [*by, *pytest, *options], count)


def sampled_stages(pytest_options: Sequence[str]) -> list[Stage]:
    """What CI runs. The longest begin, then what tells of a fault soonest."""
    scenarios = ["python", "tests/scenarios.py", "--sample"]
    return [
        Stage("molecule", scenarios, molecule_counts, uses="lab", end_lines=150),
        pytest_stage("integration", "--sample", *pytest_options),
        pytest_stage("fidelity", *pytest_options),
        Stage("lint", ["tools/lint"], one_test),
        pytest_stage("unit", *pytest_options),
        Stage("sanity", ["tools/sanity"], one_test),
        pytest_stage("guest", *pytest_options),
        pytest_stage("corpus", *pytest_options),
    ]


def all_stages(pytest_options: Sequence[str]) -> list[Stage]:
    """Everything, in parts that a run can go on from."""
    sampled = ("molecule", "integration", "fidelity")
    kept = [stage for stage in sampled_stages(pytest_options) if stage.name not in sampled]
    return [
        *(everything.scenario_stages()),
        pytest_stage("integration", *pytest_options),
        *kept,
        *(everything.property_stages(pytest_stage)),
        *(everything.version_stages(pytest_stage)),
        *(everything.fidelity_stages(pytest_stage)),
        *(everything.long_stages()),
    ]


def print_end(stage: Stage) -> None:
    """The end of what a stage said."""
    log = LOGS / f"{stage.name}.log"
    lines = COLOURS.sub("", log.read_text(encoding="utf-8")).splitlines()
    print(f"\n=== the end of {stage.name}, from {log.relative_to(ROOT)}")
    print("\n".join(lines[-stage.end_lines :]))


def print_table(rows: Sequence[Row]) -> None:
    width = max(len(row.stage) for row in rows)
    head = f"{'seconds':>8} {'passed':>7} {'failed':>7} {'skipped':>8}"
    print(f"\n{'stage':<{width}} {head}  result")
    for row in rows:
        counts = row.counts
        print(
            f"{row.stage:<{width}} {row.seconds:>8.1f} {counts.passed:>7} {counts.failed:>7}"
            f" {counts.skipped:>8}  {row.result}{row.note and f', {row.note}'}"
        )


def print_faults(stage: Stage) -> None:
    """What failed in a stage, as far as it is known, in a few lines."""
    for line in faults((LOGS / f"{stage.name}.log").read_text(encoding="utf-8")):
        print(f"{stage.name}: {line}")


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    own, pytest_options = list(argv), []
    if "--" in own:
        own, pytest_options = own[: own.index("--")], own[own.index("--") + 1 :]
    parser = argparse.ArgumentParser(
        prog="tests/run",
        description="Run the test stages, or those named.",
        epilog="What follows -- goes to pytest.",
    )
    parser.add_argument("stages", nargs="*", metavar="STAGE")
    parser.add_argument("--jobs", type=int, default=JOBS, help="stages at a time (%(default)s)")
    parser.add_argument("--all", action="store_true", help="everything, not the samples of CI")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="with --all: begin no stage later than this"
    )
    parser.add_argument("--afresh", action="store_true", help="with --all: what passed before, too")
    arguments = parser.parse_args(own)
    stages = (all_stages if arguments.all else sampled_stages)(pytest_options)
    names = [stage.name for stage in stages]
    if unknown := set(arguments.stages) - set(names):
        parser.error(f"unknown stage {', '.join(sorted(unknown))}; known are {', '.join(names)}")
    chosen = arguments.stages or names
    arguments.stages = [stage for stage in stages if stage.name in chosen]
    return arguments


def main(argv: Sequence[str]) -> int:
    arguments = parse_arguments(argv)
    LOGS.mkdir(parents=True, exist_ok=True)
    for stage in arguments.stages:
        (LOGS / f"{stage.name}.xml").unlink(missing_ok=True)
    rows = run_all(arguments) if arguments.all else run_sample(arguments)
    failed = [
        stage
        for stage in arguments.stages
        if rows[stage.name].counts.failed and rows[stage.name].seconds
    ]
    for stage in failed:
        print_end(stage)
    print_table(list(rows.values()))
    print()
    for stage in failed:
        print_faults(stage)
    total = sum((row.counts for row in rows.values()), Counts())
    print(total)
    return 1 if total.failed else 0


def run_sample(arguments: argparse.Namespace) -> dict[str, Row]:
    """All of them; one for which no time was left has failed."""
    run = SideBySide(Queue(arguments.stages), jobs_for(arguments.stages, arguments), LOGS)
    run.run(LIMIT_MINUTES * 60)
    not_run = Counts(failed=1)
    names = [stage.name for stage in arguments.stages]
    return {name: run.rows.get(name) or Row(name, 0, not_run, "not run") for name in names}


def run_all(arguments: argparse.Namespace) -> dict[str, Row]:
    """Go on where the run before ended: what passed on the same files counts as it did then."""
    passed = everything.Passed(ROOT / ".cache" / "test-all")
    before = {} if arguments.afresh else passed.read()
    due = [stage for stage in arguments.stages if stage.name not in before]
    queue = Queue(due, arguments.minutes * 60)
    run = SideBySide(queue, jobs_for(due, arguments), LOGS)
    try:
        run.run()
    finally:
        passed.write({**before, **run.rows})
    rows = {**before, **run.rows}
    left = "left for the next run"
    names = [stage.name for stage in arguments.stages]
    return {name: rows.get(name) or Row(name, 0, Counts(), left) for name in names}


def jobs_for(stages: Sequence[Stage], arguments: argparse.Namespace) -> int:
    """A single stage is alone, and its output can be seen as it comes."""
    return max(1, min(arguments.jobs, len(stages)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
