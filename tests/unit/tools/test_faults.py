"""What failed is found in what pytest and Ansible print."""

from __future__ import annotations

import json

from support.faults import LINE_LENGTH, LINES, faults


def test_tests_that_failed() -> None:
    output = (
        "tests/a.py F\n= short test summary info =\nFAILED tests/a.py::test_b - assert 1 == 2\n"
    )
    assert faults(output) == ["FAILED tests/a.py::test_b - assert 1 == 2"]


def test_a_task_that_failed_with_its_message_and_host() -> None:
    result = json.dumps({"changed": False, "msg": 'no vswitch\n "lan"', "plan": []})
    output = (
        "TASK [Fine] ****\nok: [kvm1]\n\nTASK [Declare it] ****\n"
        f"\x1b[31mfatal: [kvm1]: FAILED! => {result}\x1b[0m\n"
    )
    assert faults(output) == ['kvm1: Declare it: no vswitch "lan"']


def test_items_and_hosts_that_are_not_there() -> None:
    output = (
        'TASK [All] ****\nfailed: [kvm1] (item=web) => {"msg": "no room"}\n'
        'fatal: [kvm2]: UNREACHABLE! => {"changed": false, "msg": "timed out"}\n'
    )
    assert faults(output) == ["kvm1: All: no room", "kvm2: All: timed out"]


def test_what_is_ignored_is_no_fault() -> None:
    output = 'TASK [Try] ****\nfatal: [kvm1]: FAILED! => {"msg": "no"}\n...ignoring\n'
    assert faults(output) == []


def test_a_result_without_a_message_is_said_as_it_is() -> None:
    assert faults('TASK [T] ****\nfatal: [h]: FAILED! => {"rc": 2}\n') == ['h: T: {"rc": 2}']


def test_the_first_lines_in_brief_and_each_once() -> None:
    lines = [f"FAILED tests/a.py::test_{number} - {'x' * 900}" for number in range(20)]
    found = faults("\n".join([*lines, *lines]))
    assert len(found) == LINES
    assert {len(line) for line in found} == {LINE_LENGTH}
