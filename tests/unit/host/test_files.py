"""What is said of paths of the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host.files import (
    read_place,
    read_real_path,
)


@pytest.mark.parametrize("read", [read_place, read_real_path])
def test_the_folder_that_a_module_runs_in_is_of_no_matter(
    read: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty drive has no path, and an image of a server has a name."""
    (tmp_path / "pool:volume").write_text("")
    monkeypatch.chdir(tmp_path)
    assert [read(text) for text in ("", ".", "pool:volume")] == ["", ".", "pool:volume"]


def test_links_lead_to_one_place(tmp_path: Path) -> None:
    (tmp_path / "image").write_text("")
    (tmp_path / "link").symlink_to("image")
    assert read_place(f"{tmp_path}/link") == read_place(f"{tmp_path}/image")
    assert read_real_path(f"{tmp_path}/link") == f"{tmp_path}/image"
