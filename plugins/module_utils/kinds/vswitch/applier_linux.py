# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes and removes a bridge of Linux with its uplinks: what runs, and the files for the next
start of the host. What is to be done is decided elsewhere."""

from __future__ import annotations

from ...engine.keepers import NETWORKD
from ...host import linux_bridges
from ...host.connection import wait_until
from . import applier_networkd, tree
from .applier_networkd import reload, settle, told
from .switch import linux_commands, linux_files, linux_names
from .switch.seen import Switch

MAKE_TIMEOUT_S = 5.0


def wire(bridge: str, will: Switch, resource: str) -> None:
    """Make a bridge what it is to be, from whatever is there."""
    found = linux_bridges.read_linux_bridges()
    links, mac = found["links"], tree.derived_mac(will.owner, found["host"])
    was = linux_files.stored_in(found["files"]).get(bridge, Switch())
    is_kept = found["keeper"] == NETWORKD
    told(linux_commands.releasing(links, bridge, was, will), resource)
    applier_networkd.release(bridge, was, will, resource)
    # From here on what is stored is what will be: an interrupted run is taken up by that.
    linux_bridges.write_files(
        linux_files.files_of(bridge, will, mac), linux_files.of_bridge(found["files"], bridge)
    )

    def making() -> None:
        now = linux_bridges.read_linux_bridges()
        of = bridge, will, mac, bool(was.mtu), now["vlans"]
        told(linux_commands.making(now["links"], *of), resource)
        applier_networkd.address(bridge, was, will, resource, is_kept)

    if not is_kept:
        making()
        return
    # It sets back what differs from the files that it knows, so these come first.
    reload(resource)
    wait_until(lambda: _is_made(bridge, will), MAKE_TIMEOUT_S)
    settle(making, lambda: applier_networkd.astray(bridge, will, mac), bridge, resource)


def _is_made(bridge: str, will: Switch) -> bool:
    """Whether networkd has made what it makes; what it has not, iproute2 does."""
    names = {bridge, *([linux_names.bond_of(bridge)] if len(will.nics) > 1 else [])}
    names |= {linux_names.tunnel_of(bridge)} if will.overlay else set()
    return names <= {*linux_bridges.read_linux_bridges()["links"]}


def unwire(bridge: str, resource: str) -> None:
    """Take a bridge and its bond away, then its files, that with the note last."""
    found = linux_bridges.read_linux_bridges()
    told(linux_commands.removing(found["links"], bridge), resource)
    linux_bridges.write_files({}, linux_files.of_bridge(found["files"], bridge))
    if found["keeper"] == NETWORKD:
        reload(resource)
