"""Runs stages side by side, so many at a time, and prints the output of each when it ends."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.commands import Commands
from support.counts import Counts, Ended

# So often it is said what runs: a log that stands still looks like a run that hangs.
SAY_EVERY_S = 300


@dataclass(frozen=True)
class Stage:
    """A name, what runs, how its tests are counted, and what cannot run beside it."""

    name: str
    argv: Sequence[str]
    count: Callable[[Ended], Counts]
    uses: str = ""  # what only one stage may use at a time
    alone: bool = False  # nothing runs beside it, since it measures times
    # How much is shown again at the end when it failed: CI shows little more than that.
    end_lines: int = 40


@dataclass(frozen=True)
class Row:
    """A line of the table at the end."""

    stage: str
    seconds: float
    counts: Counts
    note: str = ""

    @property
    def result(self) -> str:
        if self.counts.failed:
            return "FAILED"
        return "passed" if self.counts.passed else "skipped"


class Queue:
    """Stages that wait for their turn: the first that fits beside those that run. It may close."""

    def __init__(self, stages: Sequence[Stage], closes_after_s: float = math.inf) -> None:
        self._waiting = list(stages)
        self._closes_at = time.monotonic() + closes_after_s
        self._running: list[Stage] = []
        self._changed = threading.Condition()

    def take(self) -> Stage | None:
        """The next stage, as soon as one fits; none when none is left."""
        with self._changed:
            while self._waiting and time.monotonic() < self._closes_at:
                for stage in self._waiting:
                    if self._fits(stage):
                        self._waiting.remove(stage)
                        self._running.append(stage)
                        return stage
                self._changed.wait()
            return None

    def _fits(self, stage: Stage) -> bool:
        if stage.alone or any(one.alone for one in self._running):
            return not self._running
        return not stage.uses or all(one.uses != stage.uses for one in self._running)

    def done(self, stage: Stage) -> None:
        with self._changed:
            self._running.remove(stage)
            self._changed.notify_all()

    def close(self) -> None:
        """Give out no more."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    @property
    def running(self) -> list[str]:
        with self._changed:
            return [stage.name for stage in self._running]


class SideBySide:
    """Runs the stages of a queue. `logs` is the folder of their logs."""

    def __init__(self, queue: Queue, jobs: int, logs: Path) -> None:
        self.logs = logs
        self.rows: dict[str, Row] = {}
        self._queue = queue
        self._jobs = jobs
        self._commands = Commands(echo=jobs == 1)
        self._output = threading.Lock()

    def run(self, limit_s: float = math.inf) -> None:
        """Run them. At the limit, what runs is ended, and no more begin."""
        workers = [threading.Thread(target=self._work) for _each in range(self._jobs)]
        for worker in workers:
            worker.start()
        try:
            self._wait(workers, limit_s)
        except KeyboardInterrupt:
            self._end("interrupted")
            raise
        finally:
            for worker in workers:
                worker.join()

    def _wait(self, workers: Sequence[threading.Thread], limit_s: float) -> None:
        started = said = time.monotonic()
        while any(worker.is_alive() for worker in workers):
            time.sleep(0.1)
            now = time.monotonic()
            if now - started > limit_s:
                self._end(f"stopped after {limit_s:.0f} s, the limit of the whole run")
                return
            if now - said > SAY_EVERY_S:
                said = now
                self._say(f"still running: {', '.join(self._queue.running)}")

    def _end(self, reason: str) -> None:
        self._queue.close()
        self._commands.end_all(reason)

    def _work(self) -> None:
        while stage := self._queue.take():
            try:
                self._stage(stage)
            except InterruptedError:  # it was its turn just when all was ended
                return
            finally:
                self._queue.done(stage)

    def _stage(self, stage: Stage) -> None:
        log = self.logs / f"{stage.name}.log"
        self._say(f"\n=== {stage.name}" if self._commands.echo else f"begins: {stage.name}")
        started = time.monotonic()
        ended = self._commands.run(stage.argv, log)
        row = Row(stage.name, time.monotonic() - started, stage.count(ended))
        self.rows[stage.name] = row
        if not self._commands.echo:
            self._say(f"\n=== {stage.name}: {row.seconds:.0f} s, {row.counts}\n{ended.output}")

    def _say(self, text: str) -> None:
        """In one piece: several stages end and begin at a time."""
        with self._output:
            clock = "" if text.startswith("\n") else time.strftime("%H:%M:%S ")
            print(f"{clock}{text}", flush=True)
