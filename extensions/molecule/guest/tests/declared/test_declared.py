"""The guest is as its seed says, asked in the guest itself."""

from __future__ import annotations

import json

testinfra_hosts = ["ansible://kvm_hosts"]

GIB = 2**30


def test_cloud_init_went_through(in_guest):
    said = in_guest("cloud-init status --long")
    assert "status: done" in said and "DataSourceNoCloud" in said


def test_it_has_its_name(in_guest):
    assert in_guest("hostname") == "web"


def test_the_user_may_do_all(in_guest):
    assert in_guest("id -un; sudo -n id -un").split() == ["ops", "root"]


def test_the_nic_has_its_name_and_its_address(in_guest):
    [nic] = json.loads(in_guest("ip -json address show lan"))
    assert "192.168.50.10" in [address["local"] for address in nic["addr_info"]]
    assert in_guest("ip route show default").startswith("default via 192.168.50.1 dev lan")


def test_the_disk_grew(in_guest):
    assert int(in_guest("sudo blockdev --getsize64 /dev/vda")) == 20 * GIB
    assert int(in_guest("df --output=size -B1 / | tail -1")) > 15 * GIB


def test_the_agent_answers(host, in_guest):
    in_guest("true")
    assert host.run("virsh qemu-agent-command web %s", '{"execute": "guest-ping"}').rc == 0


def test_it_is_the_instance_that_the_seed_names(in_guest):
    assert in_guest("cat /var/lib/cloud/data/instance-id") == "web"
    in_guest("cat /etc/ssh/ssh_host_ed25519_key.pub >/var/tmp/first_key")
    in_guest("cat /proc/sys/kernel/random/boot_id >/var/tmp/first_boot")
