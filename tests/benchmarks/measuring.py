"""What the benchmarks have in common: a libvirtd of their own, and times."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.private_libvirtd import PrivateLibvirtd

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
