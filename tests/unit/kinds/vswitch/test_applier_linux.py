"""What makes and removes a bridge of Linux, on a host that says what it is told to."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.host import (
    linux_bridges,
    network_keeper,
    network_manager,
    switch_files,
    units,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import applier_linux
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    links_unit,
    linux_files,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.tree import derived_mac
from support.vswitches import linux_link

FILES = linux_files.files_of("br9", Switch("prod", backend="networkd"), derived_mac("prod"))
UNIT = links_unit.files_of("br9", Switch("prod", backend="networkd"), True)


class Host:
    """One whose networkd keeps br9, of which a program `fails`."""

    def __init__(self, patch: pytest.MonkeyPatch, root: Path) -> None:
        self.called: list[str] = []
        self.fails = ""
        self.network, self.system = root / "network", root / "system"
        for name, folder in (("files", self.network), ("units", self.system)):
            for does in ("read", "write"):
                function = getattr(switch_files, f"{does}_{name}")
                defaults = (folder,)
                patch.setattr(function, "__defaults__", defaults)
        patch.setattr(network_manager, "_FOLDERS", {".nmconnection": root / "nm"})
        patch.setattr(network_keeper, "read_keeper", lambda: "networkd")
        patch.setattr(units, "are_started", lambda: True)
        patch.setattr(linux_bridges, "called", self._call)
        patch.setattr(
            linux_bridges, "read_linux_bridges", lambda: {"links": {"br9": linux_link("bridge")}}
        )
        switch_files.write_files(FILES, {})
        switch_files.write_units(UNIT, {})

    def _call(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        said = " ".join(command)
        self.called.append(said)
        return subprocess.CompletedProcess(command, int(said == self.fails), "", "Device is busy")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    return Host(monkeypatch, tmp_path)


def test_a_bridge_goes_with_its_files_and_its_unit(host: Host) -> None:
    applier_linux.unwire("br9", "vswitch/prod")
    assert host.called == ["ip link delete dev br9", "networkctl reload"]
    assert not switch_files.read_files() and not switch_files.read_units()


def test_a_bridge_that_stays_has_its_files_still(host: Host) -> None:
    """That NetworkManager may have taken it before is of no bridge of networkd."""
    host.fails = "ip link delete dev br9"
    with pytest.raises(FleetError, match="ip link delete dev br9 says: Device is busy"):
        applier_linux.unwire("br9", "vswitch/prod")
    assert switch_files.read_files() == FILES and switch_files.read_units() == UNIT
