"""What Open vSwitch says of links, active uplinks and learned addresses, read."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host import switch_state

BRIDGES = """{"data":[["ovs0",["set",[["uuid","p0"],["uuid","p1"],["uuid","p2"]]]],
["ovs1",["uuid","p3"]]]}"""
PORTS = """{"data":[[["uuid","p0"],["uuid","i0"],["set",[]]],
[["uuid","p1"],["set",[["uuid","i1"],["uuid","i2"]]],"52:54:00:00:00:02"],
[["uuid","p2"],["set",[["uuid","i3"],["uuid","i4"]]],"52:54:00:00:00:09"],
[["uuid","p3"],["uuid","i5"],["set",[]]]]}"""
INTERFACES = """{"data":[
[["uuid","i0"],"ovs0","down","52:54:00:00:00:00",["set",[]],65534],
[["uuid","i1"],"eno1","up","52:54:00:00:00:01",["set",[]],1],
[["uuid","i2"],"eno2","up","52:54:00:00:00:02",["set",[]],2],
[["uuid","i3"],"eno3","up","52:54:00:00:00:03",false,3],
[["uuid","i4"],"eno4","up","52:54:00:00:00:09",true,4],
[["uuid","i5"],"gone",["set",[]],["set",[]],["set",[]],["set",[]]]]}"""


def test_the_active_uplink_is_told_by_the_bond_by_lacp_or_by_its_link() -> None:
    seen = switch_state.state_in(BRIDGES, PORTS, INTERFACES)
    assert [name for name, one in seen.items() if one["active"]] == ["eno2", "eno4"]
    assert [one["bridge"] for one in seen.values()] == [*["ovs0"] * 5, "ovs1"]
    assert (seen["eno1"]["link"], seen["ovs0"]["link"], seen["gone"]["link"]) == ("up", "down", "")


def test_numbers_of_ports_are_of_one_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " port  VLAN  MAC                Age\n    2    10  52:54:00:00:00:11    4\n"
    monkeypatch.setattr(switch_state, "_said", lambda command: text)
    seen = {"vnet0": {"bridge": "ovs0", "number": 2}, "wire2": {"bridge": "ovs1", "number": 2}}
    assert switch_state.read_addresses("ovs0", seen)[0]["port"] == "vnet0"


def test_learned_addresses_have_names_of_ports() -> None:
    text = """ port  VLAN  MAC                Age
    2    10  52:54:00:00:00:11    4
LOCAL     0  52:54:00:00:00:12    0
    9     0  52:54:00:00:00:13    1
"""
    told = switch_state.addresses_in(text, {2: "vnet0"}, "ovs0")
    assert told[0] == {"mac": "52:54:00:00:00:11", "vlan": 10, "port": "vnet0", "age_s": 4}
    assert [one["port"] for one in told] == ["vnet0", "ovs0", "9"]


LACP = """\
---- ovs0-up ----
  status: active negotiated
  sys_id: 52:54:00:00:00:01

member: eno1: current attached
  actor sys_id: 52:54:00:00:00:01
  partner sys_id: 52:54:00:50:00:01
  partner key: 1

slave: eno2: defaulted detached
  actor sys_id: 52:54:00:00:00:01
  partner sys_id: 00:00:00:00:00:00
"""


def test_partners_are_told_by_uplink() -> None:
    assert switch_state.partners_in(LACP) == {"eno1": "52:54:00:50:00:01", "eno2": ""}
    assert switch_state.partners_in("") == {}


def test_only_uplinks_that_speak_lacp_have_a_partner(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"lacp/show": LACP, "Interface": "\n".join(
        text.replace("\n", "") for text in (BRIDGES, PORTS, INTERFACES)
    )}  # fmt: skip
    monkeypatch.setattr(switch_state, "_said", lambda command: said[command[-1]])
    seen = switch_state.read_state()
    assert (seen["eno1"]["partner"], seen["eno2"]["partner"]) == ("52:54:00:50:00:01", "")
    assert "partner" not in seen["eno3"]
