"""What the inventory plugin makes of VMs whose names mean something else, or have no value."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.kvm.fleet.plugins.inventory.vms import (
    InventoryModule,
    trust_as_template,
)
from ansible_collections.kvm.fleet.plugins.module_utils.inventory.at_once import Outcome
from ansible_collections.kvm.fleet.plugins.module_utils.inventory.hosts import Source

DEFAULTS: dict[str, Any] = {
    **{"filter": "true", "hostname": "kvm_name", "group": "kvm_vms", "strict": False},
    **{"network": [], "addresses": ["lease"], "families": ["ipv4"]},
    **{"compose": {}, "groups": {}, "keyed_groups": []},
}


class Said:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def vm(name: str, **more: Any) -> dict[str, Any]:
    told = {"kvm_name": name, "kvm_uuid": f"of-{name}", "kvm_state": "running"}
    return {**told, "kvm_tags": {}, "kvm_addresses": [], **more}


def trusted(value: Any) -> Any:
    """As what stands in a source is."""
    if isinstance(value, dict):
        return {name: trusted(one) for name, one in value.items()}
    return trust_as_template(value) if isinstance(value, str) else value


def added(
    *vms: dict[str, Any], inventory: InventoryData | None = None, **options: Any
) -> tuple[InventoryData, list[str]]:
    """The inventory that VMs of one host are added to, and the warnings."""
    plugin: Any = InventoryModule()
    plugin.inventory = inventory or InventoryData()
    plugin.templar, plugin.display = Templar(DataLoader()), Said()
    plugin._vars = {}
    said = {name: trusted(value) for name, value in {**DEFAULTS, **options}.items()}
    plugin.get_option = said.__getitem__
    plugin._add([Source("kvm1", "qemu:///system")], {"kvm1": Outcome({"vms": list(vms)})})
    return plugin.inventory, plugin.display.warnings


@pytest.mark.parametrize("name", ["all", "ungrouped", "localhost", "127.0.0.1", "kvm_vms", "mine"])
def test_a_name_that_means_something_else_is_taken_by_no_vm(name: str) -> None:
    inventory, warnings = added(vm(name), groups={"mine": "true"})
    assert [*inventory.hosts] == [f"{name}@kvm1"]
    assert f"{name} (on kvm1)" in warnings[0]


@pytest.mark.parametrize("name", ["webservers", "static"])
def test_a_group_and_a_host_of_an_earlier_source_stay_what_they_are(name: str) -> None:
    before = InventoryData()
    before.add_group("webservers")
    before.add_host("static", group="webservers")
    before.set_variable("static", "ansible_host", "192.0.2.1")
    inventory, warnings = added(vm(name), inventory=before)
    assert [*inventory.hosts] == ["static", f"{name}@kvm1"] and len(warnings) == 1
    assert inventory.hosts["static"].get_vars()["ansible_host"] == "192.0.2.1"


def test_a_vm_that_two_sources_read_is_one_host() -> None:
    first, _warnings = added(vm("web"))
    inventory, warnings = added(vm("web"), inventory=first)
    assert ([*inventory.hosts], warnings) == (["web"], [])


def test_a_vm_that_two_sources_read_is_one_host_by_its_longer_name_too() -> None:
    first, _warnings = added(vm("kvm1"))
    assert [*first.hosts] == ["kvm1@kvm1"]
    inventory, _warnings = added(vm("kvm1"), inventory=first)
    assert [*inventory.hosts] == ["kvm1@kvm1"]
    again, _warnings = added(vm("kvm1", kvm_uuid="another"), inventory=inventory)
    assert [*again.hosts] == ["kvm1@kvm1", "kvm1@kvm1@another"]


@pytest.mark.parametrize("said", ["", " ", "true", "True"])
def test_a_filter_that_says_nothing_takes_all(said: str) -> None:
    inventory, warnings = added(vm("web"), vm("db"), filter=said)
    assert ([*inventory.hosts], warnings) == (["web", "db"], [])


def test_what_a_filter_needs_and_a_vm_lacks_leaves_that_vm_out() -> None:
    both = (vm("web", kvm_tags={"role": "web"}), vm("db"))
    inventory, warnings = added(*both, filter="kvm_tags.role == 'web'")
    assert ([*inventory.hosts], warnings) == (["web"], [])
    with pytest.raises(AnsibleParserError, match="filter: has no value for db on kvm1"):
        added(*both, filter="kvm_tags.role == 'web'", strict=True)
    with pytest.raises(AnsibleParserError, match="filter: has no value for web on kvm1"):
        added(*both, filter="kvm_name ==")


@pytest.mark.parametrize("hostname", ["kvm_tags.dns", "kvm_title"])
def test_a_vm_for_which_hostname_has_no_value_has_its_own_name(hostname: str) -> None:
    both = (vm("web", kvm_tags={"dns": "www"}, kvm_title="www"), vm("db", kvm_title=""))
    inventory, warnings = added(*both, hostname=hostname)
    assert [*inventory.hosts] == ["www", "db"]
    assert warnings == [
        "hostname: has no value for VMs db (on kvm1). Each is called by its own name here"
    ]
