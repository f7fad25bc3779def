# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of graphics and graphics cards beside the first: those of lists.

A part of the table, see table.py. libvirt has one of each type of graphics, and no alias of any:
they are known by their types. A card of ours is known by its alias, one of others by its model.
"""

from __future__ import annotations

from ...engine import xmltree
from ...engine.codecs import choice, integer
from ...engine.fields import Field, Items
from ...engine.xmltree import Element
from .device_names import DEVICE_NAME, new_device, own_name

VIDEO_ALIAS = "ua-video-"
# The card of an option of its own: the first that is not one of `videos`.
VIDEO = f"devices/video[~{VIDEO_ALIAS}]"
GRAPHICS_TYPES = ("vnc", "spice")
# What libvirt takes beside a first card (qemuValidateDomainDeviceDefVideo).
SECOND = ("virtio", "qxl")
PORT = integer(-1, 65535, unset=-1)


def _new_display(kind: str) -> Element:
    graphics = xmltree.Element("graphics")
    graphics.set("type", kind)
    return graphics


DISPLAYS = Items(
    "displays",
    "devices/graphics[+]",
    (Field("listen", "@listen"), Field("port", "@port", PORT)),
    lambda graphics: graphics.get("type"),
    _new_display,
    ("name", choice(*GRAPHICS_TYPES)),
)
VIDEOS = Items(
    "videos",
    f"devices/video[+{VIDEO_ALIAS}]",
    (Field("model", "model/@type", choice(*SECOND)),),
    lambda video: own_name(video, VIDEO_ALIAS) or xmltree.get(video, "model/@type"),
    new_device("<video/>", VIDEO_ALIAS),
    ("name", DEVICE_NAME),
)
