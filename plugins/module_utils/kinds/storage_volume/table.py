# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a storage volume, and what it has beside that.

Source of the paths: https://libvirt.org/formatstorage.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...engine.codecs import Codec, choice, size
from ...engine.fields import Field, Rows
from ...engine.traits import GONE, Traits, state_codec, state_of
from ...engine.units import format_size, parse_size
from ...engine.xmltree import Element


def _capacity() -> Codec:
    def parse(given: Any) -> str:
        number = parse_size(given)
        if number == 0 or number % 1024:  # libvirt hands whole KiB to qemu-img
            raise ValueError(f"{given} is no multiple of 1KiB above zero")
        return format_size(number)

    return replace(size(), parse=parse)


# By which of libvirt's secrets a volume or a disk is encrypted; its name and UUID are none.
_SECRET = {"type": "str", "no_log": False}
ENCRYPTION: dict[str, Any] = {
    "type": "dict",
    "options": {"secret": _SECRET, "secret_uuid": _SECRET},
}


def encrypted_by(given: Any) -> dict[str, str]:
    """The secret of an option `encryption`. ValueError where it names none, or two."""
    if not isinstance(given, dict):
        raise ValueError(f"{given!r} is no dictionary")
    said = {name: str(text) for name, text in given.items() if text}
    if len(said) != 1:
        raise ValueError("needs the name of a secret of type volume (secret), or its UUID")
    return {name: text.lower() if name == "secret_uuid" else text for name, text in said.items()}


def secret_element(said: Mapping[str, Any]) -> Element:
    """The `<secret>` of what is encrypted by a secret."""
    at = {"usage": said.get("secret"), "uuid": said.get("secret_uuid")}
    known = {name: str(text) for name, text in at.items() if text}
    return Element("secret", {"type": "passphrase", **known})


ROWS: Rows = (
    Field("capacity", "capacity", _capacity()),
    Field("format", "target/format/@type", choice("qcow2", "raw")),
)

PRESENT = "present"
_STATES = state_codec(PRESENT, GONE, default=PRESENT)

TRAITS: Traits = (state_of(_STATES, new=PRESENT),)
