# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphics, and what only SPICE has; video, whose memory is that of its model."""

from __future__ import annotations

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.xmltree import Element
from .base import Changed, drop, touched

_ON_TYPE = ("graphics.type",)
_NEEDS_SPICE = "needs SPICE, which goes"
_OF_ALL_TYPES = ("type", "port", "autoport", "listen", "keymap", "passwd", "passwdValidTo")
# What of a SPICE connection or of one to a socket has no attribute of the same name elsewhere.
_ATTRIBUTES = (
    *("tlsPort", "defaultMode", "connected", "socket", "websocket", "websocketGenerated"),
    *("sharePolicy", "powerControl", "display", "xauth", "fullscreen", "multiUser"),
    *("replaceUser", "p2p", "address", "audio"),
)
_CHILDREN = (
    *("channel", "image", "jpeg", "zlib", "playback", "streaming", "clipboard", "mouse"),
    *("filetransfer", "gl", "audio"),
)

CONSEQUENCES = (
    Consequence(
        "graphics.details",
        (
            *(f"devices/graphics[1]/@{name}" for name in _ATTRIBUTES),
            *(f"devices/graphics[1]/{tag}" for tag in _CHILDREN),
        ),
        ("graphics",),
        "goes with the former type or place",
    ),
    Consequence("other_graphics", ("devices/graphics[+]",), _ON_TYPE, "goes too", is_thing=True),
    Consequence(
        "graphics.listens",
        ("devices/graphics[1]/listen",),
        ("graphics",),
        "goes for the address that is wanted, or with its graphics",
        told=lambda said: [one for one in said if one.get("type") != "address"] or "",
    ),
    Consequence(
        "graphics.autoport",
        ("devices/graphics[1]/@autoport",),
        ("graphics",),
        "says whether there is a port",
        silent=True,
    ),
    Consequence("spice.audio", ("devices/audio[@type='spice']",), _ON_TYPE, _NEEDS_SPICE),
    *(
        Consequence(
            f"spice.{name}",
            (f"devices/{tag}[@type='spicevmc']", f"devices/{tag}[@type='spiceport']"),
            _ON_TYPE,
            _NEEDS_SPICE,
            is_thing=True,
        )
        for name, tag in (
            ("channels", "channel"),
            ("redirections", "redirdev"),
            ("smartcards", "smartcard"),
        )
    ),
    Consequence(
        "video_details",
        (
            *(
                f"devices/video[1]/model/@{name}"
                for name in ("ram", "vram", "vram64", "vgamem", "heads", "primary", "blob", "edid")
            ),
            "devices/video[1]/model/acceleration",
            "devices/video[1]/model/resolution",
            "devices/video[1]/driver",
            "devices/video[1]/address",
        ),
        ("video",),
        "goes with the former model",
    ),
    Consequence(
        "other_videos",
        ("devices/video[+]",),
        ("video",),
        "goes too: without video there is none at all",
        is_thing=True,
    ),
)


def agree(domain: Element, changed: Changed) -> None:
    """Make what hangs on the display go with what changed of it."""
    graphics = domain.find("devices/graphics")
    if graphics is not None and touched(changed, "graphics"):
        _agree_graphics(graphics, changed)
    if touched(changed, "graphics.type") and domain.find("devices/graphics[@type='spice']") is None:
        _without_spice(domain)
    if touched(changed, "video"):
        _agree_video(domain)


def _agree_graphics(graphics: Element, changed: Changed) -> None:
    if touched(changed, "graphics.type"):
        for name in set(graphics.attrib) - {*_OF_ALL_TYPES}:
            del graphics.attrib[name]
        drop(graphics, *_CHILDREN)
        drop(graphics, "listen[@type='none']")
    if touched(changed, "graphics.listen", "graphics.port"):
        drop(graphics, "@socket", "listen[@type='socket']", "listen[@type='none']")
    if touched(changed, "graphics.listen"):
        drop(graphics, "listen")  # it says the same as the attribute, or another way
    if graphics.find("listen[@type='socket']") is None:
        graphics.set("autoport", "no" if int(graphics.get("port", "-1")) > 0 else "yes")


def _without_spice(domain: Element) -> None:
    drop(domain, "devices/audio[@type='spice']")
    for tag in ("channel", "redirdev", "smartcard"):
        drop(domain, f"devices/{tag}[@type='spicevmc']", f"devices/{tag}[@type='spiceport']")


def _agree_video(domain: Element) -> None:
    video = domain.find("devices/video")
    model = None if video is None else video.find("model")
    if video is None or model is None:
        return
    kind = model.get("type", "")
    model.attrib.clear()
    model.set("type", kind)
    drop(video, "model/acceleration", "model/resolution", "driver", "address")
    if kind == "none":
        for other in domain.findall("devices/video")[1:]:
            xmltree.remove(domain, other)
