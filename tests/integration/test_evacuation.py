"""evacuation on two real hosts: who can go, what is noted, and how it comes back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import PlaybookRun, run_module, run_playbook
from support.private_libvirtd import why_not_here
from support.two_hosts import TwinHost, TwoHosts, two_hosts

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
        for host in hosts.both:  # where migrations come in, as the role sets it
            conf = host.outside("/etc/libvirt/qemu.conf")
            said = f'migration_address = "{host.data}"\nmigration_host = "{host.data}"\n'
            conf.write_text(conf.read_text() + said)
            host.restart()
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
    assert not told.get("failed"), told.get("msg")
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

    assert evacuation(two, state="home")["notes"] == [
        {"name": name, "home": None} for name in ("big", "build", "web")
    ], "they never left"
    assert notes(two) == set()


def test_a_snapshot_is_asked_as_the_host_is(two: TwoHosts, tmp_path: Path) -> None:
    uris = {}
    for host in two.both:
        uris[host.name] = f"snapshot:{tmp_path}/{host.name}.json"
        dest = f"{tmp_path}/{host.name}.json"
        taken = run_module("host_snapshot", {"uri": host.uri, "dest": dest})
        assert not taken.get("failed"), taken.get("msg")
    hosts = {name: {"uri": uri} for name, uri in uris.items()}
    of_hosts = evacuation(two, check=True)
    of_snapshots = evacuation(two, check=True, hosts=hosts)
    assert not of_snapshots.get("failed"), of_snapshots.get("msg")
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


# ---- the playbooks


def play(two: TwoHosts, name: str, *options: str) -> PlaybookRun:
    reached = {"kvm1": {"uri": "qemu:///system"}, "kvm2": {"uri": two.target.tcp_uri}}
    said = {
        "kvm_evacuate": "kvm1",
        "kvm_return_to": "kvm1",
        "kvm_hosts_reached": reached,
        "kvm_evacuate_wishes": {"build": "shutdown"},
        "kvm_evacuate_shutdown": {"timeout_s": 1, "on_timeout": "power_off"},
    }
    text = f"- ansible.builtin.import_playbook: kvm.fleet.{name}\n"
    return run_playbook(text, "-e", json.dumps(said), *options, on=two.source)


def names(host: TwinHost, *options: str) -> set[str]:
    return set(host.virsh("list", "--name", *options).split())


@pytest.mark.long(
    touched_by=r"playbooks/(evacuate|return_home|tasks/|vars/)|plugins/.*/(evacuat|homes|fates|placing)"
)
def test_a_host_is_emptied_and_filled_again(two: TwoHosts) -> None:
    planned = play(two, "evacuate", "--check")
    assert planned.returncode == 0, planned.output
    assert "cannot go" in planned.output
    assert names(two.target, "--all") == set() and notes(two) == set()

    done = play(two, "evacuate")
    assert done.returncode != 0, "one cannot go, which is to be seen"
    assert "Insist that nothing is left" in done.output, done.output
    assert names(two.target) == {"web"} and names(two.target, "--all") == {"web", "big"}
    assert names(two.source, "--all") == {"build", "monitoring", "wired"}
    assert names(two.source) == set(), "build was shut down"

    for host in two.both:  # it is missing at the other end, but it has to come back as well
        switch = host.outside("/etc/libvirt") / "only-here.xml"
        switch.write_text("<network><name>only-here</name><bridge name='onlyhere'/></network>")
        host.virsh("net-define", "/etc/libvirt/only-here.xml")
        host.virsh("net-start", "only-here")
    again = play(two, "evacuate")
    assert again.returncode == 0, again.output
    assert names(two.target, "--all") == {"web", "big", "wired"}

    back = play(two, "return_home")
    assert back.returncode == 0, back.output
    assert names(two.target, "--all") == set()
    assert names(two.source, "--all") == {"web", "big", "build", "monitoring", "wired"}
    assert names(two.source) == {"web", "build"}, "those run that ran"
    assert notes(two) == set()
