# SPDX-License-Identifier: GPL-3.0-or-later
"""The VM that somebody wants to look at, as it is now."""

from __future__ import annotations

from typing import Any

from ..engine.errors import FleetError
from ..host.connection import Host, found, libvirt


def domain_of(host: Host, name: str) -> Any:
    """libvirt's VM of that name. FleetError where there is none."""
    domain = found(host.conn.lookupByName, name, libvirt.VIR_ERR_NO_DOMAIN)
    if domain is None:
        raise NotThere("is not there", f"vm/{name}", "name")
    return domain


class NotThere(FleetError):
    """What a run needs and check mode does not: the play may make it before."""


def in_check_mode(error: NotThere, would: str) -> dict[str, Any]:
    """What check mode returns of what another task may have made by then."""
    return {"changed": True, "warnings": [f"{error}; a run needs it to {would}"]}
