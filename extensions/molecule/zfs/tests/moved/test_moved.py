"""What was refused left nothing, copies are whole, and a disk moved while its guest wrote to it."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_what_was_refused_left_nothing(host):
    assert not host.storage_pool("refused").exists
    assert host.run("zpool list other-tank").rc != 0
    second = host.check_output("lsblk -no FSTYPE /dev/disk/by-id/virtio-second")
    assert second.strip() == "ext4"


def test_volumes(host):
    volumes = host.check_output("zfs list -Ho name -t volume").split()
    assert [name for name in volumes if "partial" in name] == []
    kept = host.check_output("zfs get -Hpo value refreservation fleet-tank/apple")
    assert kept in ("none", "0"), "it is thin"
    size = host.check_output("stat -c %s /srv/guest/vmlinuz")
    host.check_output("cmp -n %s /srv/guest/vmlinuz /dev/zvol/fleet-tank/image", size)
    host.check_output("cmp /srv/fleet/plain/copy.raw /dev/zvol/fleet-tank/zero")


def test_it_was_in_each_of_them(moves_seen):
    ways = {"tank": "/dev/zvol/fleet-tank/mover-root.raw", "plain": "/srv/fleet/plain/mover-back"}
    assert [pool for pool, told in moves_seen.items() if ways[pool] in told["path"]] == [*ways]


def test_what_the_guest_had_written_was_in_each_of_them(host, moves_seen):
    written = host.check_output("cat /var/lib/moves/expected")
    assert {told["sha256"] for told in moves_seen.values()} == {written}


def test_no_write_was_lost_on_the_way(counts_on):
    counts_on("mover")


def test_the_host_reads_the_same(host):
    """Once the guest is gone, from the image itself."""
    host.check_output("virsh destroy mover")
    read = host.check_output(
        "qemu-img convert -f qcow2 -O raw /srv/fleet/plain/mover-back.qcow2 /var/lib/moves/raw"
        " && dd if=/var/lib/moves/raw bs=1M skip=32 count=8 2>/dev/null | sha256sum"
    )
    assert read.split()[0] == host.check_output("cat /var/lib/moves/expected")
