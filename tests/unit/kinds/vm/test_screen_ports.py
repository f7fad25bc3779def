"""Ports of screens: which VMs would be refused by libvirt when they start, and which would not."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import screen_ports
from support import worlds

OWN, CHOSEN = (
    "<graphics type='vnc' port='5950'/>",
    "<graphics type='vnc' port='5950' autoport='yes'/>",
)
SOCKET = "<graphics type='vnc' port='5950'><listen type='socket' socket='/run/vnc'/></graphics>"
TLS = "<graphics type='spice' port='5901' tlsPort='5950'/>"
FREE = "<graphics type='vnc' port='-1' autoport='yes'/>"


def vm(name: str, screen: str, runs: bool) -> Have:
    domain = xmltree.parse(f"<domain><devices>{screen}</devices></domain>")
    return Have("vm", name, domain, domain if runs else None)


@pytest.mark.parametrize(
    "starts, other, runs, refused",
    [
        (OWN, OWN, True, True),
        (OWN, OWN, False, False),
        (OWN, CHOSEN, True, True),
        (OWN, TLS, True, True),
        (OWN, SOCKET, True, False),
        (SOCKET, OWN, True, False),
        (FREE, OWN, True, False),
    ],
)
def test_a_port_that_another_vm_has(starts: str, other: str, runs: bool, refused: bool) -> None:
    plan = Plan(
        Wanted("vm", "web", "running", {}, {}),
        UPDATE,
        vm("web", starts, False),
        vm("web", starts, True),
        (),
    )
    world = worlds.world({"vm": {"other": vm("other", other, runs)}})
    world.add(plan)
    told = [str(error) for error in screen_ports.free_ports([plan], world)]
    assert [line.split(";")[0] for line in told] == (
        ["vm/web graphics.port: 5950 is a port of other and web, which are to run at once"]
        if refused
        else []
    )
