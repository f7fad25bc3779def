"""The VM is back, and whoever pinged it lost it for a moment at most, on both ways."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm1"]

SILENCE_S = 60


def test_it_starts_with_its_host_as_before(host):
    assert host.vm("web").is_autostart


def test_no_write_was_lost(counted):
    written, wrong = counted("web")
    assert (written > 0, wrong) == (True, 0)


def test_its_weight_is_enough_beside_one_without_a_reservation(host):
    weights = [host.cgroup_of_vm(vm).cpu_weight for vm in ("web", "own")]
    # Of 0.9 cores, 0.3 are its.
    assert weights[0] / sum(weights) >= 0.33
    assert weights[1] == 100


def test_who_pinged_it_went_on(longest_silence_s):
    assert longest_silence_s() < SILENCE_S


def test_libvirt_listens_on_the_migration_network_alone(host):
    listens = host.check_output("systemctl show --property Listen libvirtd-tls.socket")
    assert listens == "Listen=192.168.230.11:16514 (Stream)"
    ca = "/etc/pki/CA/cacert.pem"
    host.check_output("openssl verify -CAfile %s /etc/pki/libvirt/servercert.pem", ca)
