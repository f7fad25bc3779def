"""The array at the other end of the wire is a pool, and a guest has its disk."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_the_wire_is_fibre_channel(host):
    adapter = host.check_output("basename /sys/class/net/up0/ctlr_*/host*")
    told = host.check_output("cat /sys/class/fc_host/%s/port_state", adapter)
    assert told == "Online"
    assert host.check_output("lsblk --scsi --noheadings --output TRAN,VENDOR").split() == [
        *("fcoe", "LIO-ORG"),
        *("iscsi", "LIO-ORG"),
    ]


def test_its_disk_is_the_volume(host):
    listed = host.check_output("virsh vol-list fibre").split()
    path = next(word for word in listed if word.startswith("/dev/"))
    assert "-fc-0x2000" in path, "by the name of the port at the other end"
    assert host.check_output("virsh domblklist mover").split()[-1] == "unit:0:0:0"
    command = host.check_output("cat /proc/$(pidof qemu-system-x86_64)/cmdline | tr '\\0' ' '")
    assert path in command


def test_the_other_array_is_on_another_network(host):
    sessions = host.check_output("iscsiadm --mode session")
    assert sessions.count("iqn.2026-01.fleet.kvm.lab:") == 1
    assert "192.168.230." in sessions
