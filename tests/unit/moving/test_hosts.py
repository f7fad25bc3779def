"""How the hosts of a move are declared, and how it is to be made."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.moving.hosts import Reach, reached
from ansible_collections.kvm.fleet.plugins.module_utils.moving.options import Options, options_of

ONE, TWO = {"uri": "qemu+ssh://a/system"}, {"uri": "qemu+ssh://b/system", "migration_uri": "x"}


def params(**given: Any) -> dict[str, Any]:
    return {"name": "web", "host": "a", "hosts": {"a": ONE, "b": TWO}, **given}


def mistakes_of(call: Any, given: dict[str, Any]) -> list[str]:
    with pytest.raises(FleetErrors) as error:
        call(given)
    assert all(one.resource == "migration/web" for one in error.value.errors)
    return [f"{one.field}: {one.message}" for one in error.value.errors]


def test_hosts_reach_each_other_as_from_here_unless_another_uri_is_given() -> None:
    assert list(reached(params()).values()) == [
        Reach("a", ONE["uri"], ONE["uri"]),
        Reach("b", TWO["uri"], "x"),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "c"}, "host: c is none of hosts, which are a, b"),
        ({"hosts": {"a": {}}}, "hosts.a: has no uri"),
        ({"hosts": {"a": "x"}}, "hosts.a: 'x' is no dictionary"),
        ({"hosts": {"a": {**ONE, "url": "x"}}}, "hosts.a: there is no option url"),
        ({"hosts": {"a": ONE, "b": ONE}}, "hosts.b.uri: a and b have the uri"),
    ],
)
def test_mistakes_about_hosts(given: dict[str, Any], said: str) -> None:
    assert any(said in one for one in mistakes_of(reached, params(**given)))


def test_all_mistakes_about_hosts_are_told_at_once() -> None:
    assert len(mistakes_of(reached, params(host="c", hosts={"a": {}, "b": 1}))) == 3


def test_options_that_are_left_out_are_the_usual_ones() -> None:
    assert options_of({"name": "web"}) == Options()


def test_options_are_read_into_plain_values() -> None:
    of = {"pools": {"fast": "nvme"}, "vswitches": {"prod": "prod-b"}}
    options = options_of({"name": "web", "bandwidth": "100MiB/s", "map": of})
    assert options.bandwidth == 100 * 2**20
    assert (options.pool("fast"), options.pool("slow")) == ("nvme", "slow")
    assert (options.vswitch("prod"), options.vswitch("lan")) == ("prod-b", "lan")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"bandwidth": "fast"}, "bandwidth"),
        ({"bandwidth": "100MiB/h"}, "bandwidth"),
        ({"bandwidth": "100KiB/s"}, "bandwidth"),
        ({"downtime_ms": -1}, "downtime_ms"),
        ({"downtime_ms": 2_000_001}, "downtime_ms"),
        ({"timeout_s": -5}, "timeout_s"),
        ({"parallel": 256}, "parallel"),
        ({"mode": "offline", "post_copy": True}, "post_copy"),
        ({"mode": "offline", "downtime_ms": 100}, "downtime_ms"),
        ({"on_timeout": "post_copy"}, "on_timeout"),
        ({"zero_copy": True}, "zero_copy"),
        ({"zero_copy": True, "parallel": 2, "transport": "tls"}, "zero_copy"),
        ({"zero_copy": True, "parallel": 2, "compression": "zstd"}, "zero_copy"),
        ({"compression": "xbzrle", "parallel": 2}, "compression"),
        ({"compression": "zstd"}, "compression"),
        ({"map": {"pools": {"fast": ""}}}, "map.pools"),
    ],
)
def test_mistakes_about_options(given: dict[str, Any], field: str) -> None:
    [said] = mistakes_of(options_of, {"name": "web", **given})
    assert said.startswith(f"{field}: ")
