"""What the actions vswitch and host_config do on the controller: they confirm changes."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.kvm.fleet.plugins.plugin_utils import confirming

LEFT = {"id": "5d0b", "resource": "vswitch/prod", "timeout_s": 60}
CUT = AnsibleConnectionFailure("cut")


class Action(confirming.Confirms):
    """One whose modules answer, in turn, or cannot be reached."""

    def __init__(self, *answers: Any, **args: Any) -> None:
        self.answers, self.asked, self.resets = list(answers), [], 0
        self._task = SimpleNamespace(args=args, async_val=0)
        self._connection: Any = SimpleNamespace(
            reset=self._reset, has_native_async=False, _shell=SimpleNamespace(tmpdir="")
        )

    def _reset(self) -> None:
        self.resets += 1

    def _remove_tmp_path(self, *_: Any, **_how: Any) -> None:
        pass

    def _execute_module(self, **how: Any) -> Any:
        self.asked.append(how.get("module_args"))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda s: now.__setitem__(0, now[0] + s))


def test_what_leaves_nothing_to_confirm_is_returned_as_it_is() -> None:
    action = Action({"changed": True})
    assert action.run() == {"changed": True} and action.resets == 0


def test_a_change_is_confirmed_over_a_new_connection() -> None:
    action = Action({"changed": True, "checkpoint": LEFT}, CUT, {"confirmed": True})
    assert action.run() == {"changed": True}
    assert action.asked == [None, {"checkpoint": "5d0b"}, {"checkpoint": "5d0b"}]
    assert action.resets == 2


def test_what_was_set_back_fails() -> None:
    said = {"failed": True, "msg": "the host set it back", "confirmed": False}
    told = Action({"changed": True, "checkpoint": LEFT}, *[CUT] * 40, said).run()
    assert told["failed"] and told["msg"] == "vswitch/prod: the host set it back"


def test_a_host_that_stays_away_fails() -> None:
    told = Action({"changed": True, "checkpoint": LEFT}, *[CUT] * 500).run()
    assert told["failed"] and "could not be reached any more" in told["msg"]


def test_a_connection_that_ends_meanwhile_is_no_riddle() -> None:
    back = {"unconfirmed": "", "rolled_back": {"resource": "vswitch/prod", "age_s": 1}}
    action = Action(CUT, CUT, {"unconfirmed": "5d0b"}, back, uplinks={})
    told = action.run()
    assert told["failed"] and "vswitch/prod: was set back as it was" in told["msg"]


@pytest.mark.parametrize(
    ("said", "args"),
    [
        ({"unconfirmed": "", "rolled_back": {}}, {"host_ports": []}),
        ({"unconfirmed": "", "rolled_back": {"age_s": 900}}, {"vswitches": [{"mtu": 1400}]}),
        ({}, {"vswitches": [{"name": "lan"}]}),
    ],
)
def test_what_has_nothing_to_do_with_it_is_unreachable_as_ever(said: Any, args: Any) -> None:
    with pytest.raises(AnsibleConnectionFailure):
        Action(CUT, said, **args).run()
