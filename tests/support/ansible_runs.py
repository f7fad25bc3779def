"""Runs modules and playbooks of this collection for real, here or inside a PrivateLibvirtd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.private_libvirtd import PrivateLibvirtd

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".ansible" / "collections"
MODULES = "ansible_collections.kvm.fleet.plugins.modules"
TIMEOUT_S = 900


@dataclass(frozen=True)
class TaskResult:
    """What one task, or one item of its loop, returned on one host."""

    host: str
    task: str
    result: dict[str, Any]


@dataclass(frozen=True)
class PlaybookRun:
    """How a run of ansible-playbook ended, what it printed and what its tasks returned."""

    returncode: int
    output: str
    tasks: list[TaskResult]

    def result_of(self, task: str) -> dict[str, Any]:
        """The result of the one task of that name."""
        [found] = [done.result for done in self.tasks if done.task == task]
        return found

    @property
    def changed(self) -> list[str]:
        """The names of the tasks that changed something."""
        return [done.task for done in self.tasks if done.result.get("changed")]


def run_module(
    name: str,
    args: Mapping[str, Any],
    check: bool = False,
    on: PrivateLibvirtd | None = None,
) -> dict[str, Any]:
    """What the module returns, as JSON; failures too (`failed`, `msg`), they raise nothing.

    The module runs as Ansible runs it, in a process of its own, but without a controller
    (0.2 s instead of 2 s). With `on` it runs where that libvirtd is the host's own.
    """
    settings = {"_ansible_check_mode": check, "_ansible_diff": True}
    stdin = json.dumps({"ANSIBLE_MODULE_ARGS": {**args, **settings}})
    done = _run([sys.executable, "-m", f"{MODULES}.{name}"], on, stdin)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise AssertionError(
            f"module {name} (exit {done.returncode}) printed no JSON:\n{done.stdout}{done.stderr}"
        ) from None


def run_playbook(
    text: str,
    *options: str,
    on: PrivateLibvirtd | None = None,
    inventory: str = "localhost ansible_connection=local",
    environment: Mapping[str, str] | None = None,
) -> PlaybookRun:
    """Run a playbook given as YAML text, with any options of ansible-playbook."""
    with tempfile.TemporaryDirectory(prefix="kvmf-play-") as name:
        folder = Path(name)
        (folder / "playbook.yml").write_text(text)
        (folder / "inventory").write_text(inventory + "\n")
        results = folder / "results"
        results.touch()
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        argv = [program, "--inventory", str(folder / "inventory"), *options]
        done = _run([*argv, str(folder / "playbook.yml")], on, "", results, environment)
        tasks = [TaskResult(**json.loads(line)) for line in results.read_text().splitlines()]
    return PlaybookRun(done.returncode, done.stdout + done.stderr, tasks)


def _run(
    argv: list[str],
    on: PrivateLibvirtd | None,
    stdin: str,
    results: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*(on.entry() if on else []), *argv],
        env={**_environment(results), **(environment or {})},
        check=False,
        capture_output=True,
        input=stdin,
        text=True,
        timeout=TIMEOUT_S,
    )


def _environment(results: Path | None) -> dict[str, str]:
    """The caller's environment, with this collection and its settings for Ansible."""
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "PYTHONPATH": str(COLLECTIONS),
    }
    if results:
        environment |= {
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
            "ANSIBLE_CALLBACKS_ENABLED": "results_file",
            "KVM_FLEET_RESULTS_FILE": str(results),
        }
    return environment
