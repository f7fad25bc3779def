"""Many are asked at once, and one that hangs or dies takes no other along."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.inventory import at_once
from ansible_collections.kvm.fleet.plugins.module_utils.inventory.at_once import Outcome, ask_all

LONG_S = 600  # no test waits for it


def answering(*answers: object) -> Iterator[object]:
    yield from answers


def hanging(*answers: object) -> Iterator[object]:
    yield from answers
    time.sleep(LONG_S)


def failing(error: Exception) -> Iterator[object]:
    yield 1
    raise error


def dying() -> Iterator[object]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield 1


def test_the_last_answer_counts_whatever_its_size() -> None:
    much = "x" * 1_000_000
    found = ask_all({"a": partial(answering, 1, much), "b": partial(answering)}, LONG_S)
    assert found["a"] == Outcome(much)
    assert found["b"].answer is None and found["b"].error


def test_an_error_is_told_and_an_answer_before_it_kept() -> None:
    errors = {"a": FleetError("is down"), "b": ValueError("odd")}
    found = ask_all({name: partial(failing, error) for name, error in errors.items()}, LONG_S)
    assert found == {"a": Outcome(1, "is down"), "b": Outcome(1, "ValueError: odd")}


def test_one_that_hangs_is_ended_at_its_deadline_with_all_that_it_started() -> None:
    def with_child(path: str) -> Iterator[object]:
        child = os.fork()
        if child == 0:
            time.sleep(LONG_S)
        yield child
        time.sleep(LONG_S)

    askers = {"a": partial(hanging), "b": partial(answering, 2), "c": partial(with_child, "")}
    found = ask_all(askers, 3)
    assert found["a"] == Outcome(None, "did not answer within 3 s")
    assert found["b"] == Outcome(2)
    child = found["c"].answer
    assert isinstance(child, int) and is_gone(child)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has taken note."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True
        if stat.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_one_that_dies_is_told() -> None:
    assert "ended" in ask_all({"a": dying}, LONG_S)["a"].error


def test_more_than_are_asked_at_a_time_are_asked_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "AT_ONCE", 2)
    found = ask_all({str(n): partial(answering, n) for n in range(7)}, LONG_S)
    assert [one.answer for one in found.values()] == list(range(7))
