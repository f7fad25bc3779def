"""What the actions vm_screenshot and vm_console do on the controller: they write a file."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.kvm.fleet.plugins.plugin_utils.brought import Brings, brought


def test_a_file_is_new_and_another_and_the_same(tmp_path: Path) -> None:
    dest = tmp_path / "web.png"
    assert brought(dest, b"one", checking=True) and not dest.exists()
    assert brought(dest, b"one", checking=False) and dest.read_bytes() == b"one"
    assert dest.stat().st_mode & 0o777 == 0o600
    assert not brought(dest, b"one", checking=False)
    dest.chmod(0o640)
    assert brought(dest, b"two", checking=True) and dest.read_bytes() == b"one"
    assert brought(dest, b"two", checking=False) and dest.read_bytes() == b"two"
    assert dest.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["web.png"]


class Action(Brings):
    """One whose module has run on some host."""

    def __init__(self, folder: Path, dest: str | None, found: dict[str, Any]) -> None:
        self._task = SimpleNamespace(args={"dest": dest} if dest else {}, check_mode=False)
        self._loader = SimpleNamespace(path_dwim=lambda path: str(folder / path))
        self.found = found
        self.ran = False

    def _execute_module(self, **_how: Any) -> dict[str, Any]:
        self.ran = True
        return dict(self.found)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})


def content(text: bytes) -> dict[str, Any]:
    return {"content": base64.b64encode(text).decode(), "changed": False}


def test_what_the_module_found_is_in_the_file_and_not_in_the_result(tmp_path: Path) -> None:
    told = Action(tmp_path, "a", {**content(b"CANARY"), "lines": []}).run()
    assert (tmp_path / "a").read_bytes() == b"CANARY"
    assert told == {"changed": True, "lines": [], "dest": str(tmp_path / "a"), "size_bytes": 6}
    assert Action(tmp_path, "a", content(b"CANARY")).run()["changed"] is False
    assert Action(tmp_path, "a", {**content(b"CANARY"), "started": True}).run()["changed"] is True


def test_what_came_before_a_failure_is_written_and_the_failure_stays(tmp_path: Path) -> None:
    told = Action(tmp_path, "a", {**content(b"half"), "failed": True, "msg": "why"}).run()
    assert (tmp_path / "a").read_bytes() == b"half"
    assert told["failed"] and told["msg"] == "why" and "content" not in told


def test_what_brings_nothing_writes_nothing(tmp_path: Path) -> None:
    assert Action(tmp_path, "a", {"failed": True}).run() == {"failed": True}
    assert Action(tmp_path, None, {"failed": True}).run() == {"failed": True}
    assert list(tmp_path.iterdir()) == []


def test_a_file_behind_a_link_is_written_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    Action(tmp_path, "link", content(b"new")).run()
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"new"


@pytest.mark.parametrize("dest", [".", "there/", "not/there", "pipe", "to-pipe"])
def test_a_dest_that_cannot_be_is_refused_before_the_module_runs(tmp_path: Path, dest: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to-pipe").symlink_to("pipe")
    action = Action(tmp_path, dest, content(b"x"))
    with pytest.raises(AnsibleActionFail, match="dest: "):
        action.run()
    assert not action.ran
