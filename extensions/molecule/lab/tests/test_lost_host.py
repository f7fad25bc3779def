"""A lab host that panics is seen, reported with its console, and started once more."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml

from support.lab_tool import lab, lab_name

NAME = lab_name("panic")
LAB = Path(__file__).parents[2] / "default" / "files" / "lab.yml"
[BARE] = [host for host in yaml.safe_load(LAB.read_text())["hosts"] if host["name"] == "bare1"]
# The image is that of the molecule lab's bare host; a snapshot would be of no use.
DECLARATION = {
    "name": NAME,
    "hosts": [{**BARE, "name": "lost", "memory": "512MiB", "nics": []}],
}
# Later and detached, so that ssh ends before the host does.
PANIC = "setsid sh -c 'sleep 1; echo c >/proc/sysrq-trigger' </dev/null >/dev/null 2>&1 &"
SEEN_TIMEOUT_S = 240
SHORT_TIMEOUT_S = 300
BOOT_TIMEOUT_S = 400
# The lab's own deadlines come first: they leave a console to read. It may boot a host twice, and
# one that answers has 300 s to settle and 240 s to run a guest.
READY_TIMEOUT_S = 2 * (BOOT_TIMEOUT_S + 300 + 240) + 60
OPTIONS = ("--no-snapshots", "--boot-timeout", str(BOOT_TIMEOUT_S))


@pytest.fixture
def panicked():
    try:
        declared = json.dumps(DECLARATION)
        lab("create", *OPTIONS, "-", stdin=declared, timeout_s=READY_TIMEOUT_S)
        lab("shell", "--name", NAME, "lost", PANIC, timeout_s=SHORT_TIMEOUT_S)
        yield
    finally:
        lab("destroy", "--name", NAME, timeout_s=SHORT_TIMEOUT_S)


def condition():
    lines = lab("list", timeout_s=SHORT_TIMEOUT_S).stdout.splitlines()
    return next(line for line in lines if line.split()[:2] == [NAME, "lost"])


def wait_until_seen():
    deadline = time.monotonic() + SEEN_TIMEOUT_S
    while "Kernel panic" not in condition():
        assert time.monotonic() < deadline, f"no panic within {SEEN_TIMEOUT_S} s: {condition()}"
        time.sleep(1)


def test_a_panic_is_reported_and_the_host_started_once_more(panicked, tmp_path):
    wait_until_seen()
    again = lab("ready", *OPTIONS, "--name", NAME, timeout_s=READY_TIMEOUT_S)
    assert again.stdout == "restarted lost\n"
    assert "WARNING lost: its kernel is lost (Kernel panic - not syncing" in again.stderr
    assert "console: " in again.stderr
    assert "sysrq triggered crash" in again.stderr
    assert "running, booted, 1 failures" in condition()
    lab("logs", "--name", NAME, str(tmp_path), timeout_s=SHORT_TIMEOUT_S)
    assert "Kernel panic" in (tmp_path / NAME / "failed/lost-1/serial.log").read_text()
