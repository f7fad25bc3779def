"""What a port group lets a guest send and receive, as it was measured between two of one host."""

from __future__ import annotations

import json
from typing import Any

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

LIMIT = 128 * 1024 * 8  # bit/s, as files/vswitches.yml.j2 has it


@pytest.mark.parametrize("way", ["outbound", "inbound"])
def test_a_limit_is_what_a_guest_gets(host: Any, switch: str, way: str) -> None:
    rate = json.loads(host.check_output("cat /var/lib/switches/rates.json"))[switch][way]
    assert 0.8 * LIMIT < rate < 1.2 * LIMIT, f"{rate / 1e6:.2f} Mbit/s"
