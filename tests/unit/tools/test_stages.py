"""The runner of the stages: side by side, none stops another, and what passed is not run again."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from support import commands, counts, everything, side_by_side, stages
from support.counts import Counts
from support.side_by_side import Queue, Row, SideBySide, Stage

WAITS_S = 60


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runner has two stages, of which one fails; the folder of its logs."""
    for module in (stages, commands):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(stages, "LOGS", tmp_path)
    monkeypatch.setattr(stages, "sampled_stages", lambda _options: two_stages())
    return tmp_path


def two_stages() -> list[Stage]:
    return [python("bad", "print('said'); raise SystemExit(3)"), python("good", "print('fine')")]


def python(name: str, code: str, **options: object) -> Stage:
    return Stage(name, [sys.executable, "-c", code], counts.one_test, **options)


def test_a_failed_stage_does_not_stop_the_next(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stages.main([]) == 1
    printed = capsys.readouterr().out
    assert printed.endswith("\n1 passed, 1 failed, 0 skipped\n")
    assert "=== the end of bad, from bad.log\nsaid\n\nstage " in printed
    assert (two / "bad.log").read_text() == "said\n"


def test_what_failed_is_said_after_the_table(
    two: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = python("bad", "print('FAILED tests/a.py::test_b - no'); print(); raise SystemExit(1)")
    monkeypatch.setattr(stages, "sampled_stages", lambda _options: [bad])
    stages.main([])
    end = "\nbad: FAILED tests/a.py::test_b - no\n0 passed, 1 failed, 0 skipped\n"
    assert capsys.readouterr().out.endswith(end)


def test_the_output_of_a_stage_is_in_one_piece(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages.main(["--jobs", "2"])
    printed = capsys.readouterr().out
    for name, said in (("bad", "0 passed, 1 failed, 0 skipped\nsaid"), ("good", "skipped\nfine")):
        assert f"begins: {name}\n" in printed
        assert re.search(rf"=== {name}: \d+ s, ", printed) and said in printed


def test_a_single_stage_is_seen_while_it_runs(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stages.main(["good"]) == 0
    assert capsys.readouterr().out.startswith("\n=== good\nfine\n")


def test_an_unknown_stage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        stages.main(["untit"])
    assert "unknown stage untit; known are molecule, integration" in capsys.readouterr().err


def test_a_stage_that_the_limit_ends_has_failed_and_so_have_those_after_it(
    two: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sleeps = [python("long", "import time; time.sleep(60)"), python("next", "")]
    monkeypatch.setattr(stages, "sampled_stages", lambda _options: sleeps)
    monkeypatch.setattr(stages, "LIMIT_MINUTES", 0.01)
    assert stages.main(["--jobs", "1"]) == 1
    printed = capsys.readouterr().out
    assert "the limit of the whole run" in printed and "FAILED, not run" in printed
    assert printed.endswith("\n0 passed, 2 failed, 0 skipped\n")


def test_a_command_is_stopped_at_its_time_limit(tmp_path: Path) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    ended = commands.run_logged(sleeper, 0.5, tmp_path / "log")
    assert ended.returncode != 0


# ---- what runs beside what


def test_only_one_stage_uses_the_lab() -> None:
    queue = Queue([python("a", "", uses="lab"), python("b", "", uses="lab"), python("c", "")])
    first, second = queue.take(), queue.take()
    assert first and second and (first.name, second.name) == ("a", "c")
    queue.done(first)
    third = queue.take()
    assert third and third.name == "b"
    assert queue.take() is None


def test_a_stage_that_measures_runs_alone() -> None:
    queue = Queue([python("a", ""), python("bench", "", alone=True), python("c", "")])
    first, second = queue.take(), queue.take()
    assert first and second and (first.name, second.name) == ("a", "c")
    taken: list[Stage | None] = []
    waiter = threading.Thread(target=lambda: taken.append(queue.take()))
    waiter.start()
    queue.done(first)
    assert not taken
    queue.done(second)
    waiter.join(WAITS_S)
    assert [one.name for one in taken if one] == ["bench"]


def test_two_stages_run_at_a_time(tmp_path: Path) -> None:
    meet = (
        "import pathlib, time\n"
        "mine, other = {}\n"
        "mine.touch()\n"
        "while not other.exists(): time.sleep(0.1)\n"
    )
    paths = [f"pathlib.Path({str(tmp_path / name)!r})" for name in ("a", "b")]
    both = [python("a", meet.format(", ".join(paths))),
            python("b", meet.format(", ".join(paths[::-1])))]  # fmt: skip
    run = SideBySide(Queue(both), 2, tmp_path)
    run.run(limit_s=WAITS_S)
    assert [row.result for row in run.rows.values()] == ["passed", "passed"]


# ---- everything


def test_all_goes_on_where_it_was_stopped(
    two: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(everything, "digest_of_files", lambda _root: "same")
    monkeypatch.setattr(stages, "all_stages", lambda _options: two_stages())
    assert stages.main(["--all", "--minutes", "0", "--jobs", "1"]) == 0
    assert "left for the next run" in capsys.readouterr().out
    assert stages.main(["--all"]) == 1
    capsys.readouterr()
    assert stages.main(["--all"]) == 1
    printed = capsys.readouterr().out
    assert "=== bad\n" in printed and "=== good" not in printed
    assert "passed, before" in printed and printed.endswith("1 passed, 1 failed, 0 skipped\n")
    assert stages.main(["--all", "--afresh", "good"]) == 0
    assert "=== good\n" in capsys.readouterr().out


def test_what_passed_on_other_files_is_run_again(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    run_git(root, "init", "-q")
    (root / "file").write_text("one")
    everything.Passed(tmp_path, root).write({"unit": Row("unit", 1.0, Counts(passed=3))})
    assert everything.Passed(tmp_path, root).read()["unit"].counts == Counts(passed=3)
    (root / "file").write_text("two")
    assert everything.Passed(tmp_path, root).read() == {}


def run_git(root: Path, *arguments: str) -> None:
    everything.subprocess.run(["git", "-C", str(root), *arguments], check=True)


def names_of(found: Sequence[Stage]) -> set[str]:
    return {stage.name for stage in found}


def test_all_has_every_stage_of_the_sample_and_every_scenario() -> None:
    every = names_of(stages.all_stages([]))
    assert names_of(stages.sampled_stages([])) - {"molecule", "fidelity"} <= every
    assert {"scenario-vm", "scenario-kvm_host-swapped", "fidelity-1", "core-lowest"} <= every
    assert len(every) == len(stages.all_stages([]))
    sampled, whole = (
        {stage.name: "--sample" in stage.argv for stage in found([])}["integration"]
        for found in (stages.sampled_stages, stages.all_stages)
    )
    assert (sampled, whole) == (True, False)
    assert side_by_side.SAY_EVERY_S < stages.LIMIT_MINUTES * 60


def test_it_starts_as_the_script_starts_it() -> None:
    """What pytest puts on the path is not there then."""
    last = (everything.ROOT / "tests" / "run").read_text().splitlines()[-1]
    assert last == 'exec ../.venv/bin/python -m support.stages "$@"'
    command = [sys.executable, "-I", "-c", "import runpy, sys; sys.path.insert(0, '.');"]
    command[-1] += (
        "sys.argv = ['stages', '--help']; runpy.run_module('support.stages', alter_sys=True)"
    )
    folder = everything.ROOT / "tests"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
