"""A VM on storage that both hosts see ran on one of them at a time."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]


@pytest.mark.parametrize("name", ["on-nfs", "on-lun"])
def test_it_runs_where_it_was_started_last(host, name):
    here = host.check_output("uname -n") == "kvm2"
    assert host.vm(name).state == ("running" if here else "shut off")


def test_each_disk_has_a_lease(host):
    assert len(host.check_output("ls /mnt/shared/leases").split()) == 2
