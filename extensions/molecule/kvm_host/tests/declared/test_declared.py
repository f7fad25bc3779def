"""The host is a KVM host: libvirt runs with it, as it was set, and a guest boots under KVM."""

from __future__ import annotations

import time

testinfra_hosts = ["ansible://bare_hosts"]

GUEST = """
<domain type='kvm'>
  <name>first</name>
  <memory unit='MiB'>160</memory>
  <vcpu>2</vcpu>
  <os>
    <type machine='q35'>hvm</type>
    <kernel>{kernel}</kernel>
    <cmdline>console=ttyS0 panic=-1 cryptomgr.notests</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='custom'><model>kvm64</model></cpu>
  <on_reboot>destroy</on_reboot>
  <devices>
    <serial type='file'><source path='{console}'/></serial>
    <interface type='network'><source network='default'/></interface>
    <memballoon model='none'/>
  </devices>
</domain>
"""
KERNEL = "/var/lib/libvirt/images/vmlinuz"
CONSOLE = "/var/log/libvirt/qemu/first-console.log"
BOOT_TIMEOUT_S = 400


def test_libvirt_starts_with_the_host(host):
    for unit in ("libvirtd.socket", "libvirtd-ro.socket", "libvirtd.service", "virtlogd.socket"):
        assert host.service(unit).is_enabled, unit
    assert host.service("libvirtd.socket").is_running
    assert host.check_output("virsh --connect qemu:///system uri") == "qemu:///system"


def test_the_user_may_manage_vms(host):
    assert {"kvm", "libvirt"} <= set(host.user("vmadmin").groups)
    command = "su vmadmin -c 'virsh --connect qemu:///system list --all --name'"
    assert host.run(command).succeeded


def test_the_setting_was_written(host):
    assert "max_files = 8192" in host.file("/etc/libvirt/qemu.conf").content_string.splitlines()


def test_the_default_network_runs(host):
    network = host.vswitch("default")
    assert network.is_active
    assert network.is_autostart


def test_pools_of_the_declared_type_can_be_made(host):
    assert "logical" in host.check_output("virsh pool-capabilities")
    assert host.exists("vgcreate")


def test_a_guest_boots_under_kvm(host):
    """Its kernel gets as far as looking for a disk, and says on what it ran."""
    host.check_output("cp /boot/vmlinuz-* %s", KERNEL)
    guest = GUEST.format(kernel=KERNEL, console=CONSOLE)
    host.check_output("echo %s >/tmp/first.xml && virsh create /tmp/first.xml", guest)
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    while host.vm("first").exists and time.monotonic() < deadline:
        time.sleep(1)
    console = host.file(CONSOLE).content_string
    assert "Kernel panic - not syncing: VFS" in console, console[-2000:]
    assert "Hypervisor detected: KVM" in console
    assert "smp: Brought up 1 node, 2 CPUs" in console
    assert not host.vm("first").exists
