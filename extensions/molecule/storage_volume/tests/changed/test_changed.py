"""Volumes grew, under a running guest too, and kept what was in them."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20


def test_the_guest_sees_its_disk_grow(host, guest):
    guest("web").wait_report(lambda report: report["disks"][0]["size"] == 128 * MIB)
    assert host.storage_volume("images", "web.qcow2").capacity_bytes == 128 * MIB


def test_the_guest_still_has_its_data(guest):
    first_line = guest("web").shell("head -c 6 /dev/vda2")
    assert first_line == [0, "cloned"]


def test_the_other_volume_grew_too(host):
    assert host.file("/srv/fleet/images/data.raw").size == 48 * MIB
