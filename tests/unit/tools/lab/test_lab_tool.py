"""The labs of tests belong to one checkout, and a command of the lab that fails says why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support import lab_tool


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Stands for tools/lab: complains, then ends with the code that is its second argument."""
    path = tmp_path / "lab"
    path.write_text('#!/bin/sh\necho done\necho "console: panic" >&2\nsleep "$3"\nexit "$2"\n')
    path.chmod(0o755)
    return path


def test_every_checkout_has_names_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for root in ("/home/me/one", "/home/me/two"):
        monkeypatch.setattr(lab_tool, "ROOT", Path(root))
        names.append(lab_tool.lab_name("panic"))
    assert len(set(names)) == 2
    assert all(re.fullmatch("panic-[0-9a-f]{8}", name) for name in names)


def test_a_command_that_succeeds_returns_what_it_said(program: Path) -> None:
    done = lab_tool.lab("create", "0", "0", timeout_s=120, program=program)
    assert (done.stdout, done.stderr) == ("done\n", "console: panic\n")


def test_a_command_that_fails_shows_the_console(program: Path) -> None:
    with pytest.raises(AssertionError, match=r"^lab create: console: panic"):
        lab_tool.lab("create", "1", "0", timeout_s=120, program=program)


def test_a_command_that_hangs_shows_what_it_said_so_far(program: Path) -> None:
    with pytest.raises(AssertionError, match=r"did not end within 5 s: console: panic"):
        lab_tool.lab("create", "0", "60", timeout_s=5, program=program)
