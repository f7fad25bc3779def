"""A disk moves between pools: live under a guest that writes, off, and disturbed in the midst."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.guest_disks import GuestDisk
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd


@pytest.fixture
def guest(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> GuestDisk:
    return GuestDisk(libvirtd, modules, prefix, images)


def rows(done: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {row["field"]: (row["before"], row["after"]) for row in done["plan"]}


def test_live_to_raw_and_back_to_qcow2(guest: GuestDisk) -> None:
    guest.start_counting()
    before = guest.counted()
    done = guest.move(format="raw")
    assert done["mode"] == "live"
    raw = str(guest.folder / guest.fast / f"{guest.vm}-root.raw")
    assert guest.image() == (raw, "raw")
    guest.counts_on(at_least=before)
    assert done["statistics"]["copied_bytes"] > 0
    assert guest.outside(guest.slow, "root.qcow2").exists()
    told = guest.modules.run("vm", guest.declared(), True)
    assert "storage_migration" in told["msg"] and guest.fast in told["msg"]
    assert not guest.run("vm", **guest.declared(done["disk"]["declare"]))["changed"]
    before = guest.counted()
    back = guest.move(
        pool=guest.slow, volume="again.qcow2", format="qcow2", remove_source_storage=True
    )
    guest.counts_on(at_least=before)
    assert guest.image()[1] == "qcow2" and not guest.outside(guest.fast, Path(raw).name).exists()
    assert not guest.run("vm", **guest.declared(back["disk"]["declare"]))["changed"]
