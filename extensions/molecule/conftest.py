"""Fixtures for the verifiers of all scenarios."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

TOOLS = "/usr/local/lib/kvm-fleet/tests"
ANSWER_TIMEOUT_S = 400
REPORT_TIMEOUT_S = 240
REACH_TIMEOUT_S = 240
# What a guest reads of the numbers that resources/files/count.py has it write.
COUNT = """
n=$(cat /tmp/counted); echo 3 >/proc/sys/vm/drop_caches
dd if=/dev/vda bs=512 count=$((n + 1)) 2>/dev/null |
    awk '$1 != NR - 1 {bad++} END {print NR, bad + 0}'
"""


class RemoteGuest:
    """A tiny guest on the host under test; its methods are those of tests/support/guest.py."""

    def __init__(self, host: Any, name: str) -> None:
        self._host = host
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            words = ", ".join(repr(argument) for argument in arguments)
            script = (
                "import json; from support.guest import TinyGuest; "
                f"print(json.dumps(TinyGuest({self._name!r}).{method}({words})))"
            )
            command = "cd %s && timeout %s python3 -c %s"
            output = self._host.check_output(command, TOOLS, str(ANSWER_TIMEOUT_S), script)
            return json.loads(output)

        return call

    def wait_report(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first report for which HOLDS(report); a guest takes a moment to see what changes."""
        deadline = time.monotonic() + REPORT_TIMEOUT_S
        while not holds(report := self.report()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{self._name}: still after {REPORT_TIMEOUT_S} s: {report}")
        return report

    def wait_reach(self, address: str) -> None:
        """Return once three pings out of three come back: emulated hosts forward late at times."""
        deadline = time.monotonic() + REACH_TIMEOUT_S
        while (received := self.ping(address)) != 3:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{self._name}: of 3 pings to {address}, {received} came back, the last time"
                    f" in {REACH_TIMEOUT_S} s of trying"
                )


@pytest.fixture
def guest(host: Any) -> Callable[[str], RemoteGuest]:
    """guest("web").ping("192.168.1.2"): asks the tiny guest in the VM `web`."""
    return lambda name: RemoteGuest(host, name)


@pytest.fixture
def limits(host: Any) -> Callable[[str, str], dict[str, int]]:
    """limits("web", MAC): what the kernel lets that NIC of the VM receive and send, in Kbit/s."""

    def limits_of(vm: str, mac: str) -> dict[str, int]:
        [tap] = host.vm(vm).xml.findall(f".//mac[@address='{mac}']/../target")
        told = {
            "inbound": host.check_output("tc class show dev %s", tap.get("dev")),
            "outbound": host.check_output("tc filter show dev %s ingress", tap.get("dev")),
        }
        found = {way: re.search(r"\brate (\d+)Kbit", text) for way, text in told.items()}
        return {way: int(match[1]) for way, match in found.items() if match}

    return limits_of


@pytest.fixture
def counted(guest: Callable[[str], RemoteGuest]) -> Callable[[str], tuple[int, int]]:
    """counted("web"): how many numbers the guest wrote to its disk, and how many are wrong."""

    def count(name: str) -> tuple[int, int]:
        rc, said = guest(name).shell(COUNT)
        assert rc == 0, said
        written, wrong = said.split()
        return int(written), int(wrong)

    return count


@pytest.fixture
def counts_on(counted: Callable[[str], tuple[int, int]]) -> Callable[[str], None]:
    """counts_on("web"): no number that the guest wrote is wrong, and it goes on writing them."""

    def check(name: str) -> None:
        before, wrong = counted(name)
        assert (before > 0, wrong) == (True, 0)
        after, wrong = counted(name)
        assert (after > before, wrong) == (True, 0), f"after {before} came {after}"

    return check


@pytest.fixture
def moves_seen(host: Any) -> dict[str, dict[str, Any]]:
    """What resources/files/seen.py told after each move of a disk, by the pool it was in then."""
    lines = host.check_output("cat /var/lib/moves/seen").splitlines()
    return {told["pool"]: told for told in map(json.loads, lines)}
