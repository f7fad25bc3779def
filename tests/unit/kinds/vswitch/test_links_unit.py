"""The unit that sees at a start of the host that a switch is whole. Its commands run here, on a
tree like that of /sys, beside a networkctl, an nmcli and a systemctl that say what they are told.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch import (
    links_unit,
    network_manager_files,
    start_steps,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.host_ports import (
    port_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch.switch.seen import Switch
from support.vswitches import commands_of

MGMT = port_of({"name": "mgmt", "vlan": 30, "addresses": ["192.0.2.7/24"]})
BONDED = Switch("prod", ("up0", "up1"), teaming="active_backup", backend="networkd")
WHOLE = ("br9", "br9-up/upper_br9", "up0/upper_br9-up", "up1/upper_br9-up")
# Of the ports of VMs that it remembers `vnet0` is on br9, and `vnet1` on another bridge.
OVS_VSCTL = """
shift
case "$*" in
*" find Interface "*) echo vnet0; echo vnet1 ;;
"port-to-br vnet0") echo br9 ;;
"port-to-br vnet1") echo br8 ;;
*) echo "$*" >>{}/ovs-vsctl ;;
esac
"""


class Start:
    """A start of the host, of which `restarted` says how often networkd was started again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()
        self.program("seq", "echo 1 2")
        self.program("sleep", f"echo a second >>{root}/slept")
        self.program("ip", f"printf '%s\\n' \"$*\" >>{root}/ip")
        self.program("ovs-vsctl", OVS_VSCTL.format(root))
        self.program("networkctl", f"cat {root}/states")
        self.activates("true")
        self.says()
        self.runs("true")

    def program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def says(self, **states: str) -> None:
        """What networkctl says of interfaces."""
        rows = (f"2 {name} ether routable {state} \n" for name, state in states.items())
        (self.root / "states").write_text("".join(rows))

    def runs(self, active: str, then: str = "true") -> None:
        """Whether networkd runs, and what happens when it is started again."""
        asked = f'[ "$1" != restart ] || {{ echo again >>{self.root}/restarted; {then}; exit; }}'
        self.program("systemctl", f"{asked}\n{active}")

    def activates(self, then: str, active: tuple[str, ...] = ()) -> None:
        """Which connections NetworkManager has active, and what happens when one is activated."""
        shown = "".join(f"*show*{number}) echo activated ;;\n" for number in active)
        told = f'*show*) ;;\n*) echo "$6" >>{self.root}/nmcli; {then} ;;'
        self.program("nmcli", f'case "$*" in\n{shown}{told}\nesac')

    def has(self, *paths: str) -> None:
        for path in paths:
            (self.root / "net" / path).mkdir(parents=True, exist_ok=True)

    def result(self, will: Switch, of_linux: bool = True, bridge: str = "br9") -> int:
        [text] = links_unit.files_of(bridge, will, of_linux).values()
        path = {"PATH": f"{self.root}/bin:/usr/bin:/bin"}
        for [program, *words] in commands_of(text):
            here = [word.replace("/sys/class/net", f"{self.root}/net") for word in words]
            command = [program.lstrip("-"), *here]
            done = subprocess.run(command, env=path, check=False, capture_output=True)
            assert not done.stderr, done.stderr
            if done.returncode and not program.startswith("-"):
                return done.returncode
        return 0

    @property
    def restarted(self) -> int:
        return self._lines("restarted")

    @property
    def activated(self) -> list[str]:
        path = self.root / "nmcli"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def slept(self) -> int:
        return self._lines("slept")

    def _lines(self, name: str) -> int:
        path = self.root / name
        return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def start(tmp_path: Path) -> Start:
    return Start(tmp_path)


def test_a_switch_that_is_whole_is_left_alone(start: Start) -> None:
    start.has(*WHOLE)
    assert (start.result(BONDED), start.restarted) == (0, 0)


@pytest.mark.parametrize("what", WHOLE)
def test_what_networkd_gave_up_it_tries_again(start: Start, what: str) -> None:
    start.has(*(one for one in WHOLE if one != what), "up0", "up1")
    start.runs("true", f"mkdir -p {start.root}/net/{what}")
    assert (start.result(BONDED), start.restarted) == (0, 1)


