"""VLANs of a port on a bridge of Linux: what it is to have, what it has, and how it gets there."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.vlan_ports import (
    NONE,
    Port,
    commands,
    port_of_ranges,
    ranges_of,
    settled,
)

GONE = ["vlan del dev t vid 2-3", "vlan del dev t vid 6-9"]
IN_1 = (1, 1, "pvid untagged")


@pytest.mark.parametrize(
    ("port", "ranges"),
    [
        (NONE, [IN_1]),
        (Port(10), [(10, 10, "pvid untagged")]),
        (Port(0, (20, 21, 22, 40)), [(20, 22, ""), (40, 40, "")]),
        (Port(1, (1, 20, 21), "native-untagged"), [IN_1, (20, 21, "")]),
        (Port(20, (20, 21), "native-tagged"), [(20, 20, "pvid"), (21, 21, "")]),
    ],
)
def test_a_port_has_vlans_as_ranges(port: Port, ranges: list[Any]) -> None:
    assert ranges_of(port, 1) == ranges
    assert port_of_ranges(ranges) == settled(port, 1)
    assert settled(settled(port, 1), 1) == settled(port, 1)


def test_a_port_without_vlans_is_where_its_bridge_puts_it() -> None:
    assert settled(NONE, 7) == Port(7)
    assert settled(NONE, 0) == NONE
    assert ranges_of(NONE, 0) == []
    assert settled(Port(1, (1,), "native-untagged"), 1) == Port(1)


@pytest.mark.parametrize(
    ("now", "will", "told"),
    [
        ([IN_1], [IN_1], []),
        (
            [IN_1],
            [(10, 10, "pvid untagged")],
            ["vlan add dev t vid 10 pvid untagged", "vlan del dev t vid 1"],
        ),
        ([(2, 9, "")], [(4, 5, "")], GONE),
        ([(5, 5, "")], [(5, 5, "pvid untagged")], ["vlan add dev t vid 5 pvid untagged"]),
        ([[1, 1, "pvid untagged"]], [], ["vlan del dev t vid 1"]),
    ],
)
def test_only_what_differs_is_told(now: list[Any], will: list[Any], told: list[str]) -> None:
    assert list(commands("t", now, will)) == told
