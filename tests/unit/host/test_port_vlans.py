"""Taps get the VLANs of their port groups as a VM starts: libvirt's hook, and what it calls."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.vlan_ports import Port
from ansible_collections.kvm.fleet.plugins.module_utils.host import port_vlans, vlan_hook
from ansible_collections.kvm.fleet.plugins.module_utils.host.hook_files import HookFiles
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import noted_vlans
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.noted_vlans import (
    noted,
    put_in_place,
)

ROOT = Path(__file__).parents[3]
FILES = ROOT / "roles/kvm_host/files"
SHARED = ROOT / "plugins/module_utils"
NETWORK = """<network><name>lab</name><forward mode='bridge'/><bridge name='br0'/>
<portgroup name='web' default='yes'><vlan><tag id='10'/></vlan></portgroup>
<portgroup name='all'>
  <vlan trunk='yes'><tag id='1' nativeMode='untagged'/><tag id='20'/><tag id='21'/></vlan>
  <bandwidth><inbound average='1'/></bandwidth></portgroup>
<portgroup name='plain'/></network>"""
# As `bridge` of iproute2, with one file for each port.
BRIDGE = f"""#!{sys.executable}
import json, pathlib, sys
root = pathlib.Path(__file__).parent / "ports"
ports = {{one.name: json.loads(one.read_text()) for one in root.iterdir()}}
for line in sys.stdin if "-batch" in sys.argv else ():
    _vlan, do, _dev, name, _vid, span, *flags = line.split()
    first, _dash, last = span.partition("-")
    for vid in range(int(first), int(last or first) + 1):
        ports[name].pop(str(vid), None)
        if do == "add":
            words = [dict(pvid="PVID", untagged="Egress Untagged")[one] for one in flags]
            ports[name][str(vid)] = words
    (root / name).write_text(json.dumps(ports[name]))
print(json.dumps([
    {{"ifname": name, "vlans": [{{"vlan": int(v), **({{"flags": f}} if f else {{}})}} for v, f in
    sorted(vlans.items(), key=lambda one: int(one[0]))]}} for name, vlans in ports.items()]))
