"""What the tests of this scenario share: where VMs live, what guests wrote, what a ping saw."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

REPLY = re.compile(r"^\[(?P<at>[\d.]+)\] .*icmp_seq=(?P<number>\d+) ttl", re.MULTILINE)


@pytest.fixture
def lives(host: Any) -> Callable[[str, str, str], None]:
    """lives("web", "kvm2", "running"): whichever host is under test has the VM so, or has none."""

    def check(vm: str, where: str, state: str) -> None:
        found = host.vm(vm)
        here = host.check_output("uname -n") == where
        assert found.exists is here
        if here:
            assert (found.state, found.is_persistent) == (state, True)

    return check


@pytest.fixture
def told(host: Any) -> Callable[[str], dict[str, Any]]:
    """told("web"): what the module returned of the VM's last move."""
    return lambda vm: json.loads(host.check_output("cat /var/lib/moves/%s.json", vm))


@pytest.fixture
def longest_silence_s(host: Any) -> Callable[[], float]:
    """The longest time between two answers to the ping that runs on this host."""

    def silence() -> float:
        said = host.check_output("cat /var/lib/moves/pings")
        times = [float(match["at"]) for match in REPLY.finditer(said)]
        assert len(times) > 10, "nobody was pinged"
        return max(after - before for before, after in zip(times, times[1:]))

    return silence
