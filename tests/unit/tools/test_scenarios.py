"""The runner of the scenarios: one lab for all, whatever fails; a lost host fails no test."""

from __future__ import annotations

from pathlib import Path

import pytest
import scenarios
import yaml

from support.counts import Counts, Ended, molecule_counts

INVENTORY = "all: {vars: {lab_name: mine}}\n"
LOST = Ended(2, "== 1 failed, 4 passed in 9.00s ==\nunreachable\n")
GOOD = Ended(0, "== 3 passed in 9.00s ==\n== 2 passed, 1 skipped in 4.00s ==\n")
RESTARTED = Ended(0, "[ 9.0 s] WARNING kvm1: its kernel is lost\nrestarted kvm1\n")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Ended]]:
    """Commands are only noted; those that are named here end as they are told to."""
    outcomes: dict[str, list[Ended]] = {"commands": []}
    for name in ("ROOT", "EPHEMERAL", "LOGS"):
        monkeypatch.setattr(scenarios, name, tmp_path)
    monkeypatch.setattr(scenarios, "INVENTORY", tmp_path / "lab.yml")
    monkeypatch.setattr(scenarios.shutil, "rmtree", lambda *_arguments, **_options: None)

    def run_logged(command, _timeout_s, log):
        words = [word for word in command if not word.startswith("--no-")]
        outcomes["commands"].append(" ".join(words).replace(f"{scenarios.LAB} ", "lab "))
        ended = outcomes[log.stem].pop(0) if outcomes.get(log.stem) else Ended(0, "")
        log.write_text(ended.output)
        print(ended.output, end="")
        if log.stem.startswith("create"):
            (tmp_path / "state.yml").write_text("prepared: false\n")
            (tmp_path / "lab.yml").write_text(INVENTORY)
        return ended

    monkeypatch.setattr(scenarios, "run_logged", run_logged)
    return outcomes


def test_one_lab_serves_all(lab, capsys):
    assert scenarios.main(["vm", "vswitch"]) == 0
    assert [command.replace("-s ", "") for command in lab["commands"]] == [
        "molecule destroy default",
        f"lab images {scenarios.DECLARATION}",
        "molecule create default",
        "molecule test vm --destroy never",
        "molecule test vswitch --destroy never",
        "molecule destroy default",
    ]
    assert "vswitch      0.0  passed" in capsys.readouterr().out


def test_one_that_needs_other_hosts_has_a_lab_of_its_own(lab, monkeypatch):
    monkeypatch.setenv(scenarios.OTHER_DECLARATION, "swapped.yml")
    assert scenarios.main(["zfs", "vm"]) == 0
    assert [command.replace("-s ", "") for command in lab["commands"]] == [
        "molecule destroy default",
        "lab images swapped.yml",
        "molecule create default",
        "molecule test vm --destroy never",
        "molecule destroy default",
        f"lab images {scenarios.own_lab('zfs')}",
        "molecule create default",
        "molecule test zfs --destroy never",
        "molecule destroy default",
    ]


def test_a_failed_scenario_leaves_logs_and_does_not_stop_the_next(lab, tmp_path, capsys):
    lab["vm"] = [Ended(2, "fatal: this is wrong\n")]
    assert scenarios.main(["vm", "vswitch"]) == 1
    commands = lab["commands"]
    assert f"lab logs --name mine {tmp_path / 'vm'}" in commands
    assert commands.index("molecule cleanup -s vm") < commands.index(
        "molecule test -s vswitch --destroy never"
    )
    assert commands.count("molecule test -s vm --destroy never") == 1
    assert commands[-1] == "molecule destroy -s default"
    printed = capsys.readouterr().out
    assert "--- the end of vm.log\nfatal: this is wrong\n" in printed
    assert "FAILED with exit code 2" in printed


def test_a_scenario_that_lost_a_host_runs_once_more_and_the_table_says_so(lab, capsys):
    lab["vm"] = [Ended(2, "unreachable\n"), Ended(0, "")]
    lab["ready"] = [RESTARTED]
    assert scenarios.main(["vm"]) == 0
    assert lab["commands"].count("molecule test -s vm --destroy never") == 2
    assert f"lab ready --name mine --boot-timeout {scenarios.boot_timeout_s()}" in lab["commands"]
    assert "passed when run again, restarted kvm1" in capsys.readouterr().out


def test_a_step_outlasts_two_boots_of_every_host_in_turn():
    hosts = yaml.safe_load(scenarios.DECLARATION.read_text())["hosts"]
    assert 2 * scenarios.boot_timeout_s() * len(hosts) < scenarios.STEP_TIMEOUT_S


def test_without_a_lab_no_scenario_runs_but_what_is_there_is_destroyed(lab):
    lab["create"] = [Ended(1, "kvm1: not usable\n")]
    assert scenarios.main(["vm"]) == 1
    assert lab["commands"][-2:] == ["molecule create -s default", "molecule destroy -s default"]


def stage_counts(names: list[str], capsys: pytest.CaptureFixture[str]) -> Counts:
    """What the stage makes of the runner's exit code and of all that it prints."""
    return molecule_counts(Ended(scenarios.main(names), capsys.readouterr().out))


def test_of_a_scenario_that_ran_again_the_stage_counts_the_second_run(lab, capsys):
    lab["vm"], lab["vswitch"], lab["ready"] = [LOST, GOOD], [GOOD], [RESTARTED]
    assert stage_counts(["vm", "vswitch"], capsys) == Counts(passed=10, skipped=2)


def test_the_stage_counts_a_failure_once_though_its_end_is_shown_again(lab, capsys):
    lab["vm"], lab["vswitch"] = [LOST], [GOOD]
    assert stage_counts(["vm", "vswitch"], capsys) == Counts(passed=9, failed=1, skipped=1)


def test_a_scenario_that_fails_outside_its_tests_is_one_failure(lab, capsys):
    lab["vm"], lab["vswitch"] = [LOST], [Ended(2, "== 5 passed in 1.00s ==\nfatal: cleanup\n")]
    assert stage_counts(["vm", "vswitch"], capsys) == Counts(passed=9, failed=2)


def test_scenarios_without_a_test_fail_the_stage(lab, capsys):
    assert stage_counts(["vm"], capsys) == Counts(failed=1)


def test_the_counts_are_the_last_line(lab, capsys):
    lab["vm"] = [GOOD]
    scenarios.main(["vm"])
    assert capsys.readouterr().out.endswith("\nscenarios: 5 passed, 0 failed, 1 skipped\n")


def test_side_effects_of_a_sequence_are_taken_by_molecule():
    """Without a playbook of that role that exists, Molecule skips all of them and goes on."""
    shared = yaml.safe_load((scenarios.SCENARIOS / "config.yml").read_text())
    for file in scenarios.SCENARIOS.glob("*/molecule.yml"):
        told = yaml.safe_load(file.read_text())
        steps = {**shared["scenario"], **told.get("scenario", {})}["test_sequence"]
        named = [step.split()[1] for step in steps if step.startswith("side_effect ")]
        own = (told.get("ansible") or {}).get("playbooks", {})
        known = {**shared["ansible"]["playbooks"], **own}["side_effect"]
        for playbook in [*named, known] if named else []:
            assert (file.parent / playbook).is_file(), f"{file}: {playbook}"
