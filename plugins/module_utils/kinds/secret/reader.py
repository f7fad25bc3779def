# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets as they are on a host, with their values where libvirt gives them out.

A value goes no further than the plan's comparison: it stands where `engine/sensitive.py` hides it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from ...engine import xmltree
from ...engine.plan import Have
from ...engine.xmltree import Element
from ...host.connection import Host, libvirt
from ...host.secrets import all_secrets, usage_type_of
from .table import AT_VALUE, NONE, name_of

KIND = "secret"


def read_secrets(host: Host, names: Iterable[str] | None) -> dict[str, Have]:
    """The named secrets (None: all), also those that are not there."""
    with host.errors("", "read the secrets"):
        there = {_name(secret): secret for secret in all_secrets(host) or ()}
        wanted = list(there) if names is None else list(names)
        haves = dict(_haves(host, there, wanted))
    return {name: haves.get(name) or Have(KIND, name) for name in wanted}


def _name(secret: Any) -> str:
    usage_type = usage_type_of(secret)
    return name_of(
        usage_type, secret.UUIDString() if usage_type == NONE else secret.usageID() or ""
    )


def _haves(host: Host, there: dict[str, Any], names: Iterable[str]) -> Iterator[tuple[str, Have]]:
    for name in names:
        if name in there:
            tree = _tree(there[name])
            if tree is not None:
                yield name, Have(KIND, name, tree, None, {"state": "present"})


def _tree(secret: Any) -> Element | None:
    """Its definition; None of one that has gone since it was listed."""
    try:
        tree = xmltree.parse(secret.XMLDesc(0))
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SECRET:
            raise
        return None
    if tree.get("private") != "yes":
        xmltree.put(tree, AT_VALUE, _value(secret))
    return tree


def _value(secret: Any) -> str | None:
    """The value in base64; None where there is none."""
    try:
        return base64.b64encode(secret.value(0)).decode()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SECRET:
            raise
        return None
