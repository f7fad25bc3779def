"""Another seed is stored, and a guest that was started anew passes over it."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_it_was_started_anew(in_guest):
    assert in_guest("cat /proc/sys/kernel/random/boot_id") != in_guest("cat /var/tmp/first_boot")


def test_it_is_as_it_was(in_guest):
    assert in_guest("hostname") == "web"
    assert in_guest("cat /var/lib/cloud/data/instance-id") == "web"


def test_the_other_seed_is_in_its_drive(in_guest):
    said = in_guest("sudo mount -o ro LABEL=cidata /mnt; cat /mnt/meta-data; sudo umount /mnt")
    assert "shop.example.com" in said
