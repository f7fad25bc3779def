"""Runs that take turns, as processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.host.turns import in_turn
from support.ansible_runs import COLLECTIONS

HOLDS = """
import sys
from pathlib import Path
from ansible_collections.kvm.fleet.plugins.module_utils.host.turns import in_turn
with in_turn(Path(sys.argv[1]), "test"):
    print("taken", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until its input ends."""
    command = [sys.executable, "-c", HOLDS, str(lock)]
    pipe, environment = subprocess.PIPE, {"PYTHONPATH": str(COLLECTIONS)}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdout
        assert process.stdout.readline() == "taken\n"
        try:
            yield process
        finally:
            process.kill()


def test_who_comes_second_is_told_who_is_first(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "lock"
    with another(lock) as other, pytest.raises(FleetError) as raised, in_turn(lock, "test", 0.3):
        pass
    assert f"process {other.pid}" in str(raised.value)


def test_a_turn_ends_with_its_process(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with another(lock) as other:
        other.kill()
        other.wait()
        with in_turn(lock, "test", 60):
            pass
    with in_turn(lock, "test"):
        pass


def test_without_the_right_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="become"), in_turn(tmp_path, "test"):
        pass  # a folder cannot be opened for writing, by root neither
