"""What is no longer declared is gone, unless it is protected or somebody else's."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20


def test_what_is_not_declared_is_gone(host):
    assert not host.vm("cache").exists
    assert not host.vswitch("backend").exists


def test_what_is_protected_or_somebody_elses_stays(host):
    assert host.vm("db").exists
    assert host.vm("by-hand").exists
    assert host.vswitch("default").exists


def test_no_storage_is_pruned(host):
    volumes = host.storage_pool("images").volumes
    assert volumes == ["cache-root.qcow2", "db-root.qcow2", "tiny.qcow2", "web-root.qcow2"]


def test_what_changed_reached_the_running_guest(host, guest):
    assert host.vm("web").xml.findtext("title") == "The only one"
    guest("web").wait_report(lambda report: report["disks"][0]["size"] == 128 * MIB)


def test_what_is_new_is_there(host):
    storage = host.vswitch("storage")
    assert storage.is_active
    assert storage.mtu == 9000
