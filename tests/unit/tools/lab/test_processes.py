"""Finding and stopping the processes of a lab, and nobody else's."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.roles.lab.files.fleetlab import (
    home,
    labs,
    processes,
    ready,
    state,
    switch,
)
from ansible_collections.kvm.fleet.roles.lab.files.fleetlab.errors import LabError

SLEEP = "import time; time.sleep(300)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP


@pytest.fixture
def start():
    started: list[subprocess.Popen[bytes]] = []

    def start(directory, mark, code=SLEEP):
        process = processes.spawn([sys.executable, "-c", code, mark], directory, directory / "log")
        started.append(process)
        wait_for_command_line(process.pid, mark)
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.wait(120)


def wait_for_command_line(pid, mark):
    """A process that was just started has none for a moment: the kernel is not done with exec."""
    deadline = time.monotonic() + 120
    while mark.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline, f"{pid} has no {mark} on its command line"
        time.sleep(0.01)


def pids(directory, mark):
    return [process.pid for process in processes.find(directory, mark)]


def test_a_process_is_found_by_its_place_and_its_mark(tmp_path, start):
    one, ten = (start(tmp_path, processes.mark_of("a", name)) for name in ("kvm1", "kvm10"))
    assert pids(tmp_path, processes.mark_of("a", "kvm1")) == [one]
    assert sorted(pids(tmp_path, processes.mark_of("a", ""))) == sorted([one, ten])


def test_others_are_not_found(tmp_path, start):
    for name in ("lab", "elsewhere"):
        (tmp_path / name).mkdir()
    start(tmp_path / "elsewhere", processes.mark_of("a", "kvm1"))
    start(tmp_path / "lab", "no mark")
    assert processes.find(tmp_path / "lab") == []


def test_stopping_ends_even_a_stubborn_process(tmp_path, start):
    pid = start(tmp_path, processes.mark_of("a", "kvm1"), STUBBORN)
    time.sleep(0.3)
    assert processes.stop(tmp_path, processes.mark_of("a", ""), timeout_s=0.5) == 1
    assert pid not in pids(tmp_path, processes.mark_of("a", ""))


def test_destroy_removes_a_half_made_lab_and_nothing_else(tmp_path, start):
    place = home.Home(tmp_path / "home")
    for name in ("half", "other"):
        (place.lab(name) / "kvm1").mkdir(parents=True)
    start(place.lab("half") / "kvm1", processes.mark_of("half", "kvm1"))
    other = start(place.lab("other") / "kvm1", processes.mark_of("other", "kvm1"))
    assert labs.destroy(place, "half", print)
    assert not place.lab("half").exists()
    assert pids(place.lab("other"), processes.mark_of("other", "kvm1")) == [other]
    assert not labs.destroy(place, "half", print)


def test_a_lock_has_a_deadline(tmp_path):
    waiting = []
    with (
        home.locked(tmp_path / "lock", 1),
        pytest.raises(LabError, match="gave up waiting"),
        home.locked(tmp_path / "lock", 0.5, lambda: waiting.append(True)),
    ):
        pass
    assert waiting == [True]


def test_a_lock_is_waited_for(tmp_path):
    held, let_go = threading.Event(), threading.Event()

    def hold():
        with home.locked(tmp_path / "lock", 1):
            held.set()
            time.sleep(0.5)
            let_go.set()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(120)
    with home.locked(tmp_path / "lock", 120):
        assert let_go.is_set()
    thread.join(120)


LOST = [
    "[   25.1] Kernel panic - not syncing: Fatal exception",
    "[   61.3] BUG: TASK stack guard page was hit at 00000000",
]


@pytest.mark.parametrize("line", LOST)
def test_a_lost_kernel_is_recognised(tmp_path, line):
    (tmp_path / "serial.log").write_text(f"booting\r\n{line}\r\nmore\r\n")
    assert ready.console_problem(tmp_path)
    assert line in ready.console_tail(tmp_path)


STALLS = [
    "[   80.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s!",
    "[   61.3] rcu: INFO: rcu_preempt self-detected stall on CPU",
]


@pytest.mark.parametrize("line", STALLS)
def test_a_stall_is_told_but_is_not_the_end(tmp_path, line):
    (tmp_path / "serial.log").write_text(f"booting\r\n{line}\r\n")
    assert ready.console_problem(tmp_path) is None
    assert ready.console_stall(tmp_path) in line


def test_a_healthy_console_is_no_problem(tmp_path):
    assert ready.console_problem(tmp_path) is None
    (tmp_path / "serial.log").write_text("Debian GNU/Linux 12 kvm1 ttyS0\n")
    assert ready.console_problem(tmp_path) is None


def test_state_survives(tmp_path):
    assert state.read(tmp_path) is None
    saved = state.State({"hosts": []}, {"name": "tcg"}, ports={"a": 1})
    saved.write(tmp_path)
    assert state.read(tmp_path) == saved
    (tmp_path / state.FILE).write_text("{")
    with pytest.raises(LabError, match="damaged"):
        state.read(tmp_path)


class Recorder:
    """A switch port that remembers what was sent to it."""

    def __init__(self):
        self.frames = []

    def send(self, frame):
        self.frames.append(frame)


def test_the_switch_learns_where_frames_belong():
    ports = [Recorder() for _each in range(3)]
    learned = {}
    a, b, broadcast = b"\x52AAAAA", b"\x52BBBBB", b"\xff" * 6

    def forward(source, destination, sender):
        frame = destination + sender + b"\x08\x00payload"
        switch.forward(ports[source], frame, ports, learned)
        return [len(port.frames) for port in ports]

    assert forward(0, broadcast, a) == [0, 1, 1]
    assert forward(1, a, b) == [1, 1, 1]
    assert forward(0, b, a) == [1, 2, 1]
    assert forward(2, b"\x52CCCCC", b"\x52DDDDD") == [2, 3, 1]


def test_a_switch_that_runs_learns_who_is_where(tmp_path):
    names = ("a", "b", "c")
    hosts = {}
    for name in names:
        hosts[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        hosts[name].settimeout(120)
        hosts[name].bind(str(tmp_path / f"{name}.sock"))
    ports = [f"switch-{name}.sock={name}.sock" for name in names]
    process = processes.spawn(
        [sys.executable, switch.__file__, "mark", *ports], tmp_path, tmp_path / "log"
    )
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "switch-c.sock").exists():
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.02)
        everybody = b"\xff" * 6 + b"\x02aaaaa" + b"who is there"
        hosts["a"].sendto(everybody, str(tmp_path / "switch-a.sock"))
        assert [hosts[name].recv(100) for name in ("b", "c")] == [everybody] * 2
        answer = b"\x02aaaaa" + b"\x02bbbbb" + b"b is"
        hosts["b"].sendto(answer, str(tmp_path / "switch-b.sock"))
        assert hosts["a"].recv(100) == answer
        hosts["c"].setblocking(False)
        with pytest.raises(BlockingIOError):
            hosts["c"].recv(100)
    finally:
        process.kill()
        process.wait(120)
        for endpoint in hosts.values():
            endpoint.close()
