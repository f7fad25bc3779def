"""The host has the other settings, and its daemon goes by them."""

from __future__ import annotations

testinfra_hosts = ["ansible://bare_hosts"]


def test_the_setting_was_replaced(host):
    lines = host.file("/etc/libvirt/qemu.conf").content_string.splitlines()
    assert [line for line in lines if line.startswith("max_files")] == ["max_files = 16384"]


def test_the_default_network_is_stopped_and_stays_defined(host):
    network = host.vswitch("default")
    assert network.exists
    assert not network.is_active
    assert not network.is_autostart


def test_the_daemon_was_started_since(host):
    started = 'date -d "$(systemctl show -P ExecMainStartTimestamp libvirtd)" +%s'
    written = "stat -c %Y /etc/libvirt/qemu.conf"
    assert int(host.check_output(started)) >= int(host.check_output(written))
