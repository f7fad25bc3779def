"""What of user data and network configurations cloud-init would not read, by types and names."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.cloud_init import (
    network,
    schema,
    user_data,
)


def mistakes_of(value: Any) -> list[str]:
    found = Mistakes()
    user_data.check(value, "user_data", found)
    return [error.message for error in found.errors]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"runcmd": "reboot"},
            "runcmd is neither a list nor a mapping, and cloud-init reads a list",
        ),
        ({"write_files": {"path": "/a"}}, "write_files is a mapping, and cloud-init reads a list"),
        ({"apt": ["a"]}, "apt is a list, and cloud-init reads a mapping"),
        ({"packages": {"a": 1}}, "packages is a mapping, and cloud-init reads a list"),
    ],
)
def test_a_known_key_of_another_type_is_a_mistake(config: dict[str, Any], said: str) -> None:
    assert mistakes_of(config) == [said]
    assert mistakes_of(user_data.text_of(config)) == [said]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"runcmd": [["true"], "reboot"], "packages": "htop", "ntp": None, "users": "default"},
        {"users": ["default", {"name": "a"}], "growpart": {"mode": "off"}, "package_update": "yes"},
        {"rsyslog": ["*.* @192.0.2.1"], "locale": False, "ssh_pwauth": "unchanged"},
        {"something_new": 1, "ca-certs": {}, "ca_certs": {"trusted": []}},
    ],
)
def test_what_some_version_reads_is_none(config: dict[str, Any]) -> None:
    assert mistakes_of(config) == []


def test_a_key_that_is_not_known_is_told_with_the_one_that_may_be_meant() -> None:
    [one] = user_data.unknown_in({"runcmds": ["true"], "packages": []})
    assert one.endswith("may pass over it; near to it is runcmd")
    [other] = user_data.unknown_in("#cloud-config\nx_of_my_own: 1\n")
    assert other == "x_of_my_own is no key that is known of cloud-init, which may pass over it"
    for text in ("#!/bin/sh\nruncmds:\n", "## template: jinja\nruncmds: {{ a }}\n", None):
        assert user_data.unknown_in(text) == []


def test_a_key_is_of_one_type() -> None:
    assert not schema.LISTS & schema.MAPPINGS
    assert not (schema.LISTS | schema.MAPPINGS) & schema.OTHERS
    assert schema.OR_ONE <= schema.LISTS


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"version": 1}, "of version 1 has a list, config"),
        ({"version": 2, "ethernets": ["a"]}, "ethernets is no mapping of names to interfaces"),
        ({"version": 2, "ethernets": {"a": "dhcp"}}, "ethernets.a is no mapping"),
        (
            {"version": 2, "ethernets": {"a": {"addresses": "192.0.2.1/24"}}},
            "ethernets.a.addresses is no list",
        ),
    ],
)
def test_a_network_configuration_has_a_shape(config: dict[str, Any], said: str) -> None:
    found = Mistakes()
    network.check_config(config, found)
    assert said in [error.message for error in found.errors]
