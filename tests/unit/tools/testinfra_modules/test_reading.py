"""The testinfra modules' reading of what virsh and the kernel print."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
from testinfra.host import Host

from ansible_collections.kvm.fleet.extensions import testinfra as modules
from ansible_collections.kvm.fleet.extensions.testinfra import (
    cgroup,
    control_group,
    storage,
    virsh,
    vm,
    vswitch,
)
from ansible_collections.kvm.fleet.extensions.testinfra import domain as definition

RUNNING = """
<domain type='kvm' id='3'>
  <name>web</name>
  <memory unit='KiB'>524288</memory><currentMemory unit='KiB'>262144</currentMemory>
  <vcpu current='2'>4</vcpu>
  <os><type machine='pc-q35-7.2'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='/v/root.qcow2' index='1'/>
      <target dev='vda' bus='virtio'/><alias name='ua-root'/>
    </disk>
    <disk type='volume' device='disk'>
      <driver name='qemu' type='raw'/><source pool='fast' volume='data'/>
      <target dev='vdb' bus='virtio'/><alias name='virtio-disk1'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='sda' bus='sata'/><readonly/><alias name='ua-cdrom-media'/>
    </disk>
    <interface type='network'>
      <mac address='52:54:00:00:00:01'/>
      <source network='prod' portgroup='vlan10' portid='x' bridge='virbr1'/>
      <target dev='vnet3'/><model type='virtio'/><link state='down'/><alias name='ua-nic-lan'/>
    </interface>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:02'/><source bridge='br0'/><model type='e1000'/>
    </interface>
  </devices>
