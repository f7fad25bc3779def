"""Runs the role kvm_host, and finds places for it where no daemon runs yet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.private_libvirtd import VIRTLOGD_PID_FILE, PrivateLibvirtd, wait_until

ROOT = Path(__file__).resolve().parents[2]
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
# What is of one part of the role is a matter of a few seconds then.
PART = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: kvm.fleet.kvm_host
        tasks_from: PART.yml
"""


@dataclass
class Result:
    """What a run of the role printed, changed and reported."""

    failed: bool
    output: str
    changed: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


def run_role(
    folder: Path,
    *arguments: str,
    entry: Sequence[str] = (),
    part: str = "",
    **variables: Any,
) -> Result:
    """Run the role, or the tasks of one part of it, with these variables, where ``entry`` leads."""
    playbook, report = folder / "play.yml", folder / "report.json"
    playbook.write_text(PART.replace("PART", part) if part else PLAYBOOK)
    report.unlink(missing_ok=True)
    extra = json.dumps({"report_path": str(report), **variables})
    ansible = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [*entry, str(ansible), str(playbook), "-e", extra, *arguments],
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


@contextmanager
def bare_place(name: str = "role") -> Iterator[PrivateLibvirtd]:
    """Where libvirt is installed, no daemon runs, and the machine's own is out of sight."""
    place = PrivateLibvirtd(Path("/tmp") / f"kvm-fleet-{name}-{os.getpid()}")
    place.start()
    try:
        stop_daemons(place)
        for file in ("libvirtd.conf", "qemu.conf"):
            shutil.copy2(Path("/etc/libvirt") / file, place.outside("/etc/libvirt") / file)
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
