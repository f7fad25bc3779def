"""What libvirt's parser has against a network or a pool ends the plan of it."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.together.parser import check
from support import worlds
from support.vswitches import planned

ROUTED = """
<network>
  <name>default</name>
  <forward mode='route'/>
  <bridge name='virbr9'/>
  <ip address='192.168.50.1' prefix='24'/>
  <route address='10.1.0.0' prefix='16' gateway='192.168.50.7'/>
</network>
"""
HOST = worlds.world({}).host
UNREACHABLE = ROUTED.replace("192.168.50.7", "192.0.2.7")
POOL = "<pool type='dir'><name>default-pool</name><target>{path}</target></pool>"


def have(text: str) -> Have:
    facts = {"state": "inactive", "autostart": False, "persistent": True}
    return Have("vswitch", "default", xmltree.parse(text), None, facts)


def test_a_network_with_a_route_by_nobody_is_refused() -> None:
    wanted = Wanted("vswitch", "default", "present")
    with pytest.raises(FleetError, match=r"unreachable static route .* network 'default'"):
        check(Plan(wanted, UPDATE, have(ROUTED), have(UNREACHABLE)), HOST)


def test_what_stood_there_before_is_no_mistake_of_a_change() -> None:
    plan = planned("default", {"state": "present", "mtu": 1400}, {"default": have(UNREACHABLE)})
    assert plan.action == UPDATE


def test_a_pool_without_a_path_is_refused() -> None:
    path = "<path>/var/lib/one</path>"
    wanted = Wanted("storage_pool", "default-pool", "present")
    before, after = (
        Have("storage_pool", "default-pool", xmltree.parse(POOL.format(path=text)), None, {})
        for text in (path, "")
    )
    check(Plan(wanted, UPDATE, after, before), HOST)
    with pytest.raises(FleetError, match="missing storage pool target path"):
        check(Plan(wanted, UPDATE, before, after), HOST)
