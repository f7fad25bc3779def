"""What the tests of this scenario share: a way into the guest that is not the collection's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

# An emulated host beside other work: alone it takes a fifth of it.
BOOT_TIMEOUT_S = 2400
SSH = (
    "ssh -i /root/guest_key -o BatchMode=yes -o ConnectTimeout=30 -o StrictHostKeyChecking=no"
    " -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR ops@192.168.50.10 "
)
IS_THROUGH = "sudo cloud-init status --wait"


@pytest.fixture
def in_guest(host: Any) -> Callable[[str], str]:
    """in_guest("hostname"): what a command says in the guest, once cloud-init is through."""

    def run(command: str) -> str:
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while (done := host.run(SSH + "%s", f"{IS_THROUGH} >/dev/null; {command}")).rc == 255:
            if time.monotonic() > deadline:
                raise AssertionError(f"nobody can log in after {BOOT_TIMEOUT_S} s: {done.stderr}")
            time.sleep(10)
        assert done.rc == 0, done.stderr
        return str(done.stdout).strip()

    return run
