"""Random declarations of a pool, and of the volumes in one."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from fidelity.place import Args, Place, Step, some

MIB = 2**20
WIPED: dict[str, Callable[[], Any]] = {"wipe": lambda: True}


class Pool:
    """Declarations of one pool: of a directory, or of a type that is only defined here."""

    def __init__(self, rng: Random, name: str, place: Place) -> None:
        self.rng = rng
        self.name = name
        self.place = place
        self.sources: list[Args] = []

    def steps(self) -> Iterator[Step]:
        """The pool as it is made, and then how it changes, or goes and comes again."""
        yield "storage_pool", self.first()
        while True:
            if self.rng.random() < 0.1:
                yield "storage_pool", {"name": self.name, "state": "absent"}
                yield "storage_pool", self.first()
            yield "storage_pool", self.change()

    def first(self) -> Args:
        """The declaration of one that is not there."""
        self.sources = self._sources()
        args = {"name": self.name, **self.sources[0], **self._fields()}
        args["state"] = self.rng.choices(["active", "present", "inactive"], [4, 1, 2])[0]
        return self._only_defined(args)

    def change(self) -> Args:
        """Another declaration of it."""
        args = {"name": self.name, **self._fields(), "apply": self.rng.choice(["live", "restart"])}
        if self.rng.random() < 0.4:
            args |= self.rng.choice(self.sources)
        args["state"] = self.rng.choices(["active", "present", "inactive"], [4, 1, 2])[0]
        return self._only_defined(args)

    def _only_defined(self, args: Args) -> Args:
        return args if self.sources[0]["type"] == "dir" else {**args, "state": "inactive"}

    def _sources(self) -> list[Args]:
        """What it is of, at first and later."""
        at = f"{self.place.folder}/{self.name[len(self.place.prefix) :]}"
        directory = [{"type": "dir", "path": f"{at}-{end}"} for end in ("x", "y//z/")]
        iqn = "iqn.2026-01.org.example:one"
        others: list[list[Args]] = [
            [{"type": "netfs", "path": at, "source": {"host": host, "path": "/export"}}
             for host in ("nfs.example", "192.0.2.9")],
            [{"type": "fs", "path": at, "source": {"device": "/dev/disk/by-label/x",
                                                   "format": form}} for form in ("ext4", "xfs")],
            [{"type": "logical", "source": {"name": f"{self.name}-{end}"}} for end in ("v", "w")],
            [{"type": "iscsi", "source": {"host": "192.0.2.9", "device": f"{iqn}{end}"}}
             for end in ("", "-b")],
        ]  # fmt: skip
        return directory if self.rng.random() < 0.6 else self.rng.choice(others)

    def _fields(self) -> Args:
        pick = self.rng.choice
        options: dict[str, Callable[[], Any]] = {"autostart": lambda: pick([True, False])}
        if self.sources[0]["type"] == "dir":
            options["permissions"] = lambda: {"mode": pick(["0711", "0755", "0700"]), "owner": 0}
        return some(self.rng, options, 0.4)


class Volumes:
    """Declarations of volumes in the pool of a place: made in all ways, grown and removed."""

    SIZES_MIB = (1, 3, 4, 8, 64)

    def __init__(self, rng: Random, place: Place, checksum: str) -> None:
        self.rng = rng
        self.place = place
        self.checksum = checksum  # of the image one.qcow2
        self.there: dict[str, int] = {}  # MiB
        self.under: dict[str, str] = {}  # what a linked clone stands on
        self.sealed: set[str] = set()  # encrypted, so that nothing is made of them
        self.made = 0

    def steps(self) -> Iterator[Step]:
        """Volumes that come, grow and go."""
        while True:
            yield "storage_volume", {"pool": self.place.pool, **self.one()}

    def learn(self, seen: Mapping[str, str]) -> None:
        """How large the volumes are after what others did, and which are left."""
        for name in list(self.there):
            text = seen.get(f"storage_volume/{self.place.pool}/{name} stored")
            if text:
                self.there[name] = -(-int(ET.fromstring(text).findtext("capacity") or 0) // MIB)

    def one(self) -> Args:
        """The next declaration."""
        dice = self.rng.random()
        free = sorted(self.there.keys() - set(self.under.values()))
        grows = sorted(set(free) - self.sealed)  # libvirt forgets by which secret it made one
        if free and dice < 0.2:
            name = self.rng.choice(free)
            self.there.pop(name)
            self.under.pop(name, None)
            self.sealed.discard(name)
            return {"name": name, "state": "absent", **some(self._apart(), WIPED, 0.5)}
        if grows and dice < 0.5:
            name = self.rng.choice(grows)
            self.there[name] += self.rng.choice([0, 1, 7, 32])
            return {"name": name, **self._changed(name), **self._permissions()}
        return {**self._new(), **self._permissions()}

    def _apart(self) -> Random:
        """Dice of its own, so that all else stays what it was."""
        return Random(repr(self.rng.getstate()))

    def _changed(self, name: str) -> Args:
        """Another size: a larger one, or once in a while half of it."""
        if self._apart().random() < 0.2:
            self.there[name] = self.there[name] // 2 or 1
            return {"capacity": f"{self.there[name]}MiB", "shrink": True}
        return {"capacity": f"{self.there[name]}MiB"}

    def _permissions(self) -> Args:
        apart = self._apart()
        options: dict[str, Callable[[], Any]] = {
            "mode": lambda: apart.choice(["0600", "0640", "0660"]),
            "owner": lambda: apart.choice([0, 1000]),
            "group": lambda: apart.choice([0, 36]),
        }
        said = some(apart, options, 0.3)
        return {"permissions": said} if said else {}

    def _new(self) -> Args:
        self.made += 1
        size = self.rng.choice(self.SIZES_MIB)
        form = self.rng.choice(["qcow2", "raw"])
        name = f"{self.rng.choice(['v', 'a b', 'ü.x-'])}{self.made}"
        ways: list[Callable[[], Args]] = [
            lambda: {"capacity": f"{size}MiB", "format": form,
                     "provisioning": self.rng.choice(["thin", "thick"])},
            lambda: {"capacity": f"{64 + size}MiB", "copy_of": {"volume": "one.qcow2"}},
            lambda: {"capacity": f"{64 + size}MiB", "image": f"{self.place.folder}/one.qcow2",
                     "checksum": self.checksum},
            lambda: {"capacity": f"{64 + size}MiB", "backing": {"volume": self._below(name)}},
            lambda: {"capacity": f"{64 + size}MiB",
                     "backing": {"file": f"{self.place.folder}/three.raw", "format": "raw"}},
        ]  # fmt: skip
        volume = self.rng.choice(ways)()
        self.there[name] = int(volume["capacity"][:-3])
        return {"name": name, **self._encrypted(name, volume), **self._layout(volume)}

    def _encrypted(self, name: str, volume: Args) -> Args:
        """The same, or encrypted where it is made empty."""
        dice = Random(repr(self.rng.getstate()) + "encrypted")
        if "format" not in volume or not self.place.secret or dice.random() < 0.3:
            return volume
        self.sealed.add(name)
        volume.pop("provisioning")
        return {**volume, "encryption": {"secret": self.place.secret}}

    def _layout(self, volume: Args) -> Args:
        """How a new qcow2 is laid out, where that can be said."""
        apart = self._apart()
        if "image" in volume or volume.get("format") == "raw":
            return {}
        small, large = ["512B", "4KiB"], ["16KiB", "64KiB", "2MiB"]
        divided = apart.choice([True, False])
        said = {
            "cluster_size": apart.choice(large if divided else small + large),
            "extended_l2": divided,
            "lazy_refcounts": apart.choice([True, False]),
        }
        return {name: value for name, value in said.items() if apart.random() < 0.4}

    def _below(self, name: str) -> str:
        whole = self.there.keys() - self.sealed
        small = sorted(one for one in whole if self.there[one] <= 64)
        self.under[name] = self.rng.choice(["one.qcow2", *small])
        return self.under[name]
