# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared of the file that a volume is to be, read into plain values."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...engine import checksums
from ...engine.errors import Mistakes
from ..storage_volume.volumes import is_mark

KIND = "storage_download"
SHA256 = "sha256"
SPEC: dict[str, Any] = {
    "pool": {"type": "str", "required": True},
    "volume": {"type": "str", "required": True},
    "dest": {"type": "path", "required": True},
    "checksum": {"type": "str"},
    "overwrite": {"type": "bool", "default": False},
    "allow_in_use": {"type": "bool", "default": False},
}


class Declared(NamedTuple):
    """Which volume is to be which file. What is empty was not said."""

    pool: str
    volume: str
    dest: str
    checksum: str = ""
    overwrite: bool = False
    allow_in_use: bool = False

    @property
    def name(self) -> str:
        """The full name of the volume."""
        return f"{self.pool}/{self.volume}"

    @property
    def resource(self) -> str:
        """How errors and plans call it: `storage_download/images/web.qcow2`."""
        return f"{KIND}/{self.name}"

    @property
    def algorithm(self) -> str:
        """By which checksum the file is known."""
        return self.checksum.partition(":")[0] or SHA256

    @property
    def digits(self) -> str:
        """The digits of the checksum that is asked for."""
        return self.checksum.partition(":")[2].lower()


def declared_of(params: Mapping[str, Any]) -> Declared:
    """What was declared. Or FleetErrors."""
    said = {name: params[name] for name in Declared._fields if params.get(name) is not None}
    mistakes = Mistakes(f"{KIND}/{said['pool']}/{said['volume']}")
    for name in ("pool", "volume"):
        if not said[name]:
            mistakes.add("is empty", name)
    if "/" in said["volume"] or said["volume"] in (".", ".."):
        mistakes.add(f"{said['volume']} is no name of a volume in a pool", "volume")
    if is_mark(said["volume"]):
        message = f"{said['volume']} is a name that marks a volume which is being made"
        mistakes.add(message, "volume")
    _check_dest(said["dest"], params["dest"], mistakes)
    checksum = said.get("checksum", "")
    if "checksum" in said and not checksums.is_digits(checksum):
        mistakes.add(
            f"{checksum!r} is none; write sha256: or sha512: and the hexadecimal digits", "checksum"
        )
    mistakes.raise_any()
    return Declared(**said)


def _check_dest(dest: str, given: str, mistakes: Mistakes) -> None:
    if not dest.startswith("/"):
        mistakes.add(f"{dest!r} is no absolute path", "dest")
    elif given.endswith("/") or not posixpath.basename(posixpath.normpath(dest)):
        mistakes.add(f"{given} is a folder; name a file in it", "dest")
