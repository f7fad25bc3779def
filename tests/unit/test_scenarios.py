"""The runner of the scenarios: one lab for all, whatever fails; a lost host fails no test."""

from __future__ import annotations

from pathlib import Path

import pytest
import scenarios

from support.stages import Ended

INVENTORY = "all: {vars: {lab_name: mine}}\n"


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
        if log.stem == "create":
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
    lab["ready"] = [Ended(0, "[ 9.0 s] WARNING kvm1: its kernel is lost\nrestarted kvm1\n")]
    assert scenarios.main(["vm"]) == 0
    assert lab["commands"].count("molecule test -s vm --destroy never") == 2
    assert "passed when run again, restarted kvm1" in capsys.readouterr().out


def test_without_a_lab_no_scenario_runs_but_what_is_there_is_destroyed(lab):
    lab["create"] = [Ended(1, "kvm1: not usable\n")]
    assert scenarios.main(["vm"]) == 1
    assert lab["commands"][-2:] == ["molecule create -s default", "molecule destroy -s default"]
