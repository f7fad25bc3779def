"""The VM that was lost is there as it was last, and as others at each point before."""

from __future__ import annotations

import json

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

POINTS = {"full": "web-full", "first": "web-first", "second": "web"}
# In MiB: where the guest wrote numbers, then what a point has alone; and all that it wrote.
NUMBERS, OWN, WRITTEN = (0, 2), (4, 1), (0, 5)
COUNT = "awk '$1 != NR - 1 {exit} {count = NR} END {print count}'"


@pytest.fixture
def noted(host):
    """What the guest had written before each backup began, by the point."""
    lines = host.check_output("cat /srv/fleet/points").splitlines()
    return {told["point"]: told for told in map(json.loads, lines)}


@pytest.fixture
def copied(host):
    """copied("full", OWN): the checksum of that part of the disk in a backup, by qemu-img."""
    raw = "/srv/fleet/raw"

    def told(point, part, command="sha256sum"):
        backup = f"/srv/fleet/backup/web/{point}/vda.qcow2"
        host.check_output("qemu-img convert -f qcow2 -O raw %s %s", backup, raw)
        read = f"dd if={raw} bs=1M skip={part[0]} count={part[1]} 2>/dev/null"
        return host.check_output(f"{read} | {command}").split()[0]

    return told


def test_each_is_a_point_of_its_own(noted, copied):
    counts = [int(copied(point, NUMBERS, COUNT)) for point in POINTS]
    assert counts == sorted(set(counts))
    assert all(count > noted[point]["counted"] for point, count in zip(POINTS, counts))


@pytest.mark.parametrize("point", POINTS)
def test_the_backup_has_what_was_written_until_then(noted, copied, point):
    assert copied(point, OWN) == noted[point]["sha256"]


@pytest.mark.parametrize(("point", "vm"), POINTS.items())
def test_a_guest_boots_with_it(guest, copied, noted, point, vm):
    guest(vm).wait_ready()
    assert guest(vm).checksum("vda", 1024, 256) == noted[point]["sha256"]
    rc, said = guest(vm).shell(f"dd if=/dev/vda bs=1M count={WRITTEN[1]} 2>/dev/null | sha256sum")
    assert (rc, said.split()[0]) == (0, copied(point, WRITTEN))


def test_it_is_the_vm_that_it_was(host):
    web = host.vm("web")
    assert web.is_running and not web.is_autostart
    assert web.pending_restart == []
    assert (web.cpu_maximum, web.memory_maximum_mib) == (4, 384)
    assert web.disk("root").source == "/srv/fleet/images/web-root.qcow2"
    assert web.nic("lan").mac == "52:54:00:15:01:01"


def test_the_others_are_vms_of_their_own(host):
    macs = {host.vm(vm).nic("lan").mac for vm in POINTS.values()}
    sources = {host.vm(vm).disk("root").source for vm in POINTS.values()}
    assert len(macs) == len(sources) == len(POINTS)
