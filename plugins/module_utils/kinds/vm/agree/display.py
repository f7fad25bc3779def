# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphics, and what only SPICE has; video, whose memory is that of its model."""

from __future__ import annotations

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.codecs import Value
from ....engine.fields import items_of
from ....engine.xmltree import Element
from ..screen_rows import DISPLAYS, VIDEO, VIDEOS
from .base import Changed, drop, touched

_ON_TYPE = ("graphics.type",)
_ON_SPICE = (*_ON_TYPE, DISPLAYS.name)
_OF_PLACE = "goes with the former place"
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

_OF_MODEL = "goes with the former model"
_OF_CARD = (
    *(
        f"model/@{name}"
        for name in ("ram", "vram", "vram64", "vgamem", "heads", "primary", "blob", "edid")
    ),
    *("model/acceleration", "model/resolution", "driver", "address"),
)


def _not_of_address(said: list[Value]) -> Value:
    return [one for one in said if one.get("type") != "address"] or ""


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
    Consequence("details", ("@socket",), ("listen", "port"), _OF_PLACE, DISPLAYS.name),
    Consequence(
        "listens", ("listen",), ("listen", "port"), _OF_PLACE, DISPLAYS.name, told=_not_of_address
    ),
    Consequence("autoport", ("@autoport",), ("listen", "port"), "", DISPLAYS.name, silent=True),
    Consequence(
        "graphics.listens",
        ("devices/graphics[1]/listen",),
        ("graphics",),
        "goes for the address that is wanted, or with its graphics",
        told=_not_of_address,
    ),
    Consequence(
        "graphics.autoport",
        ("devices/graphics[1]/@autoport",),
        ("graphics",),
        "says whether there is a port",
        silent=True,
    ),
    Consequence("spice.audio", ("devices/audio[@type='spice']",), _ON_SPICE, _NEEDS_SPICE),
    *(
        Consequence(
            f"spice.{name}",
            (f"devices/{tag}[@type='spicevmc']", f"devices/{tag}[@type='spiceport']"),
            _ON_SPICE,
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
        "video_details", tuple(f"{VIDEO}/{part}" for part in _OF_CARD), ("video",), _OF_MODEL
    ),
    Consequence("details", _OF_CARD, ("model",), _OF_MODEL, VIDEOS.name),
)


def agree(domain: Element, changed: Changed) -> None:
    """Make what hangs on the display go with what changed of it."""
    graphics = domain.find("devices/graphics")
    if graphics is not None and touched(changed, "graphics"):
        _agree_graphics(graphics, {key[1:] for key in changed if key[0] == "graphics"})
    for name, display in items_of(DISPLAYS, domain).items():
        mine = {key[2:] for key in changed if key[:2] == (DISPLAYS.name, name)}
        if mine:
            _agree_graphics(display, mine)
    if touched(changed, *_ON_SPICE) and domain.find("devices/graphics[@type='spice']") is None:
        _without_spice(domain)
    if touched(changed, "video"):
        _agree_video(domain)
    for name, video in items_of(VIDEOS, domain).items():
        if (VIDEOS.name, name, "model") in changed:
            _agree_model(video)


def _agree_graphics(graphics: Element, changed: Changed) -> None:
    if ("type",) in changed:
        for name in set(graphics.attrib) - {*_OF_ALL_TYPES}:
            del graphics.attrib[name]
        drop(graphics, *_CHILDREN)
        drop(graphics, "listen[@type='none']")
    if {("listen",), ("port",)} & {*changed}:
        drop(graphics, "@socket", "listen[@type='socket']", "listen[@type='none']")
    if ("listen",) in changed:
        drop(graphics, "listen")  # it says the same as the attribute, or another way
    if graphics.find("listen[@type='socket']") is None:
        graphics.set("autoport", "no" if int(graphics.get("port", "-1")) > 0 else "yes")


def _without_spice(domain: Element) -> None:
    drop(domain, "devices/audio[@type='spice']")
    for tag in ("channel", "redirdev", "smartcard"):
        drop(domain, f"devices/{tag}[@type='spicevmc']", f"devices/{tag}[@type='spiceport']")


def _agree_video(domain: Element) -> None:
    video = xmltree.find(domain, VIDEO)
    if video is None or video.find("model") is None:
        return
    _agree_model(video)
    if xmltree.get(video, "model/@type") == "none":
        for other in [one for one in domain.findall("devices/video") if one is not video]:
            xmltree.remove(domain, other)


def _agree_model(video: Element) -> None:
    model = xmltree.ensure(video, "model")
    kind = model.get("type", "")
    model.attrib.clear()
    model.set("type", kind)
    drop(video, "model/acceleration", "model/resolution", "driver", "address")
