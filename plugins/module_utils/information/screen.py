# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of a VM's screen, by libvirt's stream."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ..engine import xmltree
from ..engine.errors import FleetError
from ..host.connection import Host
from .one_domain import NotThere, domain_of, in_check_mode
from .picture import png_of, size_of


def take(host: Host, params: Mapping[str, Any], checking: bool) -> dict[str, Any]:
    """The picture as PNG in `content` (base64), and its size."""
    try:
        png = _taken(host, params["name"], params["screen"])
    except NotThere as error:
        if not checking:
            raise
        return in_check_mode(error, "take a picture")
    width, height = size_of(png)
    content = base64.b64encode(png).decode()
    return {"content": content, "width": width, "height": height}


def _taken(host: Host, name: str, screen: int) -> bytes:
    resource = f"vm/{name}"
    domain = domain_of(host, name)
    if not domain.isActive():
        raise NotThere("does not run, so it has no picture; start it", resource, "state")
    _require_screen(xmltree.parse(domain.XMLDesc()), resource)
    parts: list[bytes] = []
    stream = host.conn.newStream(0)
    with host.errors(resource, f"take a picture of screen {screen}"):
        domain.screenshot(stream, screen, 0)
        stream.recvAll(lambda _stream, data, _none: parts.append(data), None)
        stream.finish()
    try:
        return png_of(b"".join(parts))
    except FleetError as error:
        raise error.within(resource) from error


def _require_screen(definition: xmltree.Element, resource: str) -> None:
    models = [card.get("type") for card in definition.findall("devices/video/model")]
    if all(model == "none" for model in models):
        raise FleetError(
            "has no graphics card, so it has no screen; declare graphics.type: vnc, which "
            "brings one at the next start, or look at its serial console with kvm.fleet.vm_console",
            resource,
            "graphics",
        )
