# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the host: what is meant, and what must hold of those of one VM."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine.codecs import Value
from ...engine.errors import Mistakes
from ...engine.keys import PRESENT, UNION, Key, Values, named, within
from .host_device_rows import HOST_DEVICES, MDEV, OF_TYPE, PCI, USB, model_and_place, type_of

VFIO_PCI = "vfio-pci"  # the one model of mediated devices that can have a display
# What a new one has where nothing is said.
DEFAULTS: dict[str, dict[str, Value]] = {
    PCI: {"managed": True},
    MDEV: {"model": VFIO_PCI},
}


def _things(values: Mapping[Key, Value]) -> list[Key]:
    return [key for key in values if len(key) == 2 and key[0] == HOST_DEVICES.name]


# ---- what is meant


def resolve(values: dict[Key, Value], stored: Values) -> None:
    """A device that others have given the VM is the declared one, by whatever name."""
    for key in _things(values):
        which = values.get((*key, UNION))
        if values[key] is not PRESENT or not which:
            continue
        others = [k for k in _things(stored) if stored.get((*k, UNION)) == which]
        if key not in stored and others and others[0] not in values:
            for field in within(values, key):
                values[(*others[0], *field[2:])] = values.pop(field)
            continue
        was = stored.get((*key, UNION))
        if was and type_of(was) == type_of(which):
            continue
        # It is new, or of another type, which is as good as new.
        for option, value in DEFAULTS.get(type_of(which), {}).items():
            values.setdefault((*key, option), value)
        if type_of(which) == MDEV and values.get((*key, "model")) == VFIO_PCI:
            values.setdefault((*key, "display"), False)


# ---- what must hold


def check(after: Values, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """Each is some device, and nobody else's of the VM, and has what its type has."""
    seen: dict[tuple[str, str], Key] = {}
    for key in _things(after):
        which = after.get((*key, UNION))
        if after[key] is not PRESENT or not which:
            if key in want and want[key] is PRESENT:
                mistakes.add("needs pci, usb or mdev", named(key))
            continue
        kind, value = next(iter(which.items()))
        if not value:
            mistakes.add("is empty; name the device", named((*key, kind)))
        elif (kind, value) in seen and key in want:
            message = f"is {value}, which is {named(seen[(kind, value)])} already"
            mistakes.add(message, named((*key, kind)))
        elif kind == USB:
            _check_alike(key, value, after, want, mistakes)
        seen.setdefault((kind, value), key)
        _check_type(key, kind, want, mistakes)


def _check_alike(
    key: Key, value: str, after: Values, want: Mapping[Key, Value], mistakes: Mistakes
) -> None:
    """libvirt tells two USB devices apart by their places, which both need then, or by models."""
    model, place = model_and_place(value)
    for other in _things(after):
        has = (after.get((*other, UNION)) or {}).get(USB)
        is_said = key in want and (other not in want or other < key)  # once of two
        if other == key or not has or not is_said:
            continue
        model_too, place_too = model_and_place(has)
        both = place and place_too
        if (place == place_too) if both else (model and model == model_too):
            mistakes.add(
                f"may be the same device as {named(other)} ({has}); write bus and device of both "
                "(vendor:product@bus/device), or leave one out",
                named((*key, USB)),
            )
            return


def _check_type(key: Key, kind: str, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    for other, options in OF_TYPE.items():
        for option in options if other != kind else ():
            if want.get((*key, *option)) not in (None, ""):
                message = f"is for a device of type {other}, not {kind}; leave it out"
                mistakes.add(message, named((*key, *option)))
