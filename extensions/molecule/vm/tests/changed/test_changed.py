"""The running guest got what was declared; what it could not get waits for a restart."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20
MAC = "52:54:00:15:01:01"
SPARE_MAC = "52:54:00:15:01:02"


def disks(report):
    return {disk["serial"]: disk["size"] for disk in report["disks"] if disk["serial"]}


def test_the_guest_has_more_cpus_and_memory(host, guest):
    report = guest("web").wait_report(lambda report: report["cpus"] == 3)
    assert report["installed_memory_mib"] == 256
    assert (host.vm("web").cpu_count, host.vm("web").memory_mib) == (3, 256)


def test_the_guest_has_another_disk_and_a_larger_one(guest):
    expected = {"ROOT": 96 * MIB, "DATA": 32 * MIB}
    guest("web").wait_report(lambda report: disks(report) | expected == disks(report))


def test_the_disk_kept_its_data(guest):
    web = guest("web")
    written = web.write("DATA", 0, 100, "kept")
    assert web.checksum("ROOT", 0, 100) == web.checksum("DATA", 0, 100) == written


def test_the_guest_has_another_nic(host, guest):
    nics = {nic["mac"]: nic["link"] for nic in guest("web").report()["nics"]}
    assert nics == {MAC: True, SPARE_MAC: False}
    assert len(host.vswitch("lan").members) == 2


def test_the_medium_is_in_the_drive(host, guest):
    assert host.vm("web").disk("drive").source == "/srv/fleet/medium.iso"
    [drive] = [disk for disk in guest("web").report()["disks"] if disk["removable"]]
    assert guest("web").shell(f"head -c 6 /dev/{drive['name']}") == [0, "medium"]


def test_the_kernel_limits_the_nic_otherwise(host, limits):
    assert limits("web", MAC) == {"inbound": 4096 * 8}


def test_it_no_longer_starts_with_the_host(host):
    assert not host.vm("web").is_autostart
    assert host.vm("web").xml.findtext("title") == "A larger web server"


def test_the_rest_waits_for_a_restart(host):
    web = host.vm("web")
    assert web.pending_restart == ["cpu_maximum", "memory_maximum"]
    assert (web.cpu_maximum, web.memory_maximum_mib) == (3, 256)
