"""What the tests of this scenario share: its switches, and what pings saw."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

NETWORKS = {"linux": "10.10.1", "open": "10.10.2"}


@pytest.fixture(params=NETWORKS)
def switch(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def lost(host: Any) -> Callable[[str, str], float]:
    """lost("lacp", "open"): for how long nothing came back, in seconds, while a wire was pulled."""

    def longest_s(way: str, switch: str) -> float:
        told = json.loads(host.check_output("cat /var/lib/switches/%s.json", way))
        [found] = [one for address, one in told.items() if address.startswith(NETWORKS[switch])]
        # Five each second for longer than the wire was away.
        assert found["sent"] > 100, found
        return float(found["longest_s"])

    return longest_s