"""


@pytest.fixture
def places(tmp_path: Path) -> port_vlans.Places:
    """A machine with a bridge that filters VLANs, with two taps, and a network on it."""
    for tap in ("vnet0", "vnet1"):
        bridge = tmp_path / "links" / tap / "master" / "bridge"
        bridge.mkdir(parents=True)
        (bridge / "default_pvid").write_text("1\n")
        (bridge / "vlan_filtering").write_text("1\n")
        (tmp_path / "ports").mkdir(exist_ok=True)
        (tmp_path / "ports" / tap).write_text(json.dumps({"1": ["PVID", "Egress Untagged"]}))
    (tmp_path / "bridge").write_text(BRIDGE)
    (tmp_path / "bridge").chmod(0o755)
    (tmp_path / "stored").mkdir()
    text = xmltree.serialise(noted(xmltree.parse(NETWORK), False))
    (tmp_path / "stored/lab.xml").write_text(f"<!-- by libvirt -->\n{text}")
    folders = (tmp_path / name for name in ("stored", "running", "links", "bridge"))
    return port_vlans.Places(*map(str, folders))


def domain(*groups: str) -> str:
    nics = "".join(
        f"<interface type='network'><source network='lab'{f' portgroup={one!r}' if one else ''} "
        f"bridge='br0'/><target dev='vnet{number}'/></interface>"
        for number, one in enumerate(groups)
    )
    other = "<interface type='user'/><interface type='bridge'><source bridge='br0'/></interface>"
    return f"<domain><devices>{other}{nics}</devices></domain>"


def vlans_of(places: port_vlans.Places, tap: str) -> dict[str, list[str]]:
    told: dict[str, list[str]] = json.loads(
        (Path(places.program).parent / "ports" / tap).read_text()
    )
    return told


def test_taps_get_what_is_noted_of_their_port_groups(places: port_vlans.Places) -> None:
    assert port_vlans.started(domain("", "all"), places) == []
    assert vlans_of(places, "vnet0") == {"10": ["PVID", "Egress Untagged"]}
    untagged = {"1": ["PVID", "Egress Untagged"]}
    assert vlans_of(places, "vnet1") == {**untagged, "20": [], "21": []}


def test_what_is_noted_of_a_nic_goes_before_its_port_group(places: port_vlans.Places) -> None:
    own = xmltree.parse(
        "<domain><devices><interface type='network'><source network='lab' portgroup='web'/>"
        "<alias name='ua-nic-a'/><target dev='vnet0'/><vlan><tag id='66'/></vlan></interface>"
        "<interface type='bridge'><source bridge='br0'/><mac address='52:54:00:00:00:07'/>"
        "<target dev='vnet1'/><vlan trunk='yes'><tag id='7'/></vlan></interface></devices></domain>"
    )
    told = noted_vlans.noted(own, lambda _nic: True)
    assert told.find("devices/interface/vlan") is None
    assert port_vlans.started(xmltree.serialise(told), places) == []
    assert vlans_of(places, "vnet0") == {"66": ["PVID", "Egress Untagged"]}
    assert vlans_of(places, "vnet1") == {"7": []}
    assert xmltree.same(noted_vlans.put_in_place(told), own)


def test_a_nic_without_vlans_is_left_alone(places: port_vlans.Places) -> None:
    no_program = places._replace(program="/nothing")
    assert port_vlans.started(domain("plain", "not there"), no_program) == []
    Path(places.stored, "lab.xml").unlink()
    assert port_vlans.started(domain("web"), no_program) == []


def test_a_network_that_is_stored_nowhere_counts_as_it_runs(places: port_vlans.Places) -> None:
    Path(places.running).mkdir()
    text = Path(places.stored, "lab.xml").read_text().partition("\n")[2]
    Path(places.running, "lab.xml").write_text(f"<networkstatus>{text}</networkstatus>")
    Path(places.stored, "lab.xml").unlink()
    assert port_vlans.started(domain("web"), places) == []
    assert vlans_of(places, "vnet0") == {"10": ["PVID", "Egress Untagged"]}


def test_a_vm_whose_vlans_cannot_be_set_hears_why(places: port_vlans.Places) -> None:
    idle = places._replace(program="/bin/true")
    [said] = port_vlans.started(domain("web"), idle)
    assert said.startswith("vnet0 is not in VLAN 10 but in no VLAN")
    Path(places.links, "vnet0/master/bridge/vlan_filtering").write_text("0\n")
    assert port_vlans.started(domain("web"), places) == ["vnet0 is on no bridge that filters VLANs"]


def test_a_tap_that_is_gone_is_passed_over(places: port_vlans.Places) -> None:
    assert port_vlans.set_ports({"vnet7": Port(7), "vnet0": Port(5)}, places) == []
    assert vlans_of(places, "vnet0") == {"5": ["PVID", "Egress Untagged"]}


ON_OPEN_VSWITCH = NETWORK.replace("<portgroup", "<virtualport type='openvswitch'/><portgroup", 1)


@pytest.fixture
def switched(places: port_vlans.Places) -> port_vlans.Places:
    """The same network on Open vSwitch, with a program that writes down what it is told."""
    network = xmltree.parse(ON_OPEN_VSWITCH)
    network.findall("portgroup")[0].set("isolated", "yes")
    network.findall("portgroup")[2].set("isolated", "no")
    Path(places.stored, "lab.xml").write_text(xmltree.serialise(noted(network, False)))
    program = Path(places.stored).parent / "ovs-vsctl"
    program.write_text('#!/bin/sh\necho "$@" >>"$0.told"\n')
    program.chmod(0o755)
    return places._replace(vsctl=str(program), program="/nothing")


def test_taps_on_open_vswitch_are_isolated_as_is_noted(switched: port_vlans.Places) -> None:
    assert port_vlans.started(domain("", "all", "plain", "web"), switched) == []
    told = Path(f"{switched.vsctl}.told").read_text()
    isolated = "set Port vnet0 protected=true -- set Port vnet3 protected=true"
    assert told == f"--timeout=10 {isolated}\n"


def test_a_vm_that_is_not_isolated_does_not_start(switched: port_vlans.Places) -> None:
    Path(switched.vsctl).write_text("#!/bin/sh\necho no row >&2\nexit 1\n")
    assert port_vlans.started(domain("web"), switched) == ["NICs are not isolated: no row"]
    assert port_vlans.started(domain("plain"), switched) == []


# ---- what libvirt is told, and tells


def test_vlans_go_to_the_notes_and_come_back() -> None:
    network = xmltree.parse(NETWORK)
    told = noted(network, False)
    assert [group.find("vlan") for group in told.findall("portgroup")] == [None] * 3
    back = xmltree.clone(told)
    put_in_place(back, told)
    again = {one.get("name"): one.find("vlan") for one in back.findall("portgroup")}
    for group in network.findall("portgroup"):
        was, now = group.find("vlan"), again[group.get("name")]
        assert (was is None and now is None) or xmltree.same(was, now)  # type: ignore[arg-type]
    assert "fleet:portgroup" not in xmltree.serialise(back)


def test_what_libvirt_can_have_itself_is_not_noted() -> None:
    text = NETWORK.replace("<portgroup", "<virtualport type='openvswitch'/><portgroup", 1)
    network = xmltree.parse(text)
    assert xmltree.same(noted(network, False), network)
    assert xmltree.same(noted(xmltree.parse(NETWORK), True), xmltree.parse(NETWORK))
    own = xmltree.parse(NETWORK)
    put_in_place(own, xmltree.parse(NETWORK.replace("10", "11")))
    assert xmltree.same(own, xmltree.parse(NETWORK)), "what stands there itself counts"


def test_security_is_noted_for_every_libvirt_and_comes_back() -> None:
    network = xmltree.parse(NETWORK)
    network.findall("portgroup")[0].set("security", "strict")
    for has_vlans in (True, False):
        told = noted(network, has_vlans)
        assert "security" not in told.findall("portgroup")[0].attrib
        back = xmltree.clone(told)
        put_in_place(back, told)
        groups = [one.get("security") for one in back.findall("portgroup")]
        assert groups == ["strict", None, None] and "fleet:" not in xmltree.serialise(back)


def test_what_runs_follows_the_notes_of_what_is_stored() -> None:
    live, stored = (noted(xmltree.parse(NETWORK.replace("10", to)), False) for to in ("10", "30"))
    put_in_place(live, stored)
    assert live.find("portgroup/vlan/tag").get("id") == "30"  # type: ignore[union-attr]


# ---- the script that libvirt calls


@pytest.fixture
def hook(tmp_path: Path) -> HookFiles:
    """The hook as the role installs it, with other folders."""
    for folder in ("qemu.d", "daemon.d", "lib/fleet/engine", "lib/fleet/host"):
        (tmp_path / folder).mkdir(parents=True)
    for part in ("engine/cpu_lists.py", "engine/vlan_ports.py", "host/port_vlans.py"):
        shutil.copy(SHARED / part, tmp_path / "lib/fleet" / part)
    python, script = (FILES / name for name in ("vlan_hook.py", "vlan_hook"))
    moved = python.read_text().replace("/usr/local/lib/kvm-fleet-vlans", str(tmp_path / "lib"))
    (tmp_path / "lib/hook.py").write_text(moved)
    text = script.read_text().replace("/usr/local/lib/kvm-fleet-vlans", str(tmp_path / "lib"))
    text = text.replace("/run/kvm-fleet", str(tmp_path / "run"))
    text = text.replace("/etc/libvirt/qemu/networks", str(tmp_path / "networks"))
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks/lab.xml").write_text("<a><fleet:portgroup name='a'/></a>")
    for folder in ("qemu.d", "daemon.d"):
        (tmp_path / folder / "hook").write_text(text)
        (tmp_path / folder / "hook").chmod(0o755)
    return HookFiles(
        str(tmp_path / "qemu.d/hook"),
        str(tmp_path / "daemon.d/hook"),
        str(tmp_path / "lib"),
        str(tmp_path / "run/vlan-hook-called"),
    )


def run(script: str, operation: str, definition: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [script, "web", operation, "begin", "-"],
        input=definition,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_the_script_stops_a_vm_for_its_vlans_alone(hook: HookFiles) -> None:
    assert run(hook.hook, "started", "<domain/>") == (0, "")
    status, said = run(hook.hook, "started", "no definition at all")
    assert status == 1 and "ParseError" in said
    for operation in ("prepare", "start", "stopped", "release", "reconnect", "migrate"):
        assert run(hook.hook, operation, "no definition") == (0, ""), operation


def test_a_vm_that_notes_vlans_itself_is_looked_at(hook: HookFiles, tmp_path: Path) -> None:
    (tmp_path / "networks/lab.xml").unlink()
    note = '<fleet:resource xmlns:fleet="urn:kvm.fleet:1"><fleet:nic name="a"/></fleet:resource>'
    assert run(hook.hook, "started", f"<domain><metadata>{note}</metadata></domain>") == (0, "")
    status, said = run(hook.hook, "started", "<fleet:nic name='a'> and no more")
    assert status == 1 and "ParseError" in said


def test_a_host_without_such_port_groups_starts_no_python(hook: HookFiles, tmp_path: Path) -> None:
    (tmp_path / "networks/lab.xml").unlink()
    assert run(hook.hook, "started", "no definition at all") == (0, "")


def test_whether_it_is_there_and_called_is_known(hook: HookFiles, tmp_path: Path) -> None:
    daemon = tmp_path / "proc" / str(os.getpid())
    daemon.mkdir(parents=True)
    (daemon / "comm").write_text("libvirtd\n")
    shutil.copy(f"/proc/{os.getpid()}/stat", daemon / "stat")
    places = hook._replace(proc=str(tmp_path / "proc"))
    seen = vlan_hook.read_vlan_hook(places)
    assert len(seen["installed"]) == 40 and not seen["called"]

    mine = (Path(hook.daemon_hook).read_text()).replace("/proc/$PPID/comm", str(daemon / "comm"))
    Path(hook.daemon_hook).write_text(mine)
    assert run(hook.daemon_hook, "start") == (0, "")
    assert vlan_hook.read_vlan_hook(places)["called"]
    assert vlan_hook.read_vlan_hook(places)["installed"] != seen["installed"]
    Path(hook.hook).chmod(0o644)
    assert vlan_hook.read_vlan_hook(places) == {
        "installed": "",
        "called": True,
        "nics": True,
        "isolates": True,
    }
