"""A disk moved through all kinds of pools while its guest wrote to it, and noticed nothing."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

# Where it was, in the end of each path or in its midst.
WAY = {
    "shared": "/srv/fleet/moved/mover-root.qcow2",
    "fast": "/dev/fleet_fast/mover-root.raw",
    # Debian 12 has another of its names first.
    "array": "6001405f1ee000300000000000000000",
    "units": "iscsi-iqn.2026-01.fleet.kvm.lab:units-lun-0",
    "plain": "/srv/fleet/plain/mover-back.qcow2",
}


def test_it_was_in_each_of_them(moves_seen):
    assert [pool for pool, told in moves_seen.items() if WAY[pool] in told["path"]] == [*WAY]


def test_what_the_guest_had_written_was_in_each_of_them(host, moves_seen):
    written = host.check_output("cat /var/lib/moves/expected")
    assert {told["sha256"] for told in moves_seen.values()} == {written}


def test_no_write_was_lost_on_the_way(counts_on):
    counts_on("mover")


def test_what_is_stored_is_where_it_is(host):
    stored = host.check_output("virsh dumpxml --inactive mover")
    assert f"<source file='{WAY['plain']}'/>" in stored


def test_the_host_reads_the_same(host):
    """Once the guest is gone, from the image itself."""
    host.check_output("virsh destroy mover")
    read = host.check_output(
        "qemu-img convert -f qcow2 -O raw %s /var/lib/moves/raw"
        " && dd if=/var/lib/moves/raw bs=1M skip=32 count=8 2>/dev/null | sha256sum",
        WAY["plain"],
    )
    assert read.split()[0] == host.check_output("cat /var/lib/moves/expected")