def test_an_interface_that_failed_is_made_anew(start: Start) -> None:
    start.has(*WHOLE)
    start.says(up0="configured", **{"br9-up": "failed"})
    start.runs("true", f": >{start.root}/states")
    assert (start.result(BONDED), start.restarted) == (0, 1)


def test_a_nic_that_is_not_there_is_not_waited_for(start: Start) -> None:
    start.has(*WHOLE[:3])
    assert (start.result(BONDED), start.restarted) == (0, 0)


def test_it_ends_though_it_is_never_whole(start: Start) -> None:
    assert (start.result(BONDED), start.restarted) == (1, 4)


def test_networkd_is_not_started_where_it_does_not_run(start: Start) -> None:
    start.runs("false")
    assert (start.result(BONDED), start.restarted) == (0, 0)


@pytest.mark.parametrize("state", ["pending", "initialized", "configuring"])
def test_what_is_being_set_is_waited_for(start: Start, state: str) -> None:
    """Until it fails, say. Without a carrier it may never be set, which nothing mends."""
    start.has(*WHOLE)
    start.says(br9=state)
    assert (start.result(BONDED), start.restarted, start.slept) == (0, 0, 2)


@pytest.mark.parametrize("of_linux", [True, False])
def test_host_ports_are_waited_for(start: Start, of_linux: bool) -> None:
    start.has("br9", "up0/upper_br9")
    start.runs("true", f"mkdir -p {start.root}/net/mgmt")
    will = Switch("prod", ("up0",), backend="networkd", host_ports=(MGMT,))
    assert (start.result(will, of_linux), start.restarted) == (0, 1)


def test_uplinks_of_open_vswitch_are_set_up(start: Start) -> None:
    """Also where systemd-networkd does not run."""
    start.runs("false")
    assert start.result(BONDED, of_linux=False) == 0
    assert (start.root / "ip").read_text() == "link set up0 up\nlink set up1 up\n"


def test_ports_of_vms_that_ran_before_are_forgotten(start: Start) -> None:
    """libvirt would leave one of the same name in the VLAN that it was in."""
    start.runs("false")
    start.has("up0", "up1")
    assert start.result(BONDED, of_linux=False) == 0
    assert (start.root / "ovs-vsctl").read_text() == "--if-exists del-port br9 vnet0\n"


def test_nothing_else_is_waited_for_on_a_bridge_without_uplinks(start: Start) -> None:
    start.says(other="failed")
    assert (start.result(Switch("prod"), of_linux=False), start.restarted) == (0, 0)
    assert (start.root / "ovs-vsctl").read_text() == "--if-exists del-port br9 vnet0\n"


def test_ports_of_vms_that_run_stay(start: Start) -> None:
    start.runs("false")
    start.has("up0", "up1", "vnet0")
    assert start.result(BONDED, of_linux=False) == 0
    assert not (start.root / "ovs-vsctl").exists()


# ---- kept by NetworkManager


def test_addresses_on_open_vswitch_are_set(start: Start) -> None:
    """NetworkManager has nothing to do with these ports."""
    both = {**MGMT.said, "gateway": "192.0.2.1", "routes": [{"to": "fd01::/64", "via": "fe80::1"}]}
    port = port_of({**both, "addresses": ["192.0.2.7/24", "fd00::7/64"]})
    will = Switch("prod", ("up0",), backend="networkmanager", host_ports=(port,))
    start.program("sleep", f"mkdir -p {start.root}/net/mgmt")  # as Open vSwitch makes it
    assert start.result(will, of_linux=False) == 0
    assert (start.root / "ip").read_text().splitlines() == [
        "link set up0 up",
        "link set mgmt up",
        "address replace 192.0.2.7/24 dev mgmt",
        "address replace fd00::7/64 dev mgmt",
        "-4 route replace default via 192.0.2.1 dev mgmt proto static",
        "-6 route replace fd01::/64 via fe80::1 dev mgmt proto static",
    ]
    assert (start.root / "net" / "mgmt").exists()
    [text] = links_unit.files_of("br9", will, False).values()
    assert " network-online.target\n" in text
    [text] = links_unit.files_of("br9", replace(will, backend="networkd"), False).values()
    assert "network-online" not in text


