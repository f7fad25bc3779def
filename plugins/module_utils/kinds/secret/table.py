# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a secret: its options, where they stand in the XML, and how one is called.

Source of the paths: https://libvirt.org/formatsecret.html. The value stands in no XML of libvirt's;
the reader puts it below `passphrase`, which is hidden from everybody by that name.
"""

from __future__ import annotations

import base64
from typing import Any

from ...engine.codecs import Codec, boolean, choice, prose, text
from ...engine.fields import Field, Rows, Written
from ...engine.traits import GONE, KEPT, Traits, state_codec, state_of

# By what each type is known to whoever uses it: the element below `<usage>`.
TYPES = {"ceph": "name", "iscsi": "target", "tls": "name", "volume": "volume", "vtpm": "name"}
NONE = "none"  # of a secret that has no usage, and is known by its UUID alone

VALUE, PRIVATE, EPHEMERAL, UUID = ("value",), ("private",), ("ephemeral",), ("uuid",)
AT_VALUE = "passphrase"

_UUID = text("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a UUID")


def uuid() -> Codec:
    """A UUID in libvirt's lower case."""

    def parse(given: Any) -> str:
        value = str(_UUID.parse(given)).lower()
        if not value:
            raise ValueError("is empty; leave it out to keep what the secret has")
        return value

    return Codec(parse, lambda found: (found or "").lower(), lambda value: value or None)


def octets() -> Codec:
    """The bytes of a value in base64, since XML cannot hold all of them."""

    def parse(given: Any) -> str:
        try:
            value = base64.b64decode(str(given), validate=True)
        except ValueError as error:
            raise ValueError("is not base64") from error
        if not value:
            raise ValueError("is empty; leave it out to keep what the secret has")
        return base64.b64encode(value).decode()

    return Codec(parse, lambda found: found or None, lambda value: value or None)


ROWS: Rows = (
    Field("type", "usage/@type", choice(*TYPES)),
    Field("uuid", "uuid", uuid()),
    Written("description", "description", prose()),
    Field("private", "@private", boolean()),
    Field("ephemeral", "@ephemeral", boolean()),
    Field("value", AT_VALUE, octets(), sensitive=True),
)

TRAITS: Traits = (state_of(state_codec(KEPT, GONE, default=KEPT), new=KEPT),)


# ---- names


def name_of(usage_type: str, usage: str) -> str:
    """How the collection calls a secret: `iscsi/array-chap`."""
    return f"{usage_type}/{usage}"


def parts_of(name: str) -> tuple[str, str]:
    """The type of a secret and its own name."""
    usage_type, _slash, usage = name.partition("/")
    return usage_type, usage
