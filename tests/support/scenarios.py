"""Runs the Molecule scenarios in one lab, and says where the time went: the stage `molecule`.

`molecule test --all` does the same, but stops at the first scenario that fails. Here each runs, a
failed one leaves the lab's logs in .cache/test-logs/lab/SCENARIO, and one during which a lab host
was lost (it panicked, ended or no longer answers) is run once more, and the table says so.

    tests/support/scenarios.py [SCENARIO...]
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "extensions" / "molecule"
DECLARATION = SCENARIOS / "default" / "lab.yml"
EPHEMERAL = ROOT / ".cache" / "molecule"
INVENTORY = EPHEMERAL / "inventory" / "lab.yml"
LOGS = ROOT / ".cache" / "test-logs" / "lab"
LAB = str(ROOT / "tools" / "lab")

# Molecule would wrap the lines of Ansible and pytest, and frame them.
PLAIN = ("--no-command-borders",)

STEP_TIMEOUT_S = 1200
GRACE_S = 20


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    seconds: float
    result: str

    @property
    def failed(self) -> bool:
        return self.result.startswith("FAILED")


def main(names: Sequence[str]) -> int:
    shutil.rmtree(LOGS, ignore_errors=True)
    rows = []
    try:
        for row in steps(names or scenario_names()):
            rows.append(row)
    finally:
        rows.append(timed("destroy", destroy))
        print_table(rows)
    return 1 if any(row.failed for row in rows) else 0


def steps(names: Sequence[str]) -> Iterator[Row]:
    # What an interrupted run left would be taken for this run's lab.
    destroy()
    for row in (
        timed("images", lambda: said_by(LAB, "images", str(DECLARATION))),
        timed("create", lambda: said_by("molecule", "create", "-s", "default", *PLAIN)),
    ):
        yield row
        if row.failed:
            return
    state = EPHEMERAL / "state.yml"
    fresh = state.read_text()
    for name in names:
        # Molecule notes here that hosts are prepared: for all scenarios, but each prepares its own.
        state.write_text(fresh)
        yield run_scenario(name)


def scenario_names() -> Sequence[str]:
    """All but the owner of the lab; first the one that tests the lab itself."""
    found = {path.parent.name for path in SCENARIOS.glob("*/molecule.yml")} - {"default"}
    return sorted(found, key=lambda name: (name != "lab", name))


def run_scenario(name: str) -> Row:
    row = timed(name, lambda: test(name))
    if not row.failed:
        return row
    show_logs(name)
    restarted = restart_lost_hosts()
    run("molecule", "cleanup", "-s", name, *PLAIN)
    if not restarted:
        return row
    again = timed(name, lambda: test(name))
    return Row(name, row.seconds + again.seconds, f"{again.result} when run again, {restarted}")


def test(name: str) -> str:
    return said_by("molecule", "test", "-s", name, "--destroy", "never", *PLAIN)


def destroy() -> str:
    return said_by("molecule", "destroy", "-s", "default", *PLAIN)


def show_logs(name: str) -> None:
    """Keep the lab's logs, and print the ends that matter."""
    print(f"\n--- the lab's logs after {name}", flush=True)
    run(LAB, "logs", "--name", lab_name(), str(LOGS / name))


def restart_lost_hosts() -> str:
    """Which hosts were lost and had to be started once more, in words; empty when none was."""
    ready = [LAB, "ready", "--name", lab_name()]
    done = subprocess.run(ready, stdout=subprocess.PIPE, text=True, check=False)
    # A host that was started once more has another port.
    run(LAB, "inventory", "--name", lab_name(), str(INVENTORY))
    return done.stdout.strip() if done.stdout.startswith("restarted") else ""


def lab_name() -> str:
    inventory = yaml.safe_load(INVENTORY.read_text())
    return str(inventory["all"]["vars"]["lab_name"])


def said_by(*command: str) -> str:
    """How the command ended, in words."""
    code = run(*command)
    return "passed" if code == 0 else f"FAILED with exit code {code}"


def run(*command: str) -> int:
    """The command's exit code; it is ended, with all that it started, when it takes too long."""
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        return process.wait(STEP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        print(f"\n{' '.join(command)} did not end within {STEP_TIMEOUT_S} s", flush=True)
        return 1
    finally:
        # Also when this program is interrupted: the lab must not be destroyed under a scenario.
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does at first, so that the command may clean up."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, number)
            process.wait(GRACE_S)


def timed(name: str, step: Callable[[], str]) -> Row:
    print(f"\n--- {name}", flush=True)
    started = time.monotonic()
    result = step()
    return Row(name, time.monotonic() - started, result)


def print_table(rows: list[Row]) -> None:
    width = max(len(row.name) for row in rows)
    print(f"\n{'step':<{width}} {'seconds':>8}  result")
    for row in rows:
        print(f"{row.name:<{width}} {row.seconds:>8.1f}  {row.result}")
    print(f"{'in all':<{width}} {sum(row.seconds for row in rows):>8.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
