# SPDX-License-Identifier: GPL-3.0-or-later
"""How a VM says in which resource pool it is: as a partition of libvirt's."""

from __future__ import annotations

from typing import Any

from ...engine.codecs import Codec
from .naming import NAME
from .paths import PARTITION


def partition() -> Codec:
    """A pool by its path, or a partition of others, which begins with a slash; `""` is none.

    libvirt puts into the definition that runs where a VM is that says nothing: `/machine`.
    """

    def parse(given: Any) -> str:
        value = decode(str(given))
        names = value.strip("/").split("/")
        if value and not all(NAME.fullmatch(name) for name in names):
            raise ValueError(f"{given!r} is not the path of a pool, such as gold or gold/inner")
        return value

    def decode(found: str | None) -> str:
        value = found or ""
        if value == PARTITION:
            return ""
        return value[len(PARTITION) + 1 :] if value.startswith(f"{PARTITION}/") else value

    def encode(value: str) -> str | None:
        return value if value.startswith("/") else f"{PARTITION}/{value}" if value else None

    return Codec(parse, decode, encode)
