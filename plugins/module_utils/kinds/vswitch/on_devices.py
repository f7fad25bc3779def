# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks on devices of the host: NICs by macvtap on an interface, or by one of its functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...engine.codecs import Codec, Value, text
from ...engine.fields import Composed, Field, Rows
from ..vm.host_device_rows import PCI_ADDRESS

_PCI_PARTS = ("domain", "bus", "slot", "function")
DEVICE = text(r"[^/\s]{1,15}", "the name of a network interface")


def _several(of: Codec) -> Any:
    def parse(given: Any) -> list[Value]:
        said = [of.parse(one) for one in given]
        twice = sorted({one for one in said if said.count(one) > 1})
        if "" in said or twice:
            raise ValueError(f"has {', '.join(twice) or 'an empty text'} in it; leave that out")
        return said

    return parse


def _devices_in(found: str | None) -> list[str]:
    """libvirt tells the first of them twice."""
    said = json.loads(found or "{}")
    first = [said["@dev"]] if "@dev" in said else []
    return [one["dev"] for one in said.get("interface", ()) if "dev" in one] or first


def _devices_said(value: list[str]) -> str | None:
    interfaces = [{"dev": one} for one in value]
    return json.dumps({"@dev": value[0], "interface": interfaces}) if value else None


def _function_in(said: Mapping[str, str]) -> str:
    parts = {f"@{part}": said[part] for part in _PCI_PARTS if part in said}
    return str(PCI_ADDRESS.decode(json.dumps(parts)))


def _functions_said(value: list[str]) -> str | None:
    said = [json.loads(PCI_ADDRESS.encode(one) or "{}") for one in value]
    addresses = [{"type": "pci", **{k.lstrip("@"): v for k, v in one.items()}} for one in said]
    return json.dumps({"address": addresses}) if addresses else None


_LIST = {"type": "list", "elements": "str"}
ROWS: Rows = (
    Composed(
        "devices",
        "forward",
        Codec(_several(DEVICE), _devices_in, _devices_said, _LIST),
        parts=("@dev",),
        each={"interface": ("dev",)},
    ),
    Field("physical_function", "forward/pf!/@dev", DEVICE),
    Composed(
        "virtual_functions",
        "forward",
        Codec(
            _several(PCI_ADDRESS),
            lambda found: [
                _function_in(one) for one in json.loads(found or "{}").get("address", ())
            ],
            _functions_said,
            _LIST,
        ),
        each={"address": ("type", *_PCI_PARTS)},
    ),
)
