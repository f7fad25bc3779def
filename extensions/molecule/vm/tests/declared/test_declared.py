"""The VM is as declared: as libvirt has it, as its guest sees it, and as the kernel limits it."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20
MAC = "52:54:00:15:01:01"


def test_libvirt_has_it(host):
    web = host.vm("web")
    assert web.is_running
    assert web.is_autostart
    assert web.domain_type == "kvm"
    assert (web.cpu_count, web.cpu_maximum, web.memory_maximum_mib) == (1, 3, 256)
    assert web.disk("root").source == "/srv/fleet/images/web-root.qcow2"
    assert web.disk("drive").source is None
    assert web.nic("lan").vswitch == "lan"
    assert web.nic("lan").mac == MAC
    assert web.pending_restart == []


def test_the_guest_sees_it(host, guest):
    web = guest("web")
    assert web.wait_ready()["name"] == "web"
    report = web.wait_report(lambda report: report["cpus"] == 1)
    assert report["installed_memory_mib"] == 256
    assert {disk["serial"]: disk["size"] for disk in report["disks"] if disk["serial"]} == {
        "ROOT": 64 * MIB
    }
    assert [nic["mac"] for nic in report["nics"]] == [MAC]


def test_the_balloon_holds_what_the_guest_does_not_have(host):
    assert host.vm("web").memory_mib == 192


def test_the_guest_reaches_the_host(host, guest):
    address = guest("web").wait_address(MAC)
    assert address in host.vm("web").addresses
    guest("web").wait_reach("192.168.151.1")


def test_the_guest_writes_to_its_disk(host, guest):
    written = guest("web").write("ROOT", 0, 100, "kept")
    assert guest("web").checksum("ROOT", 0, 100) == written


def test_the_kernel_limits_the_nic(host, limits):
    # What libvirt stores as KiB/s, tc takes for 1000 bytes.
    assert limits("web", MAC) == {"inbound": 2048 * 8, "outbound": 1024 * 8}
