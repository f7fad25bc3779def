"""Waiting for guests: what a run says of it, and who answers as an sshd."""

from __future__ import annotations

import socket
import threading

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan, Wanted
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import summary
from ansible_collections.kvm.fleet.plugins.module_utils.run.done import Run
from ansible_collections.kvm.fleet.plugins.module_utils.run.waiting import waiting, why_no_sshd


def plan(name: str, wait_for: str, state: str = "running") -> Plan:
    options = {"wait_for": wait_for, "wait_timeout_s": 60}
    after = Have("vm", name, facts={"state": state})
    return Plan(Wanted("vm", name, state, options=options), "none", after, after)


def test_without_a_host_it_is_only_said() -> None:
    plans = [plan("a", "ssh"), plan("b", "address"), plan("c", "ssh"), plan("d", "ssh", "paused")]
    run = Run(plans)
    with waiting(None, run):
        pass
    assert run.waits == {
        "vm/a": {"for": "ssh", "timeout_s": 60},
        "vm/b": {"for": "address", "timeout_s": 60},
        "vm/c": {"for": "ssh", "timeout_s": 60},
    }
    told = "plan: no changes; then waits for ssh: vm/a, vm/c; then waits for address: vm/b"
    assert summary(run.plans, run.then()) == told


@pytest.mark.parametrize(
    ("says", "why"), [(b"SSH-2.0-x\r\n", ""), (b"220 mail\r\n", "no sshd"), (b"", "no sshd")]
)
def test_an_sshd_is_known_by_what_it_says(says: bytes, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            connection, _peer = server.accept()
            with connection:
                connection.sendall(says)

        thread = threading.Thread(target=answer)
        thread.start()
        assert why in why_no_sshd("127.0.0.1", port)
        thread.join()


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert why_no_sshd("127.0.0.1", port) == "Connection refused"
