# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a vswitch on devices of the host: which go with which type. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine.errors import FleetError
from ...engine.keys import Key, Values, named
from .table import (
    BRIDGE,
    BRIDGE_NAME,
    HOSTDEV,
    NAT,
    ON_DEVICE,
    PASSTHROUGH,
    ROUTED,
    RUN_BY_LIBVIRT,
    TYPE,
    things_of,
)

DEVICES, PF, VFS = ("devices",), ("physical_function",), ("virtual_functions",)


def _wrong(key: Key, message: str) -> FleetError:
    return FleetError(message, "", named(key))


def check(values: Values) -> Iterator[FleetError]:
    """By what NICs are on a device of the host: an interface, or functions of one."""
    kind, devices = values[TYPE], values[DEVICES]
    if kind == BRIDGE and devices and values[BRIDGE_NAME]:
        yield _wrong(DEVICES, "and bridge exclude each other; write one of them")
    if kind == HOSTDEV and devices:
        yield _wrong(DEVICES, "are for macvtap; write physical_function or virtual_functions")
    if values[VFS] and kind != HOSTDEV:
        yield _wrong(VFS, f"are of a vswitch of type {HOSTDEV}, and this one is {kind}")
    if values[PF] and kind not in (HOSTDEV, PASSTHROUGH):
        yield _wrong(PF, f"is of a vswitch of type {HOSTDEV} or {PASSTHROUGH}, not of {kind}")
    if sum(bool(values[one]) for one in (DEVICES, PF, VFS)) > 1:
        yield _wrong(PF, "excludes devices and virtual_functions; write one of them")
    if kind == HOSTDEV and not (values[PF] or values[VFS]):
        yield _wrong(PF, f"is missing: a vswitch of type {HOSTDEV} has one, or virtual_functions")
    elif kind in ON_DEVICE and kind != HOSTDEV and not (devices or values[PF]):
        yield _wrong(DEVICES, f"are missing: a vswitch of type {kind} is on some of the host")
    if kind in RUN_BY_LIBVIRT and len(devices) > (kind in (NAT, ROUTED)):
        yield _wrong(DEVICES, f"one at most is for {NAT} and {ROUTED}, and none for others")


def limits_only_on_a_bridge(values: Values) -> Iterator[FleetError]:
    """libvirt limits what goes through a bridge, and no NIC that is on a device of the host."""
    for group in things_of(values, ("port_groups",)) if not values[BRIDGE_NAME] else ():
        limits = {v for k, v in values.items() if k[:2] == group and "bandwidth" in k}
        if limits - {"0B", None}:
            yield _wrong((*group, "bandwidth"), "is not possible: the vswitch is on no bridge")
