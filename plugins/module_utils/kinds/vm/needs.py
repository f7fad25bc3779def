# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM needs of its host and of what the run makes: what it stands on, is plugged into."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.errors import Mistakes
from ...engine.keys import ABSENT, UNION, Key, Values, beside, named, parent
from ...engine.world import World
from ..storage_volume.volumes import NOT_FOR_VMS, format_of, is_encrypted, type_of
from . import disk_sources
from .nic_rows import MACVTAP


class Needs:
    """Checks what a VM refers to; what cannot be seen yet becomes a warning."""

    def __init__(
        self, values: Mapping[Key, Value], stored: Values, world: World, mistakes: Mistakes
    ) -> None:
        self.values = values
        self.stored = stored
        self.world = world
        self.mistakes = mistakes
        self.warnings: list[str] = []

    def check(self) -> None:
        """Check every source and file that the declaration names."""
        checks = {
            "vswitch": self._vswitch,
            "bridge": self._bridge,
            "pool": self._volume,
            "file": self._file,
            "device": self._device,
            "network": self._of_host,
            MACVTAP: self._of_host,
        }
        for key, value in self.values.items():
            goes = self.values.get(parent(key)) is ABSENT
            if key[-1] == UNION and isinstance(value, dict) and not goes:
                for word in checks.keys() & value.keys() if not self._is_there(key) else ():
                    checks[word](key, value)
        for key, said in self.values.items():
            if key[0] == "disks" and key[2:] == ("encryption",) and said != self.stored.get(key):
                self._secret(key, said)
        for key in (("boot", "kernel"), ("boot", "initrd")):
            if self.values.get(key) and self.values[key] != self.stored.get(key):
                self._exists(named(key), self.values[key])

    def _is_there(self, key: Key) -> bool:
        """Whether a device of the VM stands on this already, whatever has become of it."""
        return any(
            have == self.values[key] and self._says_the_same(key, place)
            for place, have in self.stored.items()
            if place[-1] == UNION and place[0] == key[0]
        )

    def _says_the_same(self, key: Key, place: Key) -> bool:
        said = self.values.get(beside(key, "format"))
        return said in (None, self.stored.get(beside(place, "format")))

    def _missing(self, what: str, field: str, hint: str) -> None:
        self._lacks(what, field, hint, self.world.assume_missing)

    def _missing_on_host(self, what: str, field: str, hint: str) -> None:
        self._lacks(what, field, hint, self.world.assume_on_host)

    def _lacks(self, what: str, field: str, hint: str, may_come: bool) -> None:
        if may_come:
            self.warnings.append(f"{what} does not exist yet; the plan assumes that it will")
        else:
            self.mistakes.add(f"{what} does not exist; {hint}", field)

    def _vswitch(self, key: Key, source: Mapping[str, str]) -> None:
        vswitch = self.world.will_be("vswitch", source["vswitch"])
        field = named(beside(key, "vswitch"))
        if not vswitch.exists:
            self._missing(
                f"the vswitch {source['vswitch']}", field, "declare it, or name one that does"
            )

    def _bridge(self, key: Key, source: Mapping[str, str]) -> None:
        bridge = source["bridge"]
        if self.world.host.has_bridge(bridge) is False and not self._is_to_come(bridge):
            field = named(beside(key, "bridge"))
            self._missing_on_host(f"the bridge {bridge}", field, "make it on the host first")

    def _is_to_come(self, bridge: str) -> bool:
        """Whether a vswitch of this run makes the bridge."""
        vswitches = [have.stored for have in self.world.planned("vswitch")]
        return any(
            tree is not None and xmltree.get(tree, "bridge/@name") == bridge for tree in vswitches
        )

    def _volume(self, key: Key, source: Mapping[str, str]) -> None:
        field = named(beside(key, "pool"))
        if not self.world.will_be("storage_pool", source["pool"]).exists:
            self._missing(
                f"the storage pool {source['pool']}", field, "declare it, or name one that does"
            )
            return
        kind = type_of(self.world.will_be("storage_pool", source["pool"]))
        if kind in NOT_FOR_VMS:
            self.mistakes.add(
                f"{source['pool']} is of type {kind}, and libvirt opens no volume of such a pool "
                f"for a VM; declare its image by {key[0]}[].network",
                field,
            )
            return
        name = f"{source['pool']}/{source['volume']}"
        volume = self.world.will_be("storage_volume", name)
        if not volume.exists:
            field = named(beside(key, "volume"))
            self._missing(f"the volume {name}", field, "declare it, or give the disk a capacity")
            return
        if key[0] == "disks" and is_encrypted(volume):
            self._encrypted(key, name)
        said = self.values.get(beside(key, "format"))
        if said and said != format_of(volume):
            self.mistakes.add(
                f"is {said}, but the volume {name} is {format_of(volume)}",
                named(beside(key, "format")),
            )

    def _encrypted(self, key: Key, volume: str) -> None:
        """A guest would write over the header of an encrypted volume that it is handed as it is."""
        at = beside(key, "encryption")
        if not (self.values.get(at) or self.stored.get(at)):
            self.mistakes.add(
                f"is needed: the volume {volume} is encrypted; name its secret", named(at)
            )

    def _file(self, key: Key, source: Mapping[str, str]) -> None:
        path = source["file"]
        if path and self._exists(named(beside(key, "file")), path):
            self._check_format(key, path, self.values.get(beside(key, "format")))

    def check_kept_formats(self, want: Mapping[Key, Value]) -> None:
        """A file in the place of another is of the format that the disk has and keeps.

        QEMU would hand a qcow2 image out as a raw one, and a guest would write over its header.
        """
        for key, source in want.items():
            place = parent(key)
            if key[0] != "disks" or key[-1] != UNION or place not in self.stored:
                continue
            unsaid = (*place, "format") not in want and source != self.stored.get(key)
            if unsaid and self.world.host.is_local and source.get("file"):
                self._check_format(key, source["file"], self.stored.get((*place, "format")))

    def _secret(self, key: Key, said: Mapping[str, Value]) -> None:
        from ..storage_volume.table import secret_element
        from ..together.secrets import lacks

        missing = lacks(self.world, "passphrase", secret_element(said)) if said else ""
        if missing:
            self._missing(missing, named((*key, next(iter(said)))), "declare it (secrets)")

    def _device(self, key: Key, source: Mapping[str, str]) -> None:
        if source["device"]:
            self._exists(named(beside(key, "device")), source["device"])

    def _of_host(self, key: Key, source: Mapping[str, Value]) -> None:
        from .macvtap import lacks_interface

        word, said = next(iter(source.items()))
        lacks = lacks_interface if word == MACVTAP else disk_sources.lacks_secret
        missing = lacks(self.world, said)
        if missing:
            self._missing_on_host(missing, named(beside(key, word)), "make or declare it first")

    def _exists(self, field: str, path: str) -> bool:
        if not path.startswith("/"):
            self.mistakes.add(f"{path!r} is no absolute path, so nobody knows from where", field)
            return False
        if not self.world.host.is_local:
            return False
        found = self.world.host.file(path)
        if found is not None and found.type == "folder":
            self.mistakes.add(f"{path} is a folder", field)
            return False
        if found is not None and found.type:
            return True
        if path not in self._paths_to_come():
            self._missing_on_host(
                path, field, "see that the path is right and the file is on the host"
            )
        return False

    def _paths_to_come(self) -> set[str | None]:
        volumes = self.world.planned("storage_volume")
        return {
            xmltree.get(have.stored, "target/path") for have in volumes if have.stored is not None
        }

    def _check_format(self, key: Key, path: str, said: Value) -> None:
        if said is None or key[0] != "disks":
            return
        from ...engine.looked_at import Unreadable

        image = self.world.host.image(path)
        if isinstance(image, Unreadable) and not image.broken:
            return
        is_qcow2 = isinstance(image, Unreadable) or image.format == "qcow2"
        if is_qcow2 != (said == "qcow2"):
            found = "qcow2" if is_qcow2 else "no qcow2"
            hint = "" if beside(key, "format") in self.values else "; say the format with the file"
            field = named(beside(key, "format"))
            self.mistakes.add(f"is {said}, but {path} is {found}{hint}", field)
