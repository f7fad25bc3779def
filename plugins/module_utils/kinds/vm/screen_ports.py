# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP ports of screens: libvirt gives each to one running VM, whatever it listens on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...engine.world import World
from ...engine.xmltree import Element

PORTS = ("port", "tlsPort", "websocket")


def free_ports(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """No VM may be started on a port that another has then; asked only where one starts on one."""
    opens = {plan.wanted.name: _opened(plan) for plan in plans if plan.wanted.kind == "vm"}
    if not any(opens.values()):
        return
    owners: dict[int, set[str]] = {}
    for name, have in world.everything("vm").items():
        for port in _ports(have.live):
            owners.setdefault(port, set()).add(name)
    for name, ports in opens.items():
        for port in sorted(ports):
            every = sorted(owners.get(port, set()) | {name})
            if len(every) > 1:
                yield FleetError(
                    f"{port} is a port of {' and '.join(every)}, which are to run at once; set "
                    "another graphics.port in one of them, or -1 for one of libvirt's choice",
                    f"vm/{name}",
                    "graphics.port",
                )


def _opened(plan: Plan) -> set[int]:
    """The ports of its own that a VM takes when it is started, which libvirt does not choose."""
    return _ports(plan.after.live, chosen=False) - _ports(plan.have.live)


def _ports(domain: Element | None, chosen: bool = True) -> set[int]:
    """The ports of a VM's screens; those that libvirt chose too, as long as the VM runs."""
    found: set[int] = set()
    for graphics in domain.findall("devices/graphics") if domain is not None else ():
        listen = graphics.find("listen")
        on_tcp = listen is None or listen.get("type") in ("address", "network")
        if on_tcp and (chosen or graphics.get("autoport") != "yes"):
            found |= {int(graphics.get(port, "-1")) for port in PORTS}
    return {port for port in found if port > 0}