KEPT = replace(BONDED, backend="networkmanager")


def test_what_network_manager_makes_is_waited_for(start: Start) -> None:
    start.has(*WHOLE[:3])
    start.program("sleep", f"echo a second >>{start.root}/slept; mkdir -p {start.root}/net/up1/up")
    assert (start.result(KEPT), start.slept) == (0, 0)
    start.has("up1")
    start.program("sleep", f"echo >>{start.root}/slept; mkdir -p {start.root}/net/{WHOLE[3]}")
    assert (start.result(KEPT), start.slept, start.activated) == (0, 1, [])


def test_what_it_gave_up_it_is_told_to_activate(start: Start) -> None:
    """And nothing that is active: NICs of VMs would be off the bridge."""
    start.has(*WHOLE[:3], "up1")
    [bridge, bond, up0, up1] = network_manager_files.numbers_of("br9", KEPT)
    start.activates(f"mkdir -p {start.root}/net/{WHOLE[3]}", active=(bridge, bond, up0))
    assert (start.result(KEPT), start.activated) == (0, [up1])


def test_it_ends_though_network_manager_never_makes_it(start: Start) -> None:
    start.activates("true")
    assert (start.result(KEPT), len(start.activated)) == (1, 4 * 4)


def test_network_manager_is_not_waited_for_where_it_does_not_run(start: Start) -> None:
    start.runs("false")
    assert (start.result(KEPT), start.slept) == (0, 0)


# ---- how it is written


ODD = ('up$0"', "a'b;c", "d\\e%s", "é*")


@pytest.mark.parametrize("of_linux", [True, False])
def test_names_that_a_shell_reads_otherwise_are_names(start: Start, of_linux: bool) -> None:
    bridge = "br`$$\\'"
    start.has(bridge, *(f"{nic}/upper_{bridge}" for nic in ODD))
    for nic in ODD:
        will = Switch("prod", (nic,), backend="networkd")
        assert (start.result(will, of_linux, bridge), start.restarted) == (0, 0)
    if not of_linux:
        told = (start.root / "ip").read_text().splitlines()
        assert told == [f"link set {nic} up" for nic in ODD]
    start.program("seq", "echo 1")
    gone = Switch("prod", ("x$y",), backend="networkd", host_ports=(replace(MGMT, name="$0"),))
    start.has("x$y")
    assert start.result(gone, of_linux, bridge) == 1


def test_a_unit_has_a_name_that_systemd_takes() -> None:
    assert links_unit.unit_of("vs-prod.10") == "kvm-fleet-switch-vs-prod.10.service"
    assert links_unit.unit_of("b$@é") == r"kvm-fleet-switch-b\x24\x40\xc3\xa9.service"


def test_what_is_said_to_a_shell_is_one_word_to_systemd() -> None:
    for script in (
        start_steps.OF_OPEN_VSWITCH,
        start_steps.ADDRESSES,
        start_steps.BY_NETWORKD,
        start_steps.BY_NETWORK_MANAGER,
    ):
        assert not {*script} & {"'", "\\"}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="not installed: systemd-analyze")
def test_systemd_reads_it(tmp_path: Path) -> None:
    odd = Switch("prod", ODD, teaming="active_backup", backend="networkd")
    for bridge, will, of_linux in (
        ("br9", KEPT, True),
        ("b$%'", odd, True),
        ("br9", odd, False),
        ("br9", replace(KEPT, host_ports=(MGMT,)), False),
    ):
        [(name, text)] = links_unit.files_of(bridge, will, of_linux).items()
        unit = tmp_path / name
        unit.write_text(text)
        asked = ["systemd-analyze", "verify", str(unit)]
        done = subprocess.run(asked, check=False, capture_output=True, text=True)
        assert "kvm-fleet-switch" not in done.stderr, done.stderr
