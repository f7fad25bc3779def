"""What the benchmarks have in common: a libvirtd of their own, and times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.private_libvirtd import PrivateLibvirtd

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".ansible" / "collections"
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
TIMES = 3


@contextmanager
def private_libvirtd() -> Iterator[PrivateLibvirtd]:
    """One that nothing else uses."""
    folder = Path(tempfile.mkdtemp(prefix="kvmf-", dir="/tmp"))
    daemon = PrivateLibvirtd(Path(f"{folder}-d"))  # its name is that of a control group as well
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        folder.rmdir()


def best(what: Callable[[int], object]) -> float:
    """The best time of some turns."""
    return min(once(lambda turn=turn: what(turn)) for turn in range(TIMES))


def once(what: Callable[[], object]) -> float:
    """The time of one turn."""
    began = time.monotonic()
    what()
    return time.monotonic() - began


def must(is_so: bool) -> None:
    """End a benchmark that does not do what it measures."""
    if not is_so:
        sys.exit("a run did another thing than it is measured for")


def playbook(tasks: list[dict[str, Any]], changed: bool | None = None) -> float:
    """Seconds for a whole ansible-playbook process."""
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}:{site_packages()}",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_STDOUT_CALLBACK": "default",
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(play, file)
        file.flush()
        started = time.monotonic()
        done = subprocess.run(
            [PLAYBOOK, "-i", "localhost,", file.name],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        took = time.monotonic() - started
    if done.returncode:
        sys.exit(f"the playbook failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    if changed is False and "changed=0" not in done.stdout:
        sys.exit("the second run changed something")
    return took


def site_packages() -> str:
    """Where this Python has the peer's collection, if it is installed."""
    return str(next(Path(sys.prefix).glob("lib/python3*/site-packages")))
