# SPDX-License-Identifier: GPL-3.0-or-later
"""One of the hosts of a move: its name, and all that is known of it."""

from __future__ import annotations

from typing import NamedTuple

from ..engine.host import HostFacts
from ..engine.move_facts import MoveFacts
from ..engine.plan import Have
from ..engine.world import World


class Side(NamedTuple):
    """A host as a move sees it. Its world records what was asked of it."""

    name: str
    uri: str
    migration_uri: str
    world: World

    @property
    def host(self) -> HostFacts:
        """What there is to know of the host beside its resources."""
        return self.world.host

    @property
    def moves(self) -> MoveFacts:
        """What only moves ask of it."""
        return MoveFacts(self.world.facts)

    @property
    def is_here(self) -> bool:
        """Whether its files are those that can be seen here, as far as that can be told."""
        return self.host.is_this_machine

    def vm(self, name: str) -> Have:
        """A VM there; also one that is not there is a Have."""
        return self.world.was("vm", name)

    def vms(self) -> dict[str, Have]:
        """All VMs there."""
        return self.world.everything("vm")

    def pool(self, name: str) -> Have:
        """A storage pool there."""
        return self.world.was("storage_pool", name)

    def pools(self) -> dict[str, Have]:
        """All storage pools there."""
        return self.world.everything("storage_pool")

    def volume(self, pool: str, name: str) -> Have:
        """A volume there."""
        return self.world.was("storage_volume", f"{pool}/{name}")

    def vswitch(self, name: str) -> Have:
        """A vswitch there."""
        return self.world.was("vswitch", name)
