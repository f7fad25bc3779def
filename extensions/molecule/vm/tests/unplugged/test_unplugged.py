"""The running guest let go of what was taken from it."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

MAC = "52:54:00:15:01:01"


def test_the_guest_has_fewer_cpus_and_less_memory(host, guest):
    guest("web").wait_report(lambda report: report["cpus"] == 1)
    assert (host.vm("web").cpu_count, host.vm("web").memory_mib) == (1, 192)


def test_the_guest_has_one_disk_and_one_nic(host, guest):
    report = guest("web").report()
    assert [disk["serial"] for disk in report["disks"] if disk["serial"]] == ["ROOT"]
    assert [nic["mac"] for nic in report["nics"]] == [MAC]
    assert len(host.vswitch("lan").members) == 1


def test_what_was_on_the_disk_stays(host):
    assert host.storage_pool("images").volumes == ["web-data.qcow2", "web-root.qcow2"]


def test_the_drive_is_empty(host):
    assert host.vm("web").disk("drive").source is None


def test_it_still_waits_for_a_restart(host):
    assert host.vm("web").pending_restart == ["cpu_maximum", "memory_maximum"]
