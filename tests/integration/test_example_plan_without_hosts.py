"""The example plans for two hosts that are nowhere, on a machine without a libvirt."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import COLLECTIONS, ROOT, PlaybookRun, run_module, run_playbook
from support.private_libvirtd import PrivateLibvirtd

EXAMPLE = ROOT / "examples" / "plan_without_hosts"
PLAN = "Plan for the snapshot of the host"


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example keeps its plans."""
    return tmp_path_factory.mktemp("example") / "plans"


@pytest.fixture(scope="module")
def run(plans: Path) -> PlaybookRun:
    """The plan of the example, where libvirt's Python binding cannot be imported."""
    (plans.parent / "libvirt.py").write_text("raise ImportError('it is not installed')\n")
    path = os.pathsep.join((str(plans.parent), str(COLLECTIONS)))
    where = {"kvm_plans": str(plans)}
    return run_playbook(
        f"- import_playbook: {EXAMPLE}/plan.yml",
        *("--inventory", str(EXAMPLE / "inventory"), "--limit", "kvm_hosts"),
        *("--check", "--diff", "--extra-vars", json.dumps(where)),
        environment={"PYTHONPATH": path},
    )


def planned(run: PlaybookRun) -> dict[str, dict[str, Any]]:
    return {done.host: done.result for done in run.tasks if done.task == PLAN}


def test_a_plan_is_made_for_each_host(run: PlaybookRun, plans: Path) -> None:
    assert run.returncode == 0, run.output
    made = planned(run)
    first, second = (made[f"kvm{n}.example.org"] for n in (1, 2))
    assert _actions(first) == {"vm/web": "update", "storage_volume/images/db-root.qcow2": "create",
                               "storage_volume/images/db-data.qcow2": "create",
                               "vm/db": "create"}  # fmt: skip
    assert set(_actions(second).values()) == {"create"}
    assert {"storage_pool/images", "vswitch/lan", "vm/build"} < set(_actions(second))
    for host, plan in made.items():
        kept = json.loads((plans / f"{host}.json").read_text())
        assert kept == plan["made_from"]
        assert set(kept) == set(_actions(plan))


def _actions(plan: dict[str, Any]) -> dict[str, str]:
    return {one["resource"]: one["action"] for one in plan["results"] if one["changed"]}


def test_nothing_of_it_is_guessed(run: PlaybookRun) -> None:
    said = [json.dumps(plan.get("warnings", [])) for plan in planned(run).values()]
    assert not any("does not know" in one or "does not tell" in one for one in said), said


def test_snapshots_of_a_group_come_into_a_folder_here(
    libvirtd: PrivateLibvirtd, tmp_path: Path
) -> None:
    here = {"kvm_snapshot_hosts": "localhost", "kvm_snapshot_become": False,
            "kvm_snapshot_folder": str(tmp_path / "taken")}  # fmt: skip
    done = run_playbook(
        f"- import_playbook: {ROOT}/playbooks/snapshot.yml",
        *("--extra-vars", json.dumps(here)),
        on=libvirtd,
    )
    assert done.returncode == 0, done.output
    uri = f"snapshot:{tmp_path}/taken/localhost.json"
    planned = run_module("host_config", {"uri": uri, "vms": []}, check=True)
    assert planned["changed"] is False, planned


@pytest.mark.parametrize("playbook", ["plan.yml", "apply.yml", "../../playbooks/snapshot.yml"])
def test_the_playbooks_are_well_formed(playbook: str) -> None:
    done = run_playbook(f"- import_playbook: {EXAMPLE}/{playbook}", "--syntax-check")
    assert done.returncode == 0, done.output


def test_the_snapshots_are_of_no_machine_of_ours() -> None:
    for file in (EXAMPLE / "snapshots").iterdir():
        told = json.loads(file.read_text())["facts"]
        assert told["open_files"] == {"[]": {}}
        shown = [name for names in told["folder"].values() for name in names or ()]
        assert not {"work", "home", "root", "etc"} & set(shown), file
