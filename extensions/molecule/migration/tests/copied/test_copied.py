"""The VM lives on the second host, and all that it wrote is there."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm2"]


def test_no_write_was_lost(counted):
    written, wrong = counted("own")
    assert (written > 0, wrong) == (True, 0)


def test_its_disk_is_a_volume_of_the_pool(host, told):
    assert host.storage_volume("local", "own-root.qcow2").exists
    assert told("own")["mode"]["storage"] == "copied"
    assert host.check_output("ls -A /mnt/local") == "own-root.qcow2", "nothing half-made is left"
