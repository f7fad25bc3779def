"""Of all that is collected after a failure, the ends that matter."""

from __future__ import annotations

from ansible_collections.kvm.fleet.roles.lab.files.fleetlab import (
    declaration,
    home,
    labs,
    logs,
    ssh,
    state,
)

LIBVIRT_LOG = """\
2026-01-01 10:00:00.000+0000: starting up libvirt version: 9.0.0
LC_ALL=C \\
/usr/bin/qemu-system-x86_64 \\
-name guest=web \\
-msg timestamp=on
2026-01-01T10:00:01.000Z qemu-system-x86_64: cannot set up guest memory
"""


def a_lab(tmp_path, monkeypatch):
    monkeypatch.setattr(ssh, "ensure_keys", lambda _home: ssh.Keys(tmp_path))
    lab = declaration.parse({"name": "x", "hosts": [{"name": "kvm1"}]})
    run = labs.LabRun(home.Home(tmp_path / "home"), lab, state.State({}, {}), lambda _line: None)
    (run.directory / "kvm1").mkdir(parents=True)
    return run


def answers(monkeypatch, texts):
    def run(_config, _host, command, *_rest, **_options):
        text = next((text for part, text in texts.items() if part in command), "")
        return type("Done", (), {"stdout": text, "stderr": ""})

    monkeypatch.setattr(ssh, "run", run)


def test_the_ends_leave_out_command_lines(tmp_path, monkeypatch):
    run = a_lab(tmp_path, monkeypatch)
    monkeypatch.setattr(run, "condition", lambda _host: "running")
    answers(monkeypatch, {"libvirt/qemu": LIBVIRT_LOG, "--failed": "smartd.service failed\n"})
    assert logs.collect(run, tmp_path / "out").splitlines() == [
        "kvm1: condition.log: running",
        "kvm1: failed-units.log: smartd.service failed",
        "kvm1: libvirt-qemu.log: 2026-01-01 10:00:00.000+0000: starting up libvirt version: 9.0.0",
        "kvm1: libvirt-qemu.log: 2026-01-01T10:00:01.000Z qemu-system-x86_64: "
        "cannot set up guest memory",
    ]
    assert (tmp_path / "out/x/kvm1/libvirt-qemu.log").read_text() == LIBVIRT_LOG
    assert (tmp_path / "out/x/ends.log").exists()


def test_a_host_that_does_not_answer_leaves_its_console(tmp_path, monkeypatch):
    run = a_lab(tmp_path, monkeypatch)
    (run.directory / "kvm1/serial.log").write_text("[ 1.0] Kernel panic - not syncing: gone\n")

    def unreachable(*_arguments, **_options):
        raise ssh.UnreachableError("ssh failed")

    monkeypatch.setattr(ssh, "run", unreachable)
    ends = logs.collect(run, tmp_path / "out")
    assert "kvm1: condition.log: stopped" in ends
    assert "console: [ 1.0] Kernel panic - not syncing: gone" in ends
    assert (tmp_path / "out/x/kvm1/serial.log").exists()
