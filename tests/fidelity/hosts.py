"""Random declarations of several things at once, some of which need others of the same task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from fidelity.place import Args, Place, Step, some
from fidelity.storage import Pool
from fidelity.vms import Vm
from fidelity.vswitches import Vswitch


class HostConfig:
    """Declarations of several things at once, some of which need others of the same task."""

    def __init__(self, rng: Random, place: Place, number: int) -> None:
        self.rng = rng
        self.place = place
        prefix = place.prefix
        self.pool = Pool(rng, f"{prefix}p", place)
        self.pool.sources = [{"type": "dir", "path": f"{place.folder}/inner"}]
        self.switches = [Vswitch(rng, f"{prefix}s{i}", place, number + i) for i in (1, 2)]
        self.vms = [Vm(rng, f"{prefix}m{i}", self._inner(f"m{i}-")) for i in (1, 2, 3)]
        self.sizes = {"data": 4, "more.raw": 8}
        self.secrets = Secrets(number, prefix)
        self.smaller = Random(prefix)  # so that all else stays what it was

    def steps(self) -> Iterator[Step]:
        """The host as it is made, and then how it changes."""
        yield "host_config", self._whole(self._first)
        while True:
            yield "host_config", self._whole(self._change)

    def learn(self, seen: Mapping[str, str]) -> None:
        """What others have left of its VMs and vswitches."""
        for kind, things in (("vm", self.vms), ("vswitch", self.switches)):
            for thing in things:
                thing.learn(seen)
                thing.made = f"{kind}/{thing.name} stored" in seen

    def _whole(self, declared: Callable[[Any], Args]) -> Args:
        return {
            "secrets": self.secrets.some(),
            "storage_pools": [{"name": self.pool.name, **self.pool.sources[0]}],
            "storage_volumes": [*self._images(), *self._volumes()],
            "vswitches": [self._fixed(), *(declared(one) for one in self._few(self.switches))],
            "vms": [declared(vm) for vm in self._few(self.vms)],
        }

    def _few(self, things: list[Any]) -> list[Any]:
        return [one for one in things if self.rng.random() < 0.8]

    def _first(self, thing: Any) -> Args:
        thing.made = True
        return thing.first()

    def _change(self, thing: Any) -> Args:
        return thing.change() if getattr(thing, "made", False) else self._first(thing)

    def _inner(self, whose: str) -> Place:
        """Where a VM finds what the declaration itself brings."""
        prefix = self.place.prefix
        folder = f"{self.place.folder}/inner"
        return Place(prefix, folder, f"{prefix}p", f"{prefix}fix", whose=whose)

    def _images(self) -> list[Args]:
        """What disks of the VMs may refer to."""
        images = {name: form for vm in self.vms for name, form in vm.place.images.items()}
        return [
            {"pool": self.pool.name, "name": name, "capacity": "64MiB", "format": form}
            for name, form in images.items()
        ]

    def _volumes(self) -> list[Args]:
        volumes = []
        for name in self.sizes:
            self.sizes[name] += self.rng.choice([0, 0, 4])
            form = "raw" if name.endswith("raw") else "qcow2"
            capacity = f"{self.sizes[name]}MiB"
            volumes.append({"name": name, "format": form, "capacity": capacity})
        return [{"pool": self.pool.name, **one} for one in volumes]

    def _fixed(self) -> Args:
        """The vswitch that the VMs are on."""
        said = self.smaller.choice([{}, {"security": "strict"}, {"security": "permissive"}])
        apart = Random(repr(self.smaller.getstate()))  # so that all else stays what it was
        isolated = apart.choice([{}, {"isolated": True}, {"isolated": False}])
        groups = [{"name": "slow", **said, **isolated}, {"name": "fast", "default": True}]
        return {"name": f"{self.place.prefix}fix", "type": "isolated", "port_groups": groups}


class Secrets:
    """Declarations of secrets, drawn apart from all others."""

    def __init__(self, number: int, prefix: str) -> None:
        self.rng = Random(number)
        self.prefix = prefix
        self.closed: set[str] = set()  # what is private stays that

    def some(self) -> list[Args]:
        """Some of three, one of which may go."""
        names = [name for name in ("iscsi", "ceph", "vtpm") if self.rng.random() < 0.6]
        return [self.one(name) for name in names]

    def one(self, usage_type: str) -> Args:
        """The next declaration of one."""
        pick = self.rng.choice
        secret: Args = {"name": f"{self.prefix}s", "type": usage_type}
        if self.rng.random() < 0.15:
            self.closed.discard(usage_type)
            return {**secret, "state": "absent"}
        options: dict[str, Callable[[], Any]] = {
            "description": lambda: pick(["", "a", "é & <b>"]),
            "ephemeral": lambda: pick([True, False]),
            "value": lambda: pick(["YWFh", "YmJi", "AP8K"]),
            "update_value": lambda: pick(["on_change", "on_create"]),
        }
        secret |= some(self.rng, options, 0.6)
        if usage_type in self.closed or self.rng.random() < 0.1:
            self.closed.add(usage_type)
            secret["private"] = True
        return {**secret, "encoding": "base64"}
