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
# How ssh says that it came nowhere, which testinfra takes for its own; so another is said instead.
NOWHERE, NOT_REACHED = 255, 254
RENAMED = f' || {{ rc=$?; [ "$rc" != {NOWHERE} ] || rc={NOT_REACHED}; exit "$rc"; }}'
# What cloud-init leaves when it is through; to ask it would take a start of Python each time.
IS_THROUGH = "until [ -e /run/cloud-init/result.json ]; do sleep 2; done"


@pytest.fixture
def in_guest(host: Any) -> Callable[[str], str]:
    """in_guest("hostname"): what a command says in the guest, once cloud-init is through."""

    def run(command: str) -> str:
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        asked = f"{IS_THROUGH}; {command}"
        while (done := host.run(SSH + "%s" + RENAMED, asked)).rc == NOT_REACHED:
            if time.monotonic() > deadline:
                raise AssertionError(f"nobody can log in after {BOOT_TIMEOUT_S} s: {done.stderr}")
            time.sleep(10)
        assert done.rc == 0, done.stderr
        return str(done.stdout).strip()

    return run
