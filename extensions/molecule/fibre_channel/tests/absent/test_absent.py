"""The pools are gone, and what the arrays have stays there."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]


@pytest.mark.parametrize("name", ["fibre", "virtual", "remote", "plain"])
def test_the_pool_is_gone(host, name):
    assert not host.storage_pool(name).exists


def test_the_virtual_port_went_with_its_pool(host):
    assert "f1ee0001" not in host.check_output("cat /sys/class/fc_host/host*/port_name")


def test_the_wire_is_others_and_stays(host):
    assert host.check_output("lsblk --scsi --noheadings --output TRAN").split() == ["fcoe"]
    assert host.run("iscsiadm --mode session").rc != 0


def test_what_was_stored_stays(host):
    assert host.check_output("head -c 2 /var/lib/fleet-disks/fibre") == "0 "
    assert host.file("/srv/fleet/plain/mover.qcow2").exists, "as a move left it"
