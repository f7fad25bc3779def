"""After the restart the VM runs as it is stored."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_nothing_waits_any_more(host):
    web = host.vm("web")
    assert web.is_running
    assert web.pending_restart == []
    assert (web.cpu_count, web.cpu_maximum, web.memory_maximum_mib) == (1, 4, 384)


def test_the_guest_booted_with_it(host, guest):
    guest("web").wait_ready()
    report = guest("web").report()
    assert (report["cpus"], report["installed_memory_mib"]) == (1, 384)
