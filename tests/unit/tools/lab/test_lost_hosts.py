"""A lost host is reported with its console and started once more: never more, never hidden."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.roles.lab.files.fleetlab import (
    declaration,
    home,
    labs,
    parallel,
    ready,
    ssh,
    state,
)
from ansible_collections.kvm.fleet.roles.lab.files.fleetlab.errors import HostFailed, LabError

OPTIONS = labs.Options(snapshots=False, boot_timeout_s=1)
PANIC = "[   25.1] Kernel panic - not syncing: Fatal exception"


@pytest.fixture
def said():
    return []


@pytest.fixture
def run(tmp_path, monkeypatch, said):
    """A lab of one host whose console says that it panicked; starting it is only noted."""
    monkeypatch.setattr(ssh, "ensure_keys", lambda _home: ssh.Keys(tmp_path))
    lab = declaration.parse({"name": "x", "hosts": [{"name": "kvm1"}]})
    saved = state.State({}, {}, ports={"kvm1": 1}, started={"kvm1": "booted"})
    run = labs.LabRun(home.Home(tmp_path), lab, saved, said.append)
    (run.directory / "kvm1").mkdir(parents=True)
    (run.directory / "kvm1" / "serial.log").write_text(f"booting\n{PANIC}\n")
    monkeypatch.setattr(run, "stop_host", lambda host: said.append(f"stop {host.name}"))
    monkeypatch.setattr(run, "start_host", lambda host, restore: said.append(f"boot {host.name}"))
    return run


def outcomes(monkeypatch, *results):
    """Waiting for the host ends with these, one after the other."""
    left = list(results)

    def wait(_awaited, _timeout_s):
        result = left.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(ready, "wait", wait)
    return left


def test_a_lost_host_is_reported_and_started_once_more(run, monkeypatch, said):
    left = outcomes(monkeypatch, HostFailed("kvm1: its kernel is lost", "console: ..."), "fine")
    assert labs.make_all_ready(run, OPTIONS) == ["kvm1"]
    assert left == []
    assert said[0] == "WARNING kvm1: its kernel is lost\nconsole: ..."
    assert said[1:4] == [
        "kvm1: starting it once more, from its image",
        "stop kvm1",
        "boot kvm1",
    ]
    kept = state.read(run.directory)
    assert kept.failures == {"kvm1": ["kvm1: its kernel is lost"]}
    assert PANIC in (run.directory / "failed/kvm1-1/serial.log").read_text()


def test_a_host_that_is_lost_twice_is_an_error(run, monkeypatch):
    outcomes(monkeypatch, LabError("kvm1: no answer"), LabError("kvm1: no answer again"))
    with pytest.raises(LabError, match="no answer again") as caught:
        labs.make_all_ready(run, OPTIONS)
    assert PANIC in str(caught.value)


def test_a_usable_host_is_left_alone(run, monkeypatch, said):
    outcomes(monkeypatch, "a probe guest ran")
    assert labs.make_all_ready(run, OPTIONS) == []
    assert said[-1] == "kvm1: ready, a probe guest ran"


def awaited(tmp_path, alive):
    return ready.Awaited("kvm1", tmp_path, tmp_path / "ssh_config", 1, lambda: alive)


def test_a_stalled_host_misses_its_deadline_and_its_console_tells_why(tmp_path):
    stall = "[   80.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s!"
    (tmp_path / "serial.log").write_text(f"{stall}\n")
    with pytest.raises(HostFailed, match=r"not usable within 1 s: no answer.*soft lockup") as lost:
        ready.wait(awaited(tmp_path, alive=True), 1)
    assert stall in lost.value.evidence


def test_a_host_whose_process_ended_is_lost_at_once(tmp_path):
    (tmp_path / "qemu.log").write_text("qemu: out of memory\n")
    with pytest.raises(HostFailed, match="its QEMU process ended") as lost:
        ready.wait(awaited(tmp_path, alive=False), 60)
    assert "out of memory" in lost.value.evidence


def test_every_failure_of_several_hosts_is_told():
    def fail(name):
        raise HostFailed(f"{name} is lost", f"console of {name}")

    with pytest.raises(LabError) as caught:
        parallel.run([lambda: fail("a"), lambda: None, lambda: fail("b")])
    assert str(caught.value) == "a is lost\nconsole of a\nb is lost\nconsole of b"


def test_a_bug_is_not_taken_for_a_lost_host():
    with pytest.raises(ZeroDivisionError):
        parallel.run([lambda: 1 // 0])
