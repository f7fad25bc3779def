"""evacuation on two real hosts: who can go, what is noted, and how it comes back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import run_module
from support.private_libvirtd import why_not_here
from support.two_hosts import TwoHosts, two_hosts

pytestmark = pytest.mark.skipif(bool(why_not_here()), reason=why_not_here() or "runs")

DOMAIN = """
<domain type='qemu'>
  <name>{name}</name>
  <metadata>{tags}</metadata>
  <memory unit='MiB'>{memory}</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>{devices}<memballoon model='none'/></devices>
</domain>
"""
TAGS = """
<fleet:resource xmlns:fleet='urn:kvm.fleet:1' managed='yes'>
<fleet:tags>{"on_evacuate": "stay"}</fleet:tags></fleet:resource>
"""
NO_SUCH_SWITCH = "<interface type='network'><source network='only-here'/></interface>"


@pytest.fixture(scope="module")
def two() -> Iterator[TwoHosts]:
    folder = tempfile.mkdtemp(prefix="kvmf-e", dir="/tmp")
    with two_hosts(Path(folder)) as hosts:
        define(hosts, "web", 64)
        define(hosts, "big", 128)
        define(hosts, "monitoring", 32, tags=TAGS)
        define(hosts, "build", 32)
        define(hosts, "wired", 32, devices=NO_SUCH_SWITCH)
        for name in ("web", "build"):
            hosts.source.virsh("start", name)
        yield hosts
    Path(folder).rmdir()


def define(two: TwoHosts, name: str, memory: int, tags: str = "", devices: str = "") -> None:
    path = two.source.outside("/etc/libvirt") / f"{name}.xml"
    path.write_text(DOMAIN.format(name=name, memory=memory, tags=tags, devices=devices))
    two.source.virsh("define", f"/etc/libvirt/{name}.xml")


def evacuation(two: TwoHosts, check: bool = False, **more: Any) -> dict[str, Any]:
    hosts = {"kvm1": {"uri": two.source.uri}, "kvm2": {"uri": two.target.uri}}
    wishes = {"build": "shutdown"}
    asked = {"host": "kvm1", "hosts": hosts, "on_evacuate": wishes, **more}
    return run_module("evacuation", asked, check=check)


def notes(two: TwoHosts) -> set[str]:
    """The VMs, on either host, whose definitions say where they are at home."""
    return {
        name
        for host in two.both
        for name in host.virsh("list", "--all", "--name").split()
        if "fleet-home:home" in host.virsh("dumpxml", name)
    }


def test_each_vm_is_asked_and_check_mode_notes_nothing(two: TwoHosts) -> None:
    told = evacuation(two, check=True)
    assert not told.get("failed"), told
    assert [(one["name"], one["host"]) for one in told["moves"]] == [
        ("web", "kvm2"),
        ("big", "kvm2"),
    ]
    assert told["turns"] == [told["moves"]]
    assert (told["shutdowns"], told["stays"]) == (["build"], ["monitoring"])
    [refused] = told["refused"]
    assert refused["name"] == "wired" and "kvm2: " in refused["reasons"][0]
    assert any(line.startswith("web ") and "live" in line for line in told["table"]), told["table"]
    assert told["changed"] is True
    assert notes(two) == set()


def test_homes_are_noted_once_and_go_along(two: TwoHosts) -> None:
    planned = evacuation(two, check=True)
    done = evacuation(two)
    assert {k: done[k] for k in ("moves", "notes", "table")} == {
        k: planned[k] for k in ("moves", "notes", "table")
    }
    assert notes(two) == {"web", "big", "build"}
    assert evacuation(two)["changed"] is False

    # What the playbook does with it.
    two.source.virsh("destroy", "build")
    xml = two.source.virsh("dumpxml", "big")
    two.source.virsh("undefine", "big")
    (two.target.outside("/etc/libvirt") / "big.xml").write_text(xml)
    two.target.virsh("define", "/etc/libvirt/big.xml")

    back = evacuation(two, check=True, state="home")
    assert [(one["name"], one["source"]) for one in back["moves"]] == [("big", "kvm2")]
    assert back["starts"] == ["build"]
    assert back["notes"] == [{"name": "web", "home": None}]  # it never left

    two.source.virsh("start", "build")
    assert evacuation(two, state="home")["changed"] is True
    assert notes(two) == {"big"}


def test_a_snapshot_is_asked_as_the_host_is(two: TwoHosts, tmp_path: Path) -> None:
    uris = {}
    for host in two.both:
        uris[host.name] = f"snapshot:{tmp_path}/{host.name}.json"
        dest = f"{tmp_path}/{host.name}.json"
        taken = run_module("host_snapshot", {"uri": host.uri, "dest": dest})
        assert not taken.get("failed"), taken
    hosts = {name: {"uri": uri} for name, uri in uris.items()}
    of_hosts = evacuation(two, check=True)
    of_snapshots = evacuation(two, check=True, hosts=hosts)
    assert not of_snapshots.get("failed"), of_snapshots
    assert json.dumps(of_snapshots["moves"]) == json.dumps(of_hosts["moves"])


def test_mistakes_are_told_at_once(two: TwoHosts) -> None:
    refused = evacuation(two, host="kvm9", to=["kvm8"], check=True)
    assert "host: kvm9 is none of hosts, which are kvm1, kvm2" in refused["msg"]
    assert "to: kvm8 is none of hosts" in refused["msg"]
    refused = evacuation(two, at_once={"per_host": 0}, migration={"mood": "live"}, check=True)
    assert "per_host: 0 lets nothing move" in refused["msg"]
    assert "there is no option mood" in refused["msg"]
    refused = evacuation(two, on_evacuate={"web": "run"}, check=True)
    assert "on_evacuate.web: 'run' is none of migrate, shutdown, stay" in refused["msg"]