</domain>
"""


@pytest.fixture
def domain() -> ET.Element:
    return ET.fromstring(RUNNING)


def test_cpus_and_memory(domain):
    assert definition.cpu_count(domain) == 2
    assert virsh.bytes_of(domain.find("memory")) == 512 * 2**20
    assert definition.cpu_count(ET.fromstring("<domain><vcpu>3</vcpu></domain>")) == 3


def test_disks(domain):
    root, data, media = definition.disks(domain)
    assert root == definition.VmDisk(
        "root", "vda", "/v/root.qcow2", "virtio", "qcow2", "disk", False
    )
    assert (data.name, data.source) == (None, "fast/data")
    assert (media.name, media.source, media.device) == ("media", None, "cdrom")
    assert media.read_only


def test_nics(domain):
    lan, bridged = definition.nics(domain)
    assert lan == definition.VmNic(
        "lan", "52:54:00:00:00:01", "prod", "vlan10", None, "virtio", False
    )
    assert (bridged.vswitch, bridged.bridge, bridged.link_up) == (None, "br0", True)


def test_addresses():
    text = (
        " vnet3      52:54:00:00:00:01    ipv4         192.168.1.7/24\n"
        " -          -                    ipv6         fe80::1/64\n"
    )
    assert vm.parse_addresses(text) == ["192.168.1.7"]
    assert vm.parse_addresses("") == []


def test_leases():
    text = (
        " 2026-01-01 10:00:00   52:54:00:00:00:01   ipv4   192.168.1.7/24   web   01:52\n"
        " 2026-01-01 10:00:00   52:54:00:00:00:02   ipv6   fd00::2/64   db   -\n"
    )
    assert vswitch.parse_leases(text) == {"52:54:00:00:00:01": "192.168.1.7"}


def test_port_groups():
    def group(vlan):
        return vswitch.PortGroup(
            ET.fromstring(f"<portgroup name='a' default='yes'>{vlan}</portgroup>")
        )

    one = group("<vlan><tag id='10'/></vlan>")
    assert (one.vlan, one.trunk, one.is_default) == (10, [], True)
    some = group("<vlan trunk='yes'><tag id='7'/><tag id='9' nativeMode='untagged'/></vlan>")
    assert (some.vlan, some.trunk) == (None, [7])
    assert (group("").vlan, group("").trunk) == (None, [])


def test_vlans_that_libvirt_cannot_have_are_noted():
    note = ET.fromstring("<portgroup name='a'><vlan><tag id='10'/></vlan></portgroup>")
    group = vswitch.PortGroup(ET.fromstring("<portgroup name='a' default='yes'/>"), note)
    assert (group.vlan, group.is_default) == (10, True)


@pytest.mark.parametrize(
    "answers",
    [
        {
            "ovs-vsctl br-exists br9": "",
            "ovs-vsctl list-ifaces br9": "ov-b\nvnet0\nov-a\n",
            "ovs-vsctl --if-exists get Interface ov-a options:remote_ip": '"192.0.2.12"\n',
            "ovs-vsctl --if-exists get Interface ov-b options:remote_ip": '"192.0.2.13"\n',
            "ovs-vsctl --if-exists get Interface vnet0 options:remote_ip": "\n",
        },
        {
            "ip -j link show master br9 type vxlan": '[{"ifname": "br9-ov"}]',
            "bridge -j fdb show dev br9-ov": '[{"mac": "00:00:00:00:00:00", "dst": "192.0.2.13"},'
            '{"mac": "00:00:00:00:00:00", "dst": "192.0.2.12"},'
            '{"mac": "52:54:00:00:00:01", "dst": "192.0.2.9"}, {"mac": "52:54:00:00:00:02"}]',
        },
    ],
)
def test_the_peers_of_an_overlay(answers):
    class OfSwitch(FakeHost):
        def run(self, command: str, *arguments: str) -> SimpleNamespace:
            said = command % arguments
            if said in answers:
                return SimpleNamespace(rc=0, stdout=answers[said], stderr="")
            if "net-dumpxml" in said:
                told = "<network><bridge name='br9'/></network>"
                return SimpleNamespace(rc=0, stdout=told, stderr="")
            return SimpleNamespace(rc=1, stdout="", stderr=said)

    found = vswitch.Vswitch.get_module(OfSwitch())("prod")
    assert found.peers == ["192.0.2.12", "192.0.2.13"]


def test_cgroups():
    path = "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope"
    assert cgroup.parse_cgroup(f"0::{path}/libvirt/emulator\n") == f"{path}/libvirt/emulator"
    assert cgroup.vm_cgroup(f"{path}/libvirt/emulator") == path
    assert cgroup.vm_cgroup(path) == path
    assert control_group.parse_cpu_max("20000 100000") == 0.2
    assert control_group.parse_cpu_max("max 100000") is None


ANSWERS = {
    "list --all --name": "web\ndb\n",
    "pool-list --name": " fast   \n",
    "vol-list fast": " data.qcow2   /v/data.qcow2\n other   /v/other\n",
    "dominfo web": "Id:   3\nPersistent:  yes\nAutostart:   disable\nManaged save:   no\n",
}


class FakeHost:
    """Answers virsh commands from a table, as a host's shell would."""

    def run(self, command: str, *arguments: str) -> SimpleNamespace:
        words = (command % arguments).split(" ", 5)[5]
        if words not in ANSWERS:
            return SimpleNamespace(rc=1, stdout="", stderr=f"error: unknown {words}")
        return SimpleNamespace(rc=0, stdout=ANSWERS[words], stderr="")


def bound(module, *arguments):
    return module.get_module(FakeHost())(*arguments)


def test_existence_is_read_from_lists():
    assert bound(vm.Vm, "web").exists
    assert not bound(vm.Vm, "we").exists
    assert bound(storage.StorageVolume, "fast", "data.qcow2").exists
    assert not bound(storage.StorageVolume, "fast", "data").exists
    assert not bound(storage.StorageVolume, "slow", "data.qcow2").exists


def test_what_virsh_refuses_fails_the_test_with_its_message():
    assert not bound(vm.Vm, "web").is_autostart
    with pytest.raises(AssertionError, match="virsh dominfo gone: error: unknown"):
        assert bound(vm.Vm, "gone").is_autostart


def test_every_testinfra_host_gets_the_modules():
    modules.pytest_configure(None)
    host = Host.get_host("local://")
    assert repr(host.vm("web")) == "<Vm web>"
    assert host.storage_volume("fast", "data").pool == "fast"
    assert host.cgroup_of_vm("web").name == "web"
    assert host.vswitch("prod").uri == "qemu:///system"
