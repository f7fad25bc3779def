"""What a VM is promised, from its definition."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import GIB, MIB, Vm
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.promised import promise_of

UUID = "00000000-0000-4000-8000-000000000001"
DOMAIN = f"""<domain><name>web</name><uuid>{UUID}</uuid>
<metadata><f:resource xmlns:f="urn:kvm.fleet:1">{{reservation}}</f:resource></metadata>
<memory unit="KiB">1048576</memory><vcpu current="2">4</vcpu>{{inside}}</domain>"""
PLAIN = Vm("web", UUID, vcpus=2, memory=GIB)


def promised(inside: str = "", reservation: str = "") -> Vm:
    said = f"<f:reservation {reservation}/>" if reservation else ""
    return promise_of(parse(DOMAIN.format(inside=inside, reservation=said)))


def test_a_vm_of_others_is_promised_nothing() -> None:
    bare = "<domain><name>web</name><memory unit='B'>1024</memory><vcpu>3</vcpu></domain>"
    assert promised() == PLAIN
    assert promise_of(parse(bare)) == Vm("web", vcpus=3, memory=1024)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('cpu="1.5"', {"cpu": 1500}),
        ('memory="524288"', {"reserved": GIB // 2}),
        ('memory="all" brought="locked"', {"reserved": GIB}),
        ('dedicated="yes"', {"dedicated": True}),
        ('cpu="much" memory="plenty"', {}),
        ('cpu="1e999" memory="nan"', {}),
        ('cpu="-3" memory="-1"', {}),
    ],
)
def test_what_is_reserved(said: str, found: dict[str, Any]) -> None:
    assert promised(reservation=said) == PLAIN._replace(**found)


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        ("<cputune><shares>400</shares></cputune>", {"shares": 400}),
        ("<memoryBacking><hugepages/></memoryBacking>", {"huge_page": 2 * MIB}),
        (
            "<memoryBacking><hugepages><page size='1' unit='G'/></hugepages></memoryBacking>",
            {"huge_page": GIB},
        ),
        ("<resource><partition>/machine/gold/inner</partition></resource>", {"pool": "gold/inner"}),
        ("<resource><partition>/machine</partition></resource>", {"pool": ""}),
        ("<resource><partition>/gold</partition></resource>", {"pool": "/gold"}),
        ("<resource><partition>/machines/a</partition></resource>", {"pool": "/machines/a"}),
    ],
)
def test_where_it_is_and_on_what(inside: str, found: dict[str, Any]) -> None:
    assert promised(inside) == PLAIN._replace(**found)


def test_cpus_that_are_its_own() -> None:
    """All of those that are dedicated; of others what one vCPU is pinned to, and no wide list."""
    pins = "<cputune><vcpupin vcpu='0' cpuset='2'/><vcpupin vcpu='1' cpuset='4-6'/></cputune>"
    assert promised(pins).cpus == (2,)
    assert promised(pins, 'dedicated="yes"').cpus == (2, 4, 5, 6)
