"""Runs the role kvm_host, and finds places for it where no daemon runs yet."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.ansible_runs import PlaybookRun, run_playbook
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


class OnHosts:
    """Runs a part of the role on several hosts at once, each a place of its own on this machine."""

    def __init__(
        self, places: Mapping[str, PrivateLibvirtd], folder: Path, part: str, **environment: str
    ) -> None:
        self.folder = folder
        self.playbook = PART.replace("localhost", "kvm_hosts").replace("PART", part)
        said = [f"{name}={value}" for name, value in environment.items()]
        self._pythons = {}
        for name, place in places.items():
            entry = shlex.join([*place.entry(), "env", *said, sys.executable])
            self._pythons[name] = folder / f"python-{name}"
            self._pythons[name].write_text(f'#!/bin/sh\nexec {entry} "$@"\n')
            self._pythons[name].chmod(0o755)

    def run(self, variables: Mapping[str, Mapping[str, Any]], *options: str) -> PlaybookRun:
        """Run it with the variables of each host."""
        hosts = {
            name: {
                "ansible_connection": "local",
                "ansible_python_interpreter": str(python),
                "ansible_remote_tmp": "/tmp/kvm-fleet-ansible",
                **variables[name],
            }
            for name, python in self._pythons.items()
        }
        inventory = self.folder / "hosts.json"
        inventory.write_text(json.dumps({"kvm_hosts": {"hosts": hosts}}))
        return run_playbook(self.playbook, "-i", str(inventory), *options)


def changed_by_host(run: PlaybookRun) -> dict[str, list[str]]:
    """What each host says that changed, by tasks; nothing of those where nothing did."""
    found: dict[str, list[str]] = {}
    for one in run.tasks:
        if one.result.get("changed"):
            found.setdefault(one.host, []).append(one.task.rpartition(" : ")[2])
    return found


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
