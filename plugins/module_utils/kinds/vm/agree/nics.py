# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs: limits without their average, and what only one kind of source or model has."""

from __future__ import annotations

from collections.abc import Mapping

from ....engine import xmltree
from ....engine.accounting import Consequence
from ....engine.codecs import Value
from ....engine.fields import items_of
from ....engine.keys import Key
from ....engine.xmltree import Element
from ..nic_rows import MACVTAP, NICS
from .base import Changed, drop, prune

# Beside dev and mode, which are an option's.
_SOURCE = ("type", "path", "address", "port", "managed")
# What a NIC has that is not on a vswitch or bridge: one of the host's own, or of a program.
_OF_OTHERS = (
    *("@managed", "target", "script", "downscript", "ip", "route", "portForward", "virtualport"),
    *("backend[@type]", "teaming[@type='transient']", "driver[@name='vfio']", "guest", "local"),
)
_WAYS = ("inbound", "outbound")

CONSEQUENCES = (
    Consequence(
        "source_details",
        (*(f"source/@{name}" for name in _SOURCE), "source/*"),
        ("source",),
        "goes with the former source",
        NICS.name,
    ),
    Consequence(
        "details",
        (*_OF_OTHERS, "bandwidth/inbound/@floor"),
        ("source",),
        "not possible with its source",
        NICS.name,
    ),
    Consequence("driver", ("driver",), ("model",), "only virtio has one", NICS.name),
    *(
        Consequence(
            f"bandwidth.{way}.floor",
            (f"bandwidth/{way}/@floor",),
            (f"bandwidth.{way}.average",),
            "goes with the average",
            NICS.name,
        )
        for way in _WAYS
    ),
)


def agree(domain: Element, before: Mapping[Key, Value], changed: Changed) -> None:
    """Make the rest of each NIC go with what changed of it."""
    for name, nic in items_of(NICS, domain).items():
        at = (NICS.name, name)
        if at not in changed and (*at, "source") in changed:
            was = before.get((*at, "source")) or {}
            _agree_source(
                nic, was_shared=bool(was) and (MACVTAP in was) is (nic.get("type") == MACVTAP)
            )
        if (*at, "model") in changed and xmltree.get(nic, "model/@type") != "virtio":
            drop(nic, "driver")
        for way in _WAYS:
            if (*at, "bandwidth", way, "average") in changed:
                _agree_limits(nic, way)


def _agree_source(nic: Element, was_shared: bool) -> None:
    if nic.get("type") != "network":
        drop(nic, "source/@portgroup", "bandwidth/inbound/@floor")
        prune(nic, "bandwidth")
    if not was_shared:
        drop(nic, *_OF_OTHERS)


def _agree_limits(nic: Element, way: str) -> None:
    """A peak and a burst go with their average; libvirt refuses them without it."""
    if xmltree.get(nic, f"bandwidth/{way}/@average") is None:
        xmltree.put(nic, f"bandwidth/{way}/@peak", None)
        xmltree.put(nic, f"bandwidth/{way}/@burst", None)
