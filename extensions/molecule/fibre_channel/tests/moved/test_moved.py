"""A disk went from a Fibre Channel array to an iSCSI one and back; its guest noticed nothing."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]

# Where it was, in the midst of each path.
WAY = {
    "remote": "iscsi-iqn.2026-01.fleet.kvm.lab:",
    "plain": "/srv/fleet/plain/mover.qcow2",
    "fibre": "-fc-0x2000",
}


def test_it_was_on_each_of_them(moves_seen):
    assert [pool for pool, told in moves_seen.items() if WAY[pool] in told["path"]] == [*WAY]


def test_what_the_guest_had_written_was_on_each_of_them(host, moves_seen):
    written = host.check_output("cat /var/lib/moves/expected")
    assert {told["sha256"] for told in moves_seen.values()} == {written}


def test_no_write_was_lost_on_the_way(counts_on):
    counts_on("mover")


def test_what_is_stored_is_where_it_is(host):
    assert WAY["fibre"] in host.check_output("virsh dumpxml --inactive mover")


def test_the_array_has_what_was_written(host):
    """By its own file, on the host at the other end; its guest has stopped."""
    host.check_output("virsh destroy mover")
    expected = host.check_output("cat /var/lib/moves/expected")
    other = {"kvm1": "kvm2", "kvm2": "kvm1"}[host.check_output("hostname")]
    read = host.check_output(
        "ssh -o StrictHostKeyChecking=no %s "
        "'dd if=/var/lib/fleet-disks/fibre bs=1M skip=32 count=8 2>/dev/null | sha256sum'",
        other,
    )
    assert read.split()[0] == expected
