"""The VM that was off is on the second host, and starts there.

It is started after test_where.py has seen it off: pytest takes files by their names.
"""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm2"]


def test_its_disk_is_here(host):
    assert host.storage_volume("local", "cold-root.qcow2").exists


def test_it_starts_here(host, guest):
    host.check_output("virsh start cold")
    guest("cold").wait_ready()
