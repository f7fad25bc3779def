"""Things of one name in a list of a vswitch, and reservations for NICs of VMs."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.kvm.fleet.plugins.filter.mac import mac
from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import named
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.derived import derived_mac
from support.vswitches import planned

TWINS = """
<network>
  <name>lan</name>
  <forward mode='nat'/>
  <bridge name='virbr9'/>
  <dns>
    <forwarder domain='one.example' addr='192.0.2.53'/>
    <forwarder domain='two.example' addr='192.0.2.53'/>
  </dns>
  <ip address='192.168.50.1' prefix='24'>
    <dhcp>
      <host mac='52:54:00:aa:00:01' ip='192.168.50.10'/>
      <host mac='52:54:00:AA:00:01' ip='192.168.50.11'/>
    </dhcp>
  </ip>
</network>
"""


@pytest.fixture
def twins() -> dict[str, Have]:
    facts = {"state": "inactive", "autostart": False, "persistent": True}
    return {"lan": Have("vswitch", "lan", xmltree.parse(TWINS), None, facts)}


@pytest.mark.parametrize(
    "want",
    [
        {"mtu": 1400},
        {"dhcp": {"hosts": [{"mac": "52:54:00:aa:00:01", "ip": "192.168.50.10"}]}},
        {"dns": {"forwarders": [{"address": "192.0.2.53", "domain": "one.example"}]}},
    ],
)
def test_things_of_one_name_stay_as_they_are(twins: dict[str, Have], want: object) -> None:
    plan = planned("lan", {"state": "present", **want}, twins)
    after = xmltree.clone(plan.after.definition)
    xmltree.put(after, "mtu!/@size", None)
    assert xmltree.same(after, twins["lan"].definition)


def test_things_of_one_name_are_purged_together(twins: dict[str, Have]) -> None:
    want = {"dhcp": {"hosts": []}, "dns": {"forwarders": []}, "purge": True}
    plan = planned("lan", {"state": "present", **want}, twins)
    after = plan.after.definition
    assert not [*after.iter("host"), *after.iter("forwarder")]
    assert sorted(named(change.field) for change in plan.changes) == [
        "dhcp.hosts.52:54:00:aa:00:01",
        "dhcp.hosts.52:54:00:aa:00:01#2",
        "dns.forwarders.192.0.2.53",
        "dns.forwarders.192.0.2.53#2",
    ]


@pytest.mark.parametrize("item", [{"ip": "192.168.50.12"}, {"state": "absent"}])
def test_a_change_of_one_of_several_is_refused(twins: dict[str, Have], item: object) -> None:
    want = {"dhcp": {"hosts": [{"mac": "52:54:00:aa:00:01", **item}]}}
    with pytest.raises(FleetErrors, match="is the name of several"):
        planned("lan", {"state": "present", **want}, twins)


def test_the_filter_tells_the_mac_that_the_module_derives() -> None:
    assert mac("web", "lan") == derived_mac("web", "lan")


@pytest.mark.parametrize("names", [("", "lan"), ("web", ""), (1, "lan")])
def test_the_filter_wants_names(names: tuple[str, str]) -> None:
    with pytest.raises(AnsibleFilterError, match="is no name"):
        mac(*names)


def _there(xml: str) -> dict[str, Have]:
    facts = {"state": "inactive", "autostart": False, "persistent": True}
    return {"lan": Have("vswitch", "lan", xmltree.parse(xml), None, facts)}


SEVERAL = """
<network>
  <name>lan</name>
  <forward mode='route'/>
  <bridge name='virbr9'/>
  <ip address='192.168.78.1' prefix='24'/>
  <ip address='192.168.79.1' prefix='24'>
    <dhcp><range start='192.168.79.100' end='192.168.79.199'/></dhcp>
  </ip>
</network>
"""
MACVTAP = """
<network><name>lan</name><forward mode='{}'><interface dev='eth0'/></forward></network>
"""


def test_dhcp_that_tells_one_address_from_others_cannot_go() -> None:
    want = {"dhcp": {"ranges": []}, "purge": True, "state": "present"}
    with pytest.raises(FleetErrors, match="is told from others"):
        planned("lan", want, _there(SEVERAL))


def test_dns_stays_where_others_have_given_it_texts() -> None:
    texts = "<dns><txt name='a' value='b'/><srv service='ldap' protocol='tcp'/></dns></network>"
    want = {"dns": {"enabled": False}, "purge": True, "state": "present"}
    with pytest.raises(FleetErrors, match="the network has <srv> and <txt> in <dns>"):
        planned("lan", want, _there(SEVERAL.replace("</network>", texts)))


@pytest.mark.parametrize("mode", ["bridge", "vepa"])
@pytest.mark.parametrize(
    ("want", "says"),
    [
        ({"bridge": "br0"}, "is on a device of the host"),
        ({"address": "192.0.2.1/24"}, "means nothing for a vswitch of type"),
        (
            {"port_groups": [{"name": "a", "bandwidth": {"inbound": {"average": "1MiB"}}}]},
            "is on no bridge",
        ),
    ],
)
def test_what_a_network_on_a_device_does_not_take(mode: str, want: object, says: str) -> None:
    with pytest.raises(FleetErrors, match=says):
        planned("lan", {"state": "present", **want}, _there(MACVTAP.format(mode)))
