"""`make test` runs the scenarios that were touched, and each of the others in its turn."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import scenarios

from support import choice

NAMES = ("lab", "host_config", "kvm_host", "storage_pool", "storage_volume", "vm", "vswitch")
ROOT = Path(__file__).resolve().parents[3]


def test_a_touched_scenario_runs_and_says_why() -> None:
    chosen = choice.choose(NAMES, {"abc": ["README.md", "roles/kvm_host/tasks/main.yml"]}, "0")
    assert chosen["kvm_host"] == "abc touches roles/kvm_host/tasks/main.yml"


def test_each_scenario_is_in_one_share() -> None:
    drawn = [choice.choose(NAMES, {}, tree) for tree in ("0", "1", "2", "3")]
    assert sorted(name for one in drawn for name in one) == sorted(NAMES)
    assert drawn[2]["vswitch"] == "share 3 of 4"


def test_no_share_has_two_of_the_longest() -> None:
    for touched in ("", "plugins/modules/host_config.py", "plugins/modules/vm.py"):
        for tree in ("0", "1", "2", "3"):
            chosen = choice.choose(NAMES, {"abc": [touched]}, tree)
            drawn = [name for name, reason in chosen.items() if reason.startswith("share")]
            assert len(drawn) in (1, 2)
            assert len(set(drawn) & set(choice.LONGEST)) <= 1


def test_beside_one_of_the_longest_that_is_touched_there_is_no_other() -> None:
    changes = {"abc": ["plugins/modules/vswitch.py"]}
    for tree in ("0", "1", "2", "3"):
        chosen = choice.choose(NAMES, changes, tree)
        assert "vswitch" in chosen and len(chosen) > 1
        assert chosen.keys() & {*choice.LONGEST} == {"vswitch"}


LONG = {f"tests/{name}.py": f"plugins/{name}|tests/{name}" for name in "abcdefghij"}


def test_each_long_test_is_in_one_share() -> None:
    drawn = [
        choice.choose_tests(LONG, {"abc": ["README.md"]}, tree) for tree in ("0", "1", "2", "7")
    ]
    assert sorted(name for one in drawn for name in one) == sorted(LONG)
    assert {len(one) for one in drawn} == {2, 3}
    assert set(drawn[3].values()) == {"share 4 of 4"}


def test_a_touched_long_test_runs_and_says_why() -> None:
    changes = {"abc": ["README.md"], "def": ["plugins/c.py"]}
    for tree in ("0", "1", "2", "3"):
        chosen = choice.choose_tests(LONG, changes, tree)
        assert chosen["tests/c.py"] == "def touches plugins/c.py"
        assert len(chosen) in (3, 4)


def test_what_takes_too_long_is_in_no_sample_but_in_the_whole_run() -> None:
    changes = {"abc": ["plugins/modules/reservation.py", "extensions/molecule/reservations/a.yml"]}
    for tree in ("0", "1", "2", "3"):
        assert not choice.TOO_LONG.keys() & choice.choose([*NAMES, *choice.TOO_LONG], changes, tree)
    assert choice.TOO_LONG.keys() <= set(scenarios.scenario_names())


def test_they_keep_their_order() -> None:
    changes = {
        "abc": ["plugins/modules/vswitch.py", "plugins/modules/vm.py", "roles/lab/README.md"]
    }
    assert [
        one for one in choice.choose(NAMES, changes, "2") if one in ("lab", "vm", "vswitch")
    ] == [
        "lab",
        "vm",
        "vswitch",
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("extensions/molecule/vswitch/tests/absent/test_absent.py", "vswitch"),
        ("extensions/molecule/conftest.py", "lab"),
        ("extensions/molecule/resources/files/remove-all", "lab"),
        ("extensions/testinfra/vm.py", "lab"),
        ("roles/lab/files/fleetlab/qemu.py", "lab"),
        ("plugins/module_utils/kinds/storage_pool/table.py", "storage_pool"),
        ("plugins/module_utils/kinds/storage_volume/kind.py", "storage_volume"),
        ("plugins/module_utils/kinds/vswitch/applier.py", "vswitch"),
        ("plugins/module_utils/kinds/vm/tree.py", "vm"),
        ("plugins/modules/vm_info.py", "vm"),
        ("plugins/module_utils/run/restoring.py", "vm"),
        ("plugins/modules/host_probe.py", "kvm_host"),
        ("plugins/module_utils/run/runner.py", "host_config"),
        ("plugins/module_utils/engine/promises_held.py", "reservations"),
        ("plugins/module_utils/host/enforcing.py", "reservations"),
        ("plugins/module_utils/kinds/resource_pool/table.py", "reservations"),
        ("plugins/module_utils/kinds/vm/promised.py", "reservations"),
        ("plugins/module_utils/kinds/vswitch/reservations.py", "vswitch"),
        ("roles/kvm_host/files/hook.py", "reservations"),
        ("roles/kvm_host/files/certificate", "migration"),
        ("roles/kvm_host/tasks/migration_ssh.yml", "migration"),
        ("plugins/module_utils/moving/placing.py", "migration"),
        ("plugins/module_utils/run/sides.py", "migration"),
        ("plugins/modules/migration_check.py", "migration"),
        ("tests/support/contention.py", "reservations"),
        ("plugins/modules/vm.yml", ""),
        ("docs/design.md", ""),
        ("tests/unit/kinds/vswitch/test_vswitch.py", ""),
    ],
)
def test_a_file_touches_what_tests_it(path: str, name: str) -> None:
    assert choice.scenario_of(path) == name


def test_what_is_touched_is_a_scenario() -> None:
    files = [path for top in ("plugins", "roles", "extensions") for path in (ROOT / top).rglob("*")]
    touched = {choice.scenario_of(str(path.relative_to(ROOT))) for path in files} - {""}
    assert touched - {"default"} == set(scenarios.scenario_names())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits: the second touches the kind `vm`."""
    root = tmp_path / "repository"
    (root / "plugins" / "modules").mkdir(parents=True)
    git(tmp_path, "init", "-q", str(root))
    for name in ("vswitch", "vm"):
        (root / "plugins" / "modules" / f"{name}.py").touch()
        git(root, "add", ".")
        git(root, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", name)
    return root


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True)


def test_the_first_of_all_commits_touches_nothing(repository: Path) -> None:
    changes = choice.changes_of(repository)
    assert [paths for paths in changes.values() if paths] == [["plugins/modules/vm.py"]]


def test_a_shallow_clone_takes_the_same_share(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    shallow = tmp_path / "shallow"
    assert not any(choice.changes_of(shallow).values())
    assert choice.tree_of(shallow) == choice.tree_of(repository)
    assert choice.choose(NAMES, choice.changes_of(shallow), choice.tree_of(shallow))


def test_what_is_not_committed_yet_touches_too(repository: Path) -> None:
    (repository / "plugins" / "modules" / "vswitch.py").write_text("changed")
    changes = choice.changes_of(repository)
    assert changes["the working tree"] == ["plugins/modules/vswitch.py"]


def test_without_a_repository_there_is_still_a_choice(tmp_path: Path) -> None:
    assert choice.choose(NAMES, choice.changes_of(tmp_path), choice.tree_of(tmp_path))
