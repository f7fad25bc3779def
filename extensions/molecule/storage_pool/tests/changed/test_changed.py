"""Pools stop, start and move, and keep what is in their volumes; what was refused left nothing."""

from __future__ import annotations

import hashlib

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20
BLOCKS, BLOCK = 100, 4096


def test_what_was_refused_left_nothing(host):
    assert not host.storage_pool("refused").exists
    assert host.storage_pool("fast").volumes == ["data"]
    assert host.storage_pool("parts").volumes == ["vdc1"]


def test_the_volume_group_runs_again(host):
    assert host.storage_pool("fast").is_active
    assert not host.storage_pool("fast").is_autostart


def test_the_share_moved_with_its_volume(host):
    assert not host.mount_point("/srv/fleet/shared").exists
    assert host.mount_point("/srv/fleet/moved").filesystem == "nfs4"
    assert host.storage_volume("shared", "data").path == "/srv/fleet/moved/data"
    assert host.file("/srv/fleet/export/data").size == 64 * MIB


def test_the_host_logged_out_of_one_target_and_in_to_the_other(host):
    assert not host.storage_pool("units").is_active
    assert host.storage_pool("units").exists
    sessions = host.check_output("iscsiadm --mode session")
    assert "iqn.2026-01.fleet.kvm.lab:locked" in sessions
    assert "iqn.2026-01.fleet.kvm.lab:units" not in sessions


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("fast", "/dev/fleet_fast/data"),
        ("shared", "/srv/fleet/export/data"),
        ("units", "/var/lib/fleet-disks/unit"),
        ("locked", "/var/lib/fleet-disks/vault"),
        ("array", "/var/lib/fleet-disks/first"),
        ("parts", "/dev/vdc1"),
        ("formatted", "/srv/fleet/formatted/data"),
    ],
)
def test_what_the_guest_wrote_is_there(host, name, path):
    line = f"pattern-{name}\n".encode()
    size = BLOCKS * BLOCK
    written = hashlib.sha256((line * (size // len(line) + 1))[:size]).hexdigest()
    seen = host.check_output("head -c %s %s | sha256sum", str(size), path)
    assert seen.split()[0] == written
