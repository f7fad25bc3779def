"""The role kvm_host, run for real: on this machine in check mode, and where no daemon runs yet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.information import host_facts
from support.private_libvirtd import (
    LIBVIRTD_PID_FILE,
    VIRTLOGD_PID_FILE,
    PrivateLibvirtd,
    wait_until,
    why_not_here,
)

ROOT = Path(__file__).parents[2]
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  roles:
    - role: kvm.fleet.kvm_host
  tasks:
    - ansible.builtin.copy:
        content: "{{ kvm_host_report | to_json }}"
        dest: "{{ report_path }}"
        mode: "0600"
      check_mode: false
      changed_when: false
"""
GUEST = """
<domain type='qemu'>
  <name>survivor</name>
  <memory unit='MiB'>16</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
</domain>
"""
PID_FILES = {"libvirtd": LIBVIRTD_PID_FILE, "virtlogd": VIRTLOGD_PID_FILE}

pytestmark = pytest.mark.skipif(bool(why_not_here()), reason=why_not_here() or "runs")


@dataclass
class Result:
    """What a run of the role printed, changed and reported."""

    failed: bool
    output: str
    changed: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


def run_role(
    folder: Path, *arguments: str, entry: list[str] | None = None, **variables: Any
) -> Result:
    """Run the role with these variables, where ``entry`` leads."""
    playbook, report = folder / "play.yml", folder / "report.json"
    playbook.write_text(PLAYBOOK)
    report.unlink(missing_ok=True)
    extra = json.dumps({"report_path": str(report), **variables})
    ansible = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [*(entry or []), str(ansible), str(playbook), "-e", extra, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
            "ANSIBLE_NOCOLOR": "true",
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return Result(
        failed=done.returncode != 0,
        output=done.stdout + done.stderr,
        changed=changed_tasks(done.stdout),
        report=json.loads(report.read_text()) if report.exists() else {},
    )


def changed_tasks(output: str) -> list[str]:
    """The names of the tasks that changed something, or would."""
    names: list[str] = []
    task = ""
    for line in output.splitlines():
        if line.startswith(("TASK [", "RUNNING HANDLER [")):
            task = line.split("[", 1)[1].rsplit("]", 1)[0].removeprefix("kvm.fleet.kvm_host : ")
        elif line.startswith("changed: ") and task not in names:
            names.append(task)
    return names


@pytest.fixture(scope="module")
def bare() -> Iterator[PrivateLibvirtd]:
    """Where libvirt is installed, no daemon runs, and the machine's own is out of sight."""
    place = PrivateLibvirtd(Path("/tmp") / f"kvm-fleet-role-{os.getpid()}")
    place.start()
    try:
        stop_daemons(place)
        for name in ("libvirtd.conf", "qemu.conf"):
            shutil.copy2(Path("/etc/libvirt") / name, place.outside("/etc/libvirt") / name)
        # So that the role does not ask a systemd that runs outside.
        place.run(["sh", "-c", "test ! -d /run/systemd || mount -t tmpfs none /run/systemd"])
        yield place
    finally:
        place.stop()


def stop_daemons(place: PrivateLibvirtd) -> None:
    place.kill()
    pid = place.outside(VIRTLOGD_PID_FILE).read_text().strip()
    place.run(["kill", "-KILL", pid])
    wait_until(lambda: place.try_run(["kill", "-0", pid]).returncode != 0, 30, "virtlogd to end")


def test_check_mode_recognises_this_machine(tmp_path: Path) -> None:
    """Whatever runs here goes on running."""
    running = host_facts.running_daemons(host_facts.service_manager())
    result = run_role(tmp_path, "--check", "--diff")
    assert not result.failed, result.output
    assert result.report["libvirt"]["running"] == running
    assert "Stop the daemon" not in result.changed
    assert "Restart the daemon" not in result.changed


def test_a_machine_without_packages_is_planned(tmp_path: Path, bare: PrivateLibvirtd) -> None:
    hide = (
        "mount --bind /dev/null /usr/sbin/libvirtd;"
        "mount --bind /dev/null /var/lib/dpkg/status;"
        'exec "$@"'
    )
    entry = [*bare.entry(), "unshare", "--mount", "sh", "-c", hide, "sh"]
    result = run_role(tmp_path, "--check", "--diff", entry=entry, kvm_host_storage_types=["netfs"])
    assert not result.failed, result.output
    assert result.changed == ["Say which packages would be installed", "Say what would follow"]
    assert "libvirt-daemon-system" in result.output
    assert {"nfs-common", "qemu-utils"} <= set(result.report["missing_packages"])
    assert result.report["libvirt"] == {"daemons": None, "running": {}, "version": None}


def test_daemons_are_started_without_systemd(tmp_path: Path, bare: PrivateLibvirtd) -> None:
    started = ["Start the daemons that do not run"]
    plan = run_role(tmp_path, "--check", entry=bare.entry())
    assert not plan.failed, plan.output
    assert plan.changed == started
    assert plan.report["libvirt"]["running"] == {}, "check mode started something"

    run = run_role(tmp_path, entry=bare.entry())
    assert not run.failed, run.output
    assert run.changed == started
    assert set(run.report["libvirt"]["running"]) == {"libvirtd", "virtlockd", "virtlogd"}
    assert run.report["libvirt"]["daemons"] == "monolithic"
    pid_file = bare.outside("/run/libvirt/libvirtd.pid")
    assert int(pid_file.read_text()) == run.report["libvirt"]["running"]["libvirtd"]

    again = run_role(tmp_path, entry=bare.entry())
    assert again.changed == []
    assert again.report == run.report


@pytest.fixture
def started(bare: PrivateLibvirtd) -> PrivateLibvirtd:
    """The same place, where the daemons run."""
    if not bare.answers():
        bare.run(["virtlogd", "--daemon", "--pid-file", VIRTLOGD_PID_FILE])
        bare.start_libvirtd()
    return bare


def test_settings_restart_the_daemon_and_no_vm(tmp_path: Path, started: PrivateLibvirtd) -> None:
    bare = started
    settings = {
        "kvm_host_libvirtd_settings": {"max_clients": 4000},
        "kvm_host_qemu_settings": {"vnc_password": "hidden", "dump_guest_core": False},
    }
    restarted = [
        "Write the settings of libvirtd.conf",
        "Write the settings of qemu.conf",
        "Stop the daemon",
    ]
    guest = bare.outside("/etc/libvirt") / "guest.xml"
    guest.write_text(GUEST)
    pids = {name: int(bare.outside(file).read_text()) for name, file in PID_FILES.items()}
    bare.virsh("create", "/etc/libvirt/guest.xml")
    guest_id = bare.virsh("domid", "survivor")

    plan = run_role(tmp_path, "--check", "--diff", entry=bare.entry(), **settings)
    assert not plan.failed, plan.output
    assert plan.changed == restarted
    assert "max_clients = 4000" in plan.output
    assert "hidden" not in plan.output
    ran = plan.report["libvirt"]["running"]
    assert {name: ran[name] for name in pids} == pids, "check mode restarted a daemon"

    run = run_role(tmp_path, "--diff", entry=bare.entry(), **settings)
    assert not run.failed, run.output
    assert run.changed == [*restarted, "Start the daemons that do not run"]
    assert "hidden" not in run.output
    running = run.report["libvirt"]["running"]
    assert running["libvirtd"] != ran["libvirtd"]
    assert running["virtlogd"] == ran["virtlogd"]
    assert bare.virsh("domid", "survivor") == guest_id, "the VM was restarted"
    assert "max_clients = 4000" in bare.outside("/etc/libvirt/libvirtd.conf").read_text()

    again = run_role(tmp_path, entry=bare.entry(), **settings)
    assert again.changed == []
    bare.virsh("destroy", "survivor")


def test_the_default_network_only_when_asked(tmp_path: Path, started: PrivateLibvirtd) -> None:
    bare = started
    network = bare.outside("/etc/libvirt") / "network.xml"
    network.write_text("<network><name>default</name></network>")

    def run(*arguments: str, value: str) -> list[str]:
        result = run_role(tmp_path, *arguments, entry=bare.entry(), kvm_host_default_network=value)
        assert not result.failed, result.output
        return result.changed

    def state() -> tuple[bool, bool]:
        info = bare.virsh("net-info", "default").split()
        return info[info.index("Active:") + 1] == "yes", info[info.index("Autostart:") + 1] == "yes"

    bare.virsh("net-define", "/etc/libvirt/network.xml")
    changed = ["Set whether it runs, now and with the host"]
    assert run("--check", value="active") == changed
    assert state() == (False, False), "check mode changed it"
    assert run(value="active") == changed
    assert state() == (True, True)
    assert run(value="untouched") == run(value="active") == []
    assert state() == (True, True)
    assert run(value="inactive") == changed
    assert state() == (False, False)


@pytest.mark.parametrize(
    ("variables", "messages"),
    [
        (
            {"kvm_host_users": ["root", "nobody-here", "nor-here"]},
            ["nobody-here does not exist", "nor-here does not exist"],
        ),
        ({"kvm_host_qemu_settings": {"Bad Name": 1}}, ["'Bad Name' is no name"]),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    tmp_path: Path, variables: dict[str, Any], messages: list[str]
) -> None:
    result = run_role(tmp_path, "--check", **variables)
    assert result.failed
    assert not [message for message in messages if message not in result.output]
    assert result.changed == []
