"""Scenes: a few declarations in a row, in some of which others act between two of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from fidelity.adopted import Adopted
from fidelity.hosts import HostConfig
from fidelity.place import Place
from fidelity.storage import Pool, Volumes
from fidelity.templates import FromTemplate
from fidelity.vms import Vm
from fidelity.vswitches import Vswitch

LENGTH = 5  # transitions in a scene

# In which proportion. A guest that really boots takes its time, one that is paused none.
DECLARED = (
    *("vm", "vswitch", "pool", "vm", "host_config", "volumes", "guest", "vswitch", "paused_vm"),
    "vm",
    *("host_config", "vm", "vswitch", "volumes", "guest", "vm", "pool", "vswitch", "paused_vm"),
    "from_template",
)
OTHERS = (
    *("adopted", "vm", "paused_vm", "vswitch", "adopted", "host_config", "vm", "paused_vm"),
    *("pool", "adopted", "volumes", "vm", "vswitch", "paused_vm", "guest", "adopted"),
    "from_template",
)


@dataclass
class Scene:
    """Some transitions of things of one kind, all told by a seed and a number."""

    kind: str
    number: int
    length: int
    seed: int
    others: bool = False
    history: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.number:03}-{self.kind}{'-others' if self.others else ''}"

    def rng(self, part: str = "") -> Random:
        return Random(f"{self.seed}/{self.number}{'/others' if self.others else ''}{part}")

    def source(self, place: Place, checksum: str) -> Any:
        """What declares: it has `steps`, and may `learn` of what others did."""
        rng, subnet, name = self.rng(), self.number % 250 + 1, f"{place.prefix}x"
        kinds: dict[str, Callable[[], Any]] = {
            "vm": lambda: Vm(rng, name, place),
            "from_template": lambda: FromTemplate(rng, name, place),
            "adopted": lambda: Adopted(rng, name, place),
            "paused_vm": lambda: Vm(rng, name, place, "paused"),
            "guest": lambda: Vm(rng, name, place, "running"),
            "vswitch": lambda: Vswitch(rng, name, place, subnet),
            "pool": lambda: Pool(rng, name, place),
            "volumes": lambda: Volumes(rng, place, checksum),
            "host_config": lambda: HostConfig(rng, place, subnet),
        }
        return kinds[self.kind]()


def scenes_of(count: int, seed: int, others: bool) -> list[Scene]:
    """Scenes of so many transitions together."""
    kinds = OTHERS if others else DECLARED
    return [
        Scene(kinds[at % len(kinds)], at, min(LENGTH, count - at * LENGTH), seed, others)
        for at in range(-(-count // LENGTH))
    ]
