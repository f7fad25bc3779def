# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of vswitches, and for plans about them; each is imported where it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...engine.facts import Reads
from ...engine.plan import Have
from ...host.connection import Host
from ..vm.readers_alone import VMS


def _networks(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    from .reader import read_networks

    return read_networks(host, names)


def _leases(host: Host, vswitch: str) -> Any:
    from .reader import read_leases

    return read_leases(host, vswitch)


def _filter(host: Host, name: str) -> Any:
    from .reader import read_filter

    return read_filter(host, name)


def _filter_names(host: Host) -> Any:
    from ...host.lookups import names_of

    return names_of(host, "listAllNWFilters")


VSWITCHES = Reads(
    {"vswitch": _networks},
    {"leases": _leases, "network_filter": _filter, "nwfilters": _filter_names},
)
FOR_PLANS = (VSWITCHES, VMS)
