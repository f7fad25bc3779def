# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels: who listens on the socket whose path is given."""

from __future__ import annotations

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.fields import items_of
from ....engine.xmltree import Element
from ..table import CHANNELS
from .base import Changed

CONSEQUENCES = (Consequence("mode", ("source/@mode",), ("path",), "", CHANNELS.name, silent=True),)


def agree(domain: Element, changed: Changed) -> None:
    """A VM listens on the socket of a channel, unless others said that it connects to one.

    A path alone would make libvirt connect; the socket that it chooses itself it listens on.
    """
    for name, channel in items_of(CHANNELS, domain).items():
        is_new_path = (CHANNELS.name, name, "path") in changed and channel.get("type") == "unix"
        if is_new_path and xmltree.get(channel, "source/@path"):
            mode = xmltree.get(channel, "source/@mode") or "bind"
            xmltree.put(channel, "source/@mode", mode)
