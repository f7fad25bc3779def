"""Who gives leases, by the configuration of a machine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host import lock_manager

HERE: Any = SimpleNamespace(is_local=True, uri="qemu:///system", state_folder="")
FAR: Any = SimpleNamespace(is_local=False, uri="qemu+ssh://kvm2/system", state_folder="")


@pytest.mark.parametrize(
    ("text", "manager"),
    [
        ('lock_manager = "lockd"\n', "lockd"),
        ('# lock_manager = "lockd"\n', ""),
        ('lock_manager = "nop"\n', ""),
        ("", ""),
        ('lock_manager = "sanlock"\n', "sanlock"),
    ],
)
def test_the_lock_manager_is_that_of_the_configuration(
    tmp_path: Path, text: str, manager: str
) -> None:
    conf = tmp_path / lock_manager.QEMU_CONF
    conf.parent.mkdir(parents=True)
    conf.write_text(text, encoding="utf-8")
    assert lock_manager.read_lock_manager(HERE, tmp_path) == manager
    assert lock_manager.read_lock_manager(FAR, tmp_path) is None


def test_without_a_configuration_nobody_gives_leases(tmp_path: Path) -> None:
    assert lock_manager.read_lock_manager(HERE, tmp_path) == ""
