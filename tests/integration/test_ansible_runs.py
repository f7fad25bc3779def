"""The helpers that run modules and playbooks really run them, where they are told to."""

from __future__ import annotations

from support.ansible_runs import run_module, run_playbook
from support.private_libvirtd import PrivateLibvirtd

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: One that changes
      ansible.builtin.command: ls /sys/class/net
      when: not ansible_check_mode
    - name: One that fails
      ansible.builtin.fail:
        msg: on purpose
"""


def test_a_module_returns_what_it_found() -> None:
    result = run_module("host_probe", {})
    assert result["changed"] is False
    assert result["invocation"]["module_args"] is not None


def test_a_modules_failure_is_a_result() -> None:
    result = run_module("host_probe", {"no_such_option": 1})
    assert result["failed"] is True
    assert "no_such_option" in result["msg"]


def test_a_playbook_returns_each_tasks_result() -> None:
    run = run_playbook(PLAY)
    assert run.returncode == 2
    assert run.changed == ["One that changes"]
    assert run.result_of("One that fails")["msg"] == "on purpose"


def test_options_reach_ansible_playbook() -> None:
    run = run_playbook(PLAY, "--check")
    assert run.changed == []


def test_a_playbook_runs_inside_a_private_libvirtd(libvirtd: PrivateLibvirtd) -> None:
    run = run_playbook(PLAY, on=libvirtd)
    inside = libvirtd.run(["ls", "/sys/class/net"]).split()
    assert run.result_of("One that changes")["stdout_lines"] == inside
