# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the hosts of a move: each is connected, or the snapshot of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from ansible.module_utils import basic

from ..engine.errors import FleetError
from ..engine.world import World
from ..host.connection import Host, connect
from ..host.lively import open_watched
from ..kinds.resource_pool.kind import KIND as RESOURCE_POOL
from ..kinds.storage_pool.kind import KIND as STORAGE_POOL
from ..kinds.storage_volume.kind import KIND as STORAGE_VOLUME
from ..kinds.vm.kind import KIND as VM
from ..kinds.vswitch.kind import KIND as VSWITCH
from ..moving.hosts import Reach
from ..moving.side import Side
from .module import require_libvirt
from .opening import SNAPSHOT, is_snapshot
from .reading import live_facts

KINDS = {kind.name: kind for kind in (VM, STORAGE_POOL, STORAGE_VOLUME, VSWITCH, RESOURCE_POOL)}


@dataclass
class Opened:
    """The hosts that could be opened, and why the others could not."""

    sides: dict[str, Side] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)  # those that are no snapshots
    unreachable: dict[str, FleetError] = field(default_factory=dict)

    def anew(self) -> Opened:
        """The same hosts as they are by now."""
        sides = {name: side._replace(world=side.world.anew()) for name, side in self.sides.items()}
        return Opened(sides, self.hosts, self.unreachable)


@contextmanager
def opened_sides(
    module: basic.AnsibleModule, reaches: Mapping[str, Reach], changes: bool = True
) -> Iterator[Opened]:
    """All hosts of a declaration, for as long as the block lasts."""
    opened, plans = Opened(), module.check_mode or not changes
    with ExitStack() as stack:
        for name, reach in reaches.items():
            try:
                opened.sides[name] = _open(module, reach, stack, opened, plans)
            except FleetError as error:
                opened.unreachable[name] = error.within(f"hosts.{name}")
        yield opened


def _open(
    module: basic.AnsibleModule, reach: Reach, stack: ExitStack, opened: Opened, plans: bool
) -> Side:
    if is_snapshot(reach.uri):
        if not plans:
            raise FleetError(
                f"{reach.uri} can be planned for, and nothing moves from or to it; run in check "
                "mode (--check), or give the URI of the host"
            )
        from .snapshot import facts_in

        facts = facts_in(reach.uri[len(SNAPSHOT) :])
    else:
        require_libvirt(module)
        host = stack.enter_context(connect(reach.uri, opening=open_watched))
        opened.hosts[reach.name] = host
        facts = live_facts(host)
    return Side(reach.name, reach.uri, reach.migration_uri, World(facts, KINDS))
