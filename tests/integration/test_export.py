"""A host that others made: exported, declared, and nothing changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import libvirt
import pytest
import yaml

from support.ansible_runs import run_playbook
from support.corpus import CORPUS, STORED, adapted
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

VMS = (
    "virt-install-debian12",
    "virt-manager-windows11",
    "virt-manager-windows-xp-ide",
    "cockpit-rhel9",
    "gnome-boxes-ubuntu",
    "openstack-nova-ceph",
    "vagrant-libvirt-private-network",
    "macos-opencore-hand-tuned",
    "nics-of-every-kind",
    "twins-nics-with-one-mac",
    "name-with-quotes",
    "metadata-of-many",
)
NETWORKS = (
    "<network><name>default</name><forward mode='nat'/><bridge name='virbr0' stp='on' delay='0'/>"
    "<ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>"
    "<range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip></network>",
    "<network><name>lab net</name><bridge name='virbr9'/><domain name='lab.test'/>"
    "<ip address='192.168.9.1' prefix='24'/></network>",
    "<network><name>ovs</name><forward mode='bridge'/><bridge name='ovsbr0'/>"
    "<virtualport type='openvswitch'/><portgroup name='vlan-all'><vlan trunk='yes'>"
    "<tag id='42'/></vlan></portgroup></network>",
    "<network><name>macvtap</name><forward mode='bridge'><interface dev='eth0'/></forward>"
    "</network>",
)


@pytest.fixture
def conn(libvirtd: PrivateLibvirtd) -> Any:
    connection = libvirt.open(libvirtd.uri)
    yield connection
    connection.close()


@pytest.fixture
def host(conn: libvirt.virConnect, libvirtd: PrivateLibvirtd, prefix: str, images: Path) -> Any:
    """A host with VMs of other programs, some networks, and a pool with a linked clone."""
    made = [conn.defineXML(adapted(_definition(name), conn)) for name in VMS]
    made += [conn.networkDefineXML(text) for text in NETWORKS]
    folder = libvirtd.outside(images)
    base, clone = folder / "base.qcow2", folder / "clone.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "64M"], check=True)
    form = ["-f", "qcow2", "-F", "qcow2"]
    backing = ["-u", "-b", str(images / "base.qcow2")]
    subprocess.run(["qemu-img", "create", "-q", *form, *backing, str(clone), "64M"], check=True)
    libvirtd.virsh("pool-define-as", f"{prefix}pool", "dir", "--target", str(images))
    libvirtd.virsh("pool-start", f"{prefix}pool")
    yield made
    for one in made:
        if isinstance(one, libvirt.virDomain):
            one.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
        else:
            one.undefine()


def _definition(name: str) -> str:
    return (CORPUS / "vm" / f"{name}.xml").read_text(encoding="utf-8")


def _texts(made: list[Any]) -> list[str]:
    return [
        one.XMLDesc(
            STORED if isinstance(one, libvirt.virDomain) else libvirt.VIR_NETWORK_XML_INACTIVE
        )
        for one in made
    ]


def test_what_is_exported_changes_nothing(
    host: list[Any], modules: ModuleServer, prefix: str
) -> None:
    before = _texts(host)
    exported = modules.run("export", {"volumes": "all"})
    declared = yaml.safe_load(exported["yaml"].replace("!unsafe ", ""))
    assert declared == {f"kvm_{name}": told for name, told in exported["declarations"].items()}
    assert {vm["name"] for vm in declared["kvm_vms"]} >= {"debian12", "macOS"}
    assert exported.get("warnings", []) == []
    for check in (True, False):
        done = modules.run("host_config", exported["declarations"], check)
        assert not done.get("failed"), done["msg"]
        assert (done["changed"], done["plan"]) == (False, [])
    assert _texts(host) == before
    assert modules.run("export", {"volumes": "all"})["yaml"] == exported["yaml"]


def test_volumes_are_those_that_disks_stand_on(
    host: list[Any], modules: ModuleServer, prefix: str, images: Path, conn: libvirt.virConnect
) -> None:
    disk = {"name": "root", "file": str(images / "clone.qcow2"), "format": "qcow2"}
    vm = {"name": f"{prefix}vm", "memory": {"size": "64MiB"}, "disks": [disk]}
    assert modules.run("vm", vm)["changed"]
    volumes = modules.run("export", {})["declarations"]["storage_volumes"]
    pool = f"{prefix}pool"
    assert [one for one in volumes if one["pool"] == pool] == [
        {"pool": pool, "name": "base.qcow2", "format": "qcow2", "capacity": "64MiB"},
        {
            "pool": pool,
            "name": "clone.qcow2",
            "format": "qcow2",
            "capacity": "64MiB",
            "backing": {"volume": "base.qcow2"},
        },
    ]
    assert modules.run("export", {"volumes": "none"})["declarations"]["storage_volumes"] == []


def test_it_is_written_once(
    host: list[Any], modules: ModuleServer, libvirtd: PrivateLibvirtd, images: Path
) -> None:
    dest = str(images / "host.yml")
    predicted = modules.run("export", {"dest": dest}, check=True)
    assert predicted["changed"] and predicted["diff"]["before"] == ""
    assert not libvirtd.outside(dest).exists()
    done = modules.run("export", {"dest": dest})
    assert (done["changed"], done["diff"]) == (True, predicted["diff"])
    assert libvirtd.outside(dest).read_text(encoding="utf-8") == done["yaml"]
    assert not modules.run("export", {"dest": dest})["changed"]


@pytest.mark.parametrize("module", ["export", "host_snapshot"])
def test_what_is_no_file_is_not_written_over(
    modules: ModuleServer, libvirtd: PrivateLibvirtd, images: Path, module: str
) -> None:
    pipe, link, file = (images / name for name in ("pipe", "link", "file"))
    libvirtd.run(["mkfifo", str(pipe)])
    libvirtd.run(["ln", "-s", "pipe", str(link)])
    for dest in (pipe, link, images):
        told = modules.run(module, {"dest": str(dest)})
        assert told["failed"] and "is no regular file" in told["msg"], told["msg"]
    libvirtd.run(["ln", "-sfn", "file", str(link)])
    modules.run(module, {"dest": str(link)})
    libvirtd.run(["test", "-L", str(link), "-a", "-f", str(file)])


def test_no_secret_is_exported(host: list[Any], modules: ModuleServer) -> None:
    text = modules.run("export", {})["yaml"]
    assert "geheim" not in text and "passwd" not in text


def test_the_playbook_adopts_the_host(
    host: list[Any], libvirtd: PrivateLibvirtd, images: Path
) -> None:
    """The four commands of docs/adopt.md: what the playbook writes is read by the next one."""
    before = _texts(host)
    folder = libvirtd.outside(images) / "inventory"
    folder.mkdir()
    inside = str(images / "inventory" / "hosts")
    (folder / "hosts").write_text("[kvm_hosts]\nkvm1 ansible_connection=local\n")
    export = "- import_playbook: kvm.fleet.export\n"
    arguments = ("-i", inside, "-e", f"ansible_python_interpreter={sys.executable}")
    done = run_playbook(export, *arguments, "-e", "kvm_export_become=false", on=libvirtd)
    assert done.returncode == 0, done.output
    assert "kvm_vms:" in (folder / "host_vars" / "kvm1" / "kvm.yml").read_text(encoding="utf-8")
    for options in (("--check",), ()):
        done = run_playbook(SITE, *arguments, *options, on=libvirtd)
        assert (done.returncode, done.changed) == (0, []), done.output
    assert _texts(host) == before


SITE = """
- hosts: kvm_hosts
  gather_facts: false
  tasks:
    - name: Everything that the host carries
      kvm.fleet.host_config:
        storage_pools: "{{ kvm_storage_pools }}"
        storage_volumes: "{{ kvm_storage_volumes }}"
        vswitches: "{{ kvm_vswitches }}"
        vms: "{{ kvm_vms }}"
"""
