"""Traffic went on after the wire that it took was pulled."""

from __future__ import annotations

testinfra_hosts = ["ansible://kvm_hosts"]


def test_the_wire_was_away(host, switch):
    if switch == "linux":
        said = host.check_output("cat /proc/net/bonding/br-linux-up")
        _up0, after = said.split("Slave Interface: up0")
        assert "Link Failure Count: 0" not in after.split("Slave Interface")[0]
    else:
        assert int(host.check_output("ovs-vsctl get Interface up2 link_resets")) > 1


def test_little_was_lost_with_active_backup(lost, switch):
    assert lost("active_backup", switch) <= 5
