# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else needs an image that a VM leaves: one is often of several VMs."""

from __future__ import annotations

from functools import cached_property

from ..engine.plan import Have
from ..engine.world import World
from ..kinds.images.beside import Beside
from ..kinds.images.chains import Chains
from ..kinds.images.uses import Use, places_of, uses_of_domain, uses_of_volumes


class OthersThere:
    """The users of images on a host beside a VM that leaves them; read once, when first asked."""

    def __init__(self, world: World, have: Have) -> None:
        self.world = world
        self.have = have
        self.chains = Chains(world)

    def of(self, path: str) -> str:
        """What others do with an image, as a note tells it; empty where nobody else needs it."""
        if not path:
            return ""
        place = self.chains.place(path)
        own = {self.chains.place(one) for one in self._own} - {place}
        told: dict[str, str] = {}  # a clone is known as a VM's, as a volume and by its header
        for use in (*self._uses.get(place, ()), *Beside(self.chains).uses_of(path)):
            top = self.chains.place(use.top) if use.top else use.user
            if top not in own:
                told.setdefault(top, f"{use.named} {use.does} it")
        return " and ".join(told.values())

    @cached_property
    def _own(self) -> set[str]:
        """The images of the VM itself: an overlay of its own needs what is below it no longer."""
        trees = (self.have.stored, self.have.live)
        disks = [
            disk for tree in trees if tree is not None for disk in tree.findall("devices/disk")
        ]
        return {layer.path for disk in disks for layer in self.chains.of(disk)[:1]}

    @cached_property
    def _uses(self) -> dict[str, list[Use]]:
        uses: dict[Use, None] = {}
        for name, have in self.world.everything("vm").items():
            for tree in (have.stored, have.live) if name != self.have.name else ():
                if tree is not None:
                    uses.update(
                        dict.fromkeys(uses_of_domain(tree, f"vm/{name}", self.chains, True))
                    )
        volumes = self.world.everything("storage_volume").values()
        uses.update(dict.fromkeys(uses_of_volumes(volumes)))
        return places_of(uses, self.chains)
