"""A snapshot that is of no use costs time, and never the lab."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.roles.lab.files.fleetlab import (
    declaration,
    disks,
    home,
    hostfiles,
    labs,
    ready,
    snapshot,
    ssh,
    state,
)
from ansible_collections.kvm.fleet.roles.lab.files.fleetlab.errors import LabError

OPTIONS = labs.Options(snapshots=True, boot_timeout_s=1)


@pytest.fixture
def said():
    return []


@pytest.fixture
def run(tmp_path, monkeypatch, said):
    """A lab of one host with a snapshot. No QEMU is started: who tries says how."""
    (tmp_path / "initrd").write_bytes(b"")
    monkeypatch.setattr(ssh, "ensure_keys", lambda _home: ssh.Keys(tmp_path))
    monkeypatch.setattr(hostfiles, "archive", lambda *_: b"")
    monkeypatch.setattr(disks, "make", lambda *_: said.append("disks made"))
    monkeypatch.setattr(snapshot, "copy", lambda *_: said.append("snapshot copied"))
    lab = declaration.parse({"name": "x", "hosts": [{"name": "kvm1"}]})
    run = labs.LabRun(home.Home(tmp_path), lab, state.State({}, {}), said.append)
    run.directory.mkdir(parents=True)
    saved = snapshot.Snapshot(tmp_path / "saved")
    saved.directory.mkdir()
    monkeypatch.setattr(run, "_image", lambda _host: Built(tmp_path / "initrd"))
    monkeypatch.setattr(run, "_snapshot", lambda _host: saved)
    monkeypatch.setattr(run, "stop_host", lambda host: said.append(f"stop {host.name}"))
    return run


class Built:
    def __init__(self, initrd):
        self.initrd = initrd


def launches(run, monkeypatch, *, refuses_snapshot):
    def launch(host, _built, restored):
        run.state.ports[host.name] = 1
        if restored and refuses_snapshot:
            raise LabError("QEMU did not start: damaged")

    monkeypatch.setattr(run, "_launch", launch)


def test_one_that_qemu_refuses_is_removed_and_the_host_booted(run, monkeypatch, said):
    launches(run, monkeypatch, refuses_snapshot=True)
    [host] = run.lab.hosts
    run.start_host(host, restore=True)
    assert not run._snapshot(host).exists
    assert said[0] == "snapshot copied" and said[2:] == ["disks made", "kvm1: booting"]
    assert "damaged" in said[1]
    assert run.state.started == {"kvm1": "booted"}


def test_an_image_that_does_not_start_is_an_error(run, monkeypatch):
    def launch(*_):
        raise LabError("QEMU did not start: no memory")

    monkeypatch.setattr(run, "_launch", launch)
    with pytest.raises(LabError, match="no memory"):
        run.start_host(run.lab.hosts[0], restore=False)


def test_one_whose_host_does_not_answer_is_removed(run, monkeypatch):
    launches(run, monkeypatch, refuses_snapshot=False)
    [host] = run.lab.hosts
    run.start_host(host, restore=True)
    answers = [LabError("no answer"), "fine", "fine"]

    def wait(*_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(ready, "wait", wait)
    monkeypatch.setattr(run, "_save", lambda _host: None)
    assert run.make_ready(host, OPTIONS)
    assert run.state.started == {"kvm1": "booted"}
    assert not run._snapshot(host).exists


def test_one_that_cannot_be_saved_is_done_without(run, monkeypatch, said):
    launches(run, monkeypatch, refuses_snapshot=False)
    [host] = run.lab.hosts
    snapshot.drop(run._snapshot(host))
    run.start_host(host, restore=True)

    def save(_host):
        raise LabError("the disk is full")

    monkeypatch.setattr(run, "_save", save)
    monkeypatch.setattr(ready, "wait", lambda *_: "fine")
    assert not run.make_ready(host, OPTIONS)
    assert "WARNING kvm1: no snapshot of it was saved: the disk is full" in said
    assert said[-1] == "kvm1: ready, fine"
