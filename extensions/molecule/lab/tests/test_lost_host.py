"""A lab host that panics is seen, reported with its console, and started once more."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[4] / "tools" / "lab"
NAME = "panic"
# The image is that of the molecule lab's bare host; a snapshot would be of no use.
DECLARATION = {"name": NAME, "hosts": [{"name": "lost", "profile": "bare", "memory": "512MiB"}]}
# Later and detached, so that ssh ends before the host does.
PANIC = "setsid sh -c 'sleep 1; echo c >/proc/sysrq-trigger' </dev/null >/dev/null 2>&1 &"
SEEN_TIMEOUT_S = 60


def lab(*arguments, stdin="", timeout_s=600):
    return subprocess.run(
        [LAB, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=True,
    )


@pytest.fixture
def panicked():
    try:
        lab("create", "--no-snapshots", "-", stdin=json.dumps(DECLARATION))
        lab("shell", "--name", NAME, "lost", PANIC)
        yield
    finally:
        lab("destroy", "--name", NAME)


def condition():
    lines = lab("list").stdout.splitlines()
    return next(line for line in lines if line.split()[:2] == [NAME, "lost"])


def wait_until_seen():
    deadline = time.monotonic() + SEEN_TIMEOUT_S
    while "Kernel panic" not in condition():
        assert time.monotonic() < deadline, f"no panic within {SEEN_TIMEOUT_S} s: {condition()}"
        time.sleep(1)


def test_a_panic_is_reported_and_the_host_started_once_more(panicked, tmp_path):
    wait_until_seen()
    again = lab("ready", "--no-snapshots", "--name", NAME)
    assert again.stdout == "restarted lost\n"
    assert "WARNING lost: its kernel is lost (Kernel panic - not syncing" in again.stderr
    assert "console: " in again.stderr
    assert "sysrq triggered crash" in again.stderr
    assert "running, booted, 1 failures" in condition()
    lab("logs", "--name", NAME, str(tmp_path))
    assert "Kernel panic" in (tmp_path / NAME / "failed/lost-1/serial.log").read_text()
