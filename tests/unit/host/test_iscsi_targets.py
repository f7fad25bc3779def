"""What an iSCSI server lists, as open-iscsi tells it."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host import iscsi_targets

HERE: Any = SimpleNamespace(is_local=True)
FAR: Any = SimpleNamespace(is_local=False)
LISTED = """\
192.0.2.1:3260,1 iqn.2026-01.com.example:vms
[2001:db8::1]:3260,1 iqn.2026-01.com.example:vms
192.0.2.1:3260,1 iqn.2026-01.com.example:backup
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the place of iscsiadm: it notes how it was called, and does what a test says."""
    path = tmp_path / "iscsiadm"
    monkeypatch.setattr(shutil, "which", lambda _name: str(path))
    return path


def does(program: Path, text: str) -> None:
    program.write_text(f'#!/bin/sh\necho "$@" >"$0.called"\n{text}\n')
    program.chmod(0o755)


def test_each_target_is_told_once(program: Path) -> None:
    does(program, f"cat <<END\n{LISTED}END")
    found = iscsi_targets.read_iscsi_targets(HERE, "192.0.2.1", "3260")
    assert found == ["iqn.2026-01.com.example:backup", "iqn.2026-01.com.example:vms"]
    called = Path(f"{program}.called").read_text()
    assert "--portal 192.0.2.1:3260" in called and "--op nonpersistent" in called
    iscsi_targets.read_iscsi_targets(HERE, "2001:db8::1", "3260")
    assert "--portal [2001:db8::1]:3260" in Path(f"{program}.called").read_text()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("echo 'iscsiadm: No portals found' >&2; exit 21", []),
        ("exit 24", None),  # it wants a password
        ("exec sleep 60", None),
    ],
)
def test_what_is_not_told_is_not_known(
    program: Path, monkeypatch: pytest.MonkeyPatch, text: str, found: list[str] | None
) -> None:
    monkeypatch.setattr(iscsi_targets, "DEADLINE_S", 2.0)
    does(program, text)
    assert iscsi_targets.read_iscsi_targets(HERE, "192.0.2.1", "3260") == found


def test_without_the_program_or_from_afar_nobody_can_tell(program: Path) -> None:
    assert iscsi_targets.read_iscsi_targets(HERE, "192.0.2.1", "3260") is None
    does(program, "exit 21")
    assert iscsi_targets.read_iscsi_targets(FAR, "192.0.2.1", "3260") is None
