"""Another seed is stored, of which a guest that was started anew takes up the host name alone."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_it_was_started_anew(in_guest):
    assert in_guest("cat /proc/sys/kernel/random/boot_id") != in_guest("cat /var/tmp/first_boot")


def test_it_has_another_name_and_is_as_it_was(in_guest):
    assert in_guest("hostname") == "shop"
    assert in_guest("cat /var/lib/cloud/data/instance-id") == "web"
    assert in_guest("ls /var/tmp/other 2>&1 || true").endswith("No such file or directory")
    assert in_guest("cat /etc/ssh/ssh_host_ed25519_key.pub") == in_guest("cat /var/tmp/first_key")


def test_the_other_seed_is_in_its_drive(in_guest):
    said = in_guest("sudo mount -o ro LABEL=cidata /mnt; cat /mnt/meta-data; sudo umount /mnt")
    assert "shop.example.com" in said
