"""Runs commands of the tests, several at a time, each with a log; and can end all that run."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.counts import Ended

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / ".venv" / "bin"
# How long a command may take to clean up after an interrupt or at its time limit.
GRACE_S = 120


def environment() -> Mapping[str, str]:
    return {
        **os.environ,
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        # Molecule's own choice depends on the name of the checkout's folder only.
        "MOLECULE_EPHEMERAL_DIRECTORY": str(ROOT / ".cache" / "molecule"),
        "PYTHONUNBUFFERED": "1",
    }


class Commands:
    """Commands in sessions of their own. `echo`: their output goes to the terminal as it comes."""

    def __init__(self, echo: bool = True) -> None:
        self.echo = echo
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = ""
        self._lock = threading.Lock()

    def run(self, argv: Sequence[str], log: Path) -> Ended:
        """Run a command, its output to the log."""
        with self._started(argv) as process:
            output = self._copy(process, log)
            return Ended(process.wait(), output)

    def end_all(self, reason: str) -> None:
        """End what runs, and let nothing begin any more."""
        with self._lock:
            self._ended = reason
            running = list(self._running)
        enders = [threading.Thread(target=interrupt, args=(one, reason)) for one in running]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()

    @contextmanager
    def _started(self, argv: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
        with self._lock:
            if self._ended:
                raise InterruptedError(self._ended)
            process = start(argv)
            self._running.add(process)
        try:
            yield process
        finally:
            with self._lock:
                self._running.discard(process)

    def _copy(self, process: subprocess.Popen[str], log: Path) -> str:
        assert process.stdout
        lines = []
        with log.open("w", encoding="utf-8") as file:
            for line in process.stdout:
                if self.echo:
                    print(line, end="", flush=True)
                file.write(line)
                file.flush()
                lines.append(line)
        return "".join(lines)


def start(argv: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
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


def run_logged(argv: Sequence[str], timeout_s: float, log: Path) -> Ended:
    """Run a command, its output to the terminal and to the log, no longer than its time."""
    commands = Commands()
    limit = threading.Timer(timeout_s, commands.end_all, (f"stopped after {timeout_s} s",))
    limit.start()
    try:
        return commands.run(argv, log)
    except KeyboardInterrupt:
        commands.end_all("interrupted")
        raise
    finally:
        limit.cancel()


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
