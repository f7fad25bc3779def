# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of leases that a VM takes before it runs. A part of the table.

libvirt has no alias for a lease: each is known by its key in the lockspace.
"""

from __future__ import annotations

from ...engine import xmltree
from ...engine.codecs import size, text
from ...engine.fields import Field, Items
from ...engine.xmltree import Element
from .device_names import DEVICE_NAME
from .live import Applier

# That of the role kvm_host where nothing is said.
LOCKSPACE = "kvm-fleet"
# sanlock keeps so many characters (SANLK_NAME_LEN).
_SPACE = text(r"[A-Za-z0-9_.-]{1,48}", "a name of up to 48 letters, digits, -, . and _")


def _new(key: str) -> Element:
    lease = xmltree.parse("<lease><lockspace/><key/><target/></lease>")
    xmltree.put(lease, "key", key)
    return lease


LEASES = Items(
    "leases",
    "devices/lease",
    (
        Field("lockspace", "lockspace", _SPACE),
        Field("path", "target/@path", text(r"/.*", "an absolute path")),
        Field("offset", "target/@offset", size(unset="0B")),
    ),
    lambda lease: xmltree.get(lease, "key"),
    _new,
    ("name", DEVICE_NAME),
    Applier.DEVICE,
)
