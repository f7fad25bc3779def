"""Random declarations of a template, and of a VM that is made from it and then goes its own way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from fidelity.place import Args, Place, Step
from fidelity.vms import Vm

LARGEST_IMAGE_MIB = 64


class FromTemplate(Vm):
    """A VM whose disks are clones of a template's."""

    def __init__(self, rng: Random, name: str, place: Place) -> None:
        place = replace(place, sealed="")  # what is encrypted is not cloned
        super().__init__(rng, name, place)
        self.template = Vm(Random(repr(rng.getstate()) + "template"), f"{name}-base", place)

    def steps(self) -> Iterator[Step]:
        """The template, the VM, and then how it changes, or goes and is made again."""
        yield "vm", self._base()
        yield "vm", self._made()
        while True:
            if not self.gone and self.rng.random() < 0.2:
                yield "vm", {"name": self.name, "state": "absent", "remove_storage": True}
                self.gone = True
            yield "vm", self._made() if self.gone else self.change()

    def _base(self) -> Args:
        """The template. On what it has on a server no VM can be made; what writes to a file of the
        host writes to that of its VM."""
        args = self.template.first()
        disks = [d for d in args.get("disks", []) if "network" not in d and "nvme" not in d]
        if "disks" in args:
            args["disks"] = disks or [{"name": "a", "pool": self.place.pool, "capacity": "1MiB"}]
        for option in ("serial", "serials", "consoles", "purge", "resource_pool"):
            args.pop(option, None)
        return {**args, "template": True, "autostart": False}

    def _fields(self, share: float) -> Args:
        """Never protected: it goes and is made again."""
        return {
            name: value for name, value in super()._fields(share).items() if name != "protected"
        }

    def _made(self) -> Args:
        """The VM as it is made: of what it says itself, and of what the template has."""
        self.gone, self.is_template = False, False
        for known in ("machine", "cpus", "topology", "memory_mib", "plugs"):
            setattr(self, known, getattr(self.template, known))
        self.devices = {kind: set(names) for kind, names in self.template.devices.items()}
        # Of clones it is not said in which format they are, and they are as large as any image.
        self.formats, self.served = {}, set()
        self.volumes_mib = dict.fromkeys("abc", LARGEST_IMAGE_MIB)
        clone = self.smaller.choice([{}, {"clone": "linked"}, {"clone": "full"}])
        said = {"from_template": self.template.name, "sysprep": "none", **clone}
        return {"name": self.name, **said, **self._fields(0.15)}
