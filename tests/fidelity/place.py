"""What random declarations are made of, and the host that they are made for.

All that is random comes from the `random.Random` that a source is made with, so that a seed stands
for its declarations. They are valid by themselves and on what the earlier ones led to: which disks
there are, how many vCPUs at most. What is invalid has cases of its own (tests/integration).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

Args = dict[str, Any]
Step = tuple[str, Args]  # a module, and what it is called with


@dataclass(frozen=True)
class Place:
    """What a host holds for declarations to refer to."""

    prefix: str
    folder: str  # with the images, and for pools; as libvirtd knows it
    pool: str = ""  # an active pool with the images as volumes
    vswitch: str = ""  # with the port groups slow and fast
    bridge: str = ""  # of the host
    kernel: Mapping[str, str] | None = None  # the options `boot` of a guest
    whose: str = ""  # begins the names of the images: no two VMs write to one
    sealed: str = ""  # a volume of the pool that is encrypted
    secret: str = ""  # the name of the secret that opens it

    @property
    def images(self) -> dict[str, str]:
        """Disk images by name, with their formats."""
        names = {"one.qcow2": "qcow2", "two.qcow2": "qcow2", "three.raw": "raw", "four.raw": "raw"}
        return {f"{self.whose}{name}": form for name, form in names.items()}


def some(rng: Random, options: Mapping[str, Callable[[], Any]], share: float) -> Args:
    """Some of the options, each with a random value; `a.b` is b in the dictionary a."""
    chosen: Args = {}
    for name, value in options.items():
        if rng.random() < share:
            place = chosen
            *above, last = name.split(".")
            for part in above:
                place = place.setdefault(part, {})
            place[last] = value()
    return chosen
