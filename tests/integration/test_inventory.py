"""The inventory plugin through ansible-inventory: many hosts, some of them down, or worse.

The hosts are libvirt's test drivers, each with a definition of its own, and a private libvirtd.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.ansible_runs import COLLECTIONS, ROOT, run_module
from support.private_libvirtd import PrivateLibvirtd

TIMEOUT_S = 300
NODE = """
<node>
  <network><name>lan</name><bridge name="virbr0"/><forward mode="nat"/>
    <ip address="192.0.2.1" netmask="255.255.255.0"><dhcp>
      <host mac="52:54:00:00:00:01" ip="192.0.2.10"/></dhcp></ip></network>
  {vms}
</node>
"""
VM = """
<domain type="test"><name>{name}</name><uuid>{uuid}</uuid><title>{title}</title>
  <metadata><fleet:resource xmlns:fleet="urn:kvm.fleet:1">
    <fleet:tags>{tags}</fleet:tags></fleet:resource></metadata>
  <memory unit="MiB">512</memory><vcpu>1</vcpu><os><type arch="x86_64">hvm</type></os>
  <devices><interface type="network"><mac address="{mac}"/><source network="lan"/>
    <alias name="ua-nic-lan"/></interface></devices>
</domain>
"""
LAN = "52:54:00:00:00:01"


class Fleet:
    """KVM hosts of libvirt's test driver, and an inventory of their VMs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._vms = 0

    def host(self, name: str, *vms: str, tags: str = "{}", title: str = "", mac: str = LAN) -> str:
        """A host with VMs of these names: its URI. All but the first have another MAC address."""
        told = []
        for vm in vms:
            self._vms += 1
            uuid = f"00000000-0000-4000-8000-{self._vms:012}"
            own = mac if vm == vms[0] else f"52:54:00:00:01:{self._vms:02x}"
            told.append(VM.format(name=vm, uuid=uuid, tags=tags, title=title, mac=own))
        file = self.folder / f"{name}.xml"
        file.write_text(NODE.format(vms="".join(told)))
        return f"test://{file}"

    def source(self, name: str = "vms.yml", **options: Any) -> Path:
        """An inventory source with these options."""
        file = self.folder / name
        file.write_text(yaml.safe_dump({"plugin": "kvm.fleet.vms", **options}))
        return file

    def run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's programs."""
        path = str(Path(sys.executable).with_name(program))
        settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PYTHONPATH": str(COLLECTIONS)}
        return subprocess.run(
            [path, *map(str, arguments)],
            env={**os.environ, **settings, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"},
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )

    def listed(self, *sources: Path) -> tuple[dict[str, Any], str]:
        """The whole inventory, and what was warned of."""
        given = [part for source in sources for part in ("-i", source)]
        done = self.run("ansible-inventory", "--list", *given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), " ".join(done.stderr.split())


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def vars_of(inventory: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = plain(inventory["_meta"]["hostvars"])
    return found


def plain(value: Any) -> Any:
    """What is no template, without the mark by which ansible-inventory says so."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    marked = value.get("__ansible_unsafe")
    return {name: plain(one) for name, one in value.items()} if marked is None else marked


def test_the_graph_has_groups_by_tags_hosts_and_vswitches(fleet: Fleet) -> None:
    hosts = {
        "kvm1": fleet.host("kvm1", "web", "db", tags='{"role": "web"}'),
        "kvm2": fleet.host("kvm2", "mail"),
    }
    source = fleet.source(
        hosts=hosts,
        keyed_groups=[
            {"key": "kvm_tags", "prefix": "tag"},
            {"key": "kvm_host", "prefix": "host"},
            {"key": "kvm_vswitches", "prefix": "net"},
        ],
        groups={"reached": "ansible_host is defined"},
        compose={"ansible_user": "'root@' ~ kvm_host"},
    )
    done = fleet.run("ansible-inventory", "--graph", "-i", source)
    groups: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if "--@" in line or line.startswith("@"):
            groups[line.strip(" |-@:")] = members = []
        else:
            members.append(line.strip(" |-"))
    assert {name: sorted(members) for name, members in groups.items()} == {
        "all": [],
        "ungrouped": [],
        "kvm_vms": ["db", "mail", "web"],
        "tag_role_web": ["db", "web"],
        "host_kvm1": ["db", "web"],
        "host_kvm2": ["mail"],
        "net_lan": ["db", "mail", "web"],
        "reached": ["mail", "web"],
    }
    listed = vars_of(fleet.listed(source)[0])
    assert listed["web"]["ansible_user"] == "root@kvm1"
    assert listed["web"]["ansible_host"] == "192.0.2.10"
    assert "ansible_host" not in listed["db"]


def test_a_host_that_is_down_is_a_warning_and_the_others_are_there(fleet: Fleet) -> None:
    hosts = {"up": fleet.host("up", "web"), "down": f"test://{fleet.folder}/none.xml"}
    inventory, warned = fleet.listed(fleet.source(hosts=hosts))
    assert list(vars_of(inventory)) == ["web"]
    assert "KVM host down was not read" in warned


def test_it_is_an_error_where_that_is_asked_for(fleet: Fleet) -> None:
    hosts = {"up": fleet.host("up", "web"), "down": f"test://{fleet.folder}/none.xml"}
    source = fleet.source(hosts=hosts, on_unreachable="fail")
    done = fleet.run("ansible-inventory", "--list", "-i", source)
    assert done.returncode != 0
    assert "down was not read" in " ".join(done.stderr.split())


@pytest.fixture
def silent_socket(tmp_path: Path) -> Iterator[Path]:
    """A socket on which somebody listens and never says anything."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield path


def test_a_host_that_hangs_holds_up_nobody(fleet: Fleet, silent_socket: Path) -> None:
    hangs = {f"hangs{n}": f"qemu+unix:///system?socket={silent_socket}" for n in range(10)}
    source = fleet.source(hosts={"up": fleet.host("up", "web"), **hangs}, timeout_s=12)
    began = time.monotonic()
    inventory, warned = fleet.listed(source)
    assert time.monotonic() - began < len(hangs) * 12  # all of them at once
    assert list(vars_of(inventory)) == ["web"]
    assert all(f"KVM host {name} was not read" in warned for name in hangs)
    assert "did not answer within 12 s" in warned


def test_vms_of_one_name_are_told_and_none_is_lost(fleet: Fleet) -> None:
    hosts = {name: fleet.host(name, "web", f"only-{name}") for name in ("kvm1", "kvm2")}
    inventory, warned = fleet.listed(fleet.source(hosts=hosts))
    assert sorted(vars_of(inventory)) == ["only-kvm1", "only-kvm2", "web@kvm1", "web@kvm2"]
    assert inventory["web"]["hosts"] == ["web@kvm1", "web@kvm2"]
    assert "web (on kvm1 and kvm2)" in warned


def test_the_hosts_of_a_group_are_reached_by_their_variables(fleet: Fleet) -> None:
    before = fleet.folder / "10-hosts.yml"
    where = {"kvm1": {"node": fleet.host("kvm1", "web")}, "kvm2": {}}
    before.write_text(yaml.safe_dump({"kvm": {"hosts": where}}))
    fleet.host("kvm2", "db")
    for folder, name, says in (
        ("group_vars", "kvm", {"scheme": "test", "node": "overridden"}),
        ("host_vars", "kvm2", {"node": f"test://{fleet.folder}/kvm2.xml"}),
    ):
        (fleet.folder / folder).mkdir()
        (fleet.folder / folder / f"{name}.yml").write_text(yaml.safe_dump(says))
    source = fleet.source(hosts="kvm", uri="{{ node if scheme == 'test' }}")
    found = vars_of(fleet.listed(before, source)[0])
    assert {name: found[name]["kvm_host"] for name in ("web", "db")} == {
        "web": "kvm1",
        "db": "kvm2",
    }


def test_all_mistakes_of_a_source_are_told(fleet: Fleet) -> None:
    source = fleet.source(hosts=["nobody", "test:///a", "test:///b"], network=["1.2.3/4"])
    done = fleet.run("ansible-inventory", "--list", "-i", source)
    said = " ".join(done.stderr.split())
    assert done.returncode != 0 and "Traceback" not in said
    for part in ("network: '1.2.3/4'", "hosts: nobody is neither", "would both be called"):
        assert part in said


def test_texts_of_a_vm_are_no_templates(fleet: Fleet) -> None:
    evil = "{{ lookup(&quot;pipe&quot;, &quot;touch FOLDER/made&quot;) }}"
    evil = evil.replace("FOLDER", str(fleet.folder))
    hosts = {"kvm1": fleet.host("kvm1", "web", title=evil)}
    source = fleet.source(
        hosts=hosts,
        compose={"copied": "kvm_title", "ansible_connection": "'local'"},
        keyed_groups=[{"key": "kvm_title"}],
        filter="kvm_title != ''",
    )
    done = fleet.run(
        *("ansible", "-i", source, "web", "-m", "debug", "-a", "msg={{ kvm_title }}{{ copied }}")
    )
    assert done.returncode == 0, done.stderr
    assert "{{ lookup" in done.stdout
    assert not (fleet.folder / "made").exists()


def test_a_cache_has_who_answered_and_who_did_not_is_asked_again(fleet: Fleet) -> None:
    hosts = {"up": fleet.host("up", "web"), "down": f"test://{fleet.folder}/down.xml"}
    source = fleet.source(
        hosts=hosts,
        cache=True,
        cache_plugin="ansible.builtin.jsonfile",
        cache_connection=str(fleet.folder / "cache"),
    )
    assert list(vars_of(fleet.listed(source)[0])) == ["web"]
    fleet.host("up", "another")
    fleet.host("down", "db")
    inventory, warned = fleet.listed(source)
    assert list(vars_of(inventory)) == ["db", "web"]
    assert "not read" not in warned
    done = fleet.run("ansible-inventory", "--list", "--flush-cache", "-i", source)
    assert list(vars_of(json.loads(done.stdout))) == ["another", "db"]


# ---- a real libvirtd


def test_it_tells_what_vm_info_tells_and_changes_nothing(
    fleet: Fleet, libvirtd: PrivateLibvirtd, prefix: str
) -> None:
    vswitch = {
        "name": f"{prefix}lan",
        "type": "isolated",
        "address": "192.0.2.1/24",
        "dhcp": {
            "ranges": [{"start": "192.0.2.100", "end": "192.0.2.120"}],
            "hosts": [{"vm": f"{prefix}web", "nic": "lan", "ip": "192.0.2.7"}],
        },
    }
    vm = {
        "name": f"{prefix}web",
        "state": "paused",
        "virt_type": "qemu",
        "memory": {"size": "32MiB"},
        "tags": {"role": "web"},
        "nics": [{"name": "lan", "vswitch": f"{prefix}lan"}],
        "graphics": {"type": "vnc"},
    }
    args = {"vswitches": [vswitch], "vms": [vm]}
    made = run_module("host_config", args, on=libvirtd)
    assert not made.get("failed"), made.get("msg")
    before = libvirtd.virsh("dumpxml", f"{prefix}web")
    source = fleet.source(hosts={"kvm1": libvirtd.uri}, network=[f"{prefix}lan"])
    inventory, warned = fleet.listed(source)
    told = vars_of(inventory)[f"{prefix}web"]
    [known] = run_module("vm_info", {"names": [f"{prefix}web"]}, on=libvirtd)["vms"]
    for name in ("uuid", "state", "managed", "persistent", "tags", "machine", "migration"):
        assert told[f"kvm_{name}"] == known[name], name
    assert told["ansible_host"] == "192.0.2.7"
    assert told["kvm_nics"][0]["mac"] == known["nics"][0]["mac"]
    assert "KVM host" not in warned
    assert libvirtd.virsh("dumpxml", f"{prefix}web") == before
