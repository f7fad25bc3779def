"""The guest took the other seed up, as if it were new."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_it_did_what_the_seed_says(in_guest):
    assert in_guest("hostname") == "shop"
    assert in_guest("ls /var/tmp/other") == "/var/tmp/other"


def test_it_is_another_instance(in_guest):
    assert in_guest("cat /var/lib/cloud/data/instance-id") != "web"


def test_it_has_other_host_keys(in_guest):
    assert in_guest("cat /etc/ssh/ssh_host_ed25519_key.pub") != in_guest("cat /var/tmp/first_key")


def test_it_is_reached_as_before(in_guest):
    assert in_guest("id -un") == "ops"
