"""All rules of NICs are asked of each."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import nic_rules
from support import worlds

ON_OVS = "<forward mode='bridge'/><bridge name='br0'/><virtualport type='openvswitch'/>"
NIC = """
<domain><devices>
  <interface type='network'><mac address='52:54:00:00:00:01'/><source network='lan'/>
    <alias name='ua-fleet-a'/><port isolated='yes'/><filterref filter='clean-traffic'/>
    <bandwidth><inbound average='64'/></bandwidth></interface>
  <interface type='network'><mac address='52:54:00:00:00:02'/><source network='inner'/>
    <alias name='ua-fleet-b'/><vlan><tag id='5'/></vlan></interface>
</devices></domain>
"""


def test_all_of_them_are_asked() -> None:
    lan = Have("vswitch", "lan", xmltree.parse(f"<network><name>lan</name>{ON_OVS}</network>"))
    inner = Have("vswitch", "inner", xmltree.parse("<network><name>inner</name></network>"))
    world = worlds.world({"vswitch": {"lan": lan, "inner": inner}})
    mistakes = Mistakes("vm/web")
    domain = xmltree.parse(NIC)
    [warning] = nic_rules.check(domain, None, world, mistakes)
    assert "bandwidth.inbound" in warning
    fields = {error.field.partition(".")[2].partition(".")[2] for error in mistakes.errors}
    assert fields == {"isolated", "filter.name", "vlan"}
    assert not [*nic_rules.check(domain, domain, world, Mistakes("vm/web"))]
