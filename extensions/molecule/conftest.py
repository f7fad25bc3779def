"""Fixtures for the verifiers of all scenarios."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

TOOLS = "/usr/local/lib/kvm-fleet/tests"
ANSWER_TIMEOUT_S = 150


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


@pytest.fixture
def guest(host: Any) -> Callable[[str], RemoteGuest]:
    """guest("web").ping("192.168.1.2"): asks the tiny guest in the VM `web`."""
    return lambda name: RemoteGuest(host, name)
