# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes secrets in libvirt. What is never done is to undefine one in order to change it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import CREATE, Plan
from ...host.connection import Host, found, libvirt
from . import steps
from .table import AT_VALUE


def apply_secret(host: Host, plan: Plan, names: Sequence[str]) -> None:
    """Take the steps in their order. A secret that gets no value at first leaves no definition."""
    is_ours = False
    try:
        for name in names:
            STEPS[name](host, plan)
            is_ours = plan.action == CREATE
    except (FleetError, libvirt.libvirtError):
        if is_ours:  # never what has this UUID because somebody else has just defined it
            _forget(host, plan)
        raise


def _forget(host: Host, plan: Plan) -> None:
    try:
        secret = found(host.conn.secretLookupByUUIDString, _uuid(plan), libvirt.VIR_ERR_NO_SECRET)
        if secret is not None:
            secret.undefine()
    except libvirt.libvirtError:
        pass  # the error that led here says more


def _define(host: Host, plan: Plan, private: str = "") -> None:
    tree = xmltree.clone(plan.after.definition)
    xmltree.put(tree, AT_VALUE, None)
    if private:
        tree.set("private", private)
    with host.errors(plan.resource, "define it"):
        host.conn.secretDefineXML(xmltree.serialise(tree), 0)


def _define_open(host: Host, plan: Plan) -> None:
    _define(host, plan, "no")


def _set_value(host: Host, plan: Plan) -> None:
    value = base64.b64decode(xmltree.get(plan.after.definition, AT_VALUE) or "")
    with host.errors(plan.resource, "set its value"):
        _secret(host, plan).setValue(value, 0)


def _undefine(host: Host, plan: Plan) -> None:
    uuid = xmltree.get(plan.have.definition, "uuid") or ""
    with host.errors(plan.resource, "undefine it"):
        secret = found(host.conn.secretLookupByUUIDString, uuid, libvirt.VIR_ERR_NO_SECRET)
        if secret is not None:
            secret.undefine()


def _secret(host: Host, plan: Plan) -> Any:
    return host.conn.secretLookupByUUIDString(_uuid(plan))


def _uuid(plan: Plan) -> str:
    return xmltree.get(plan.after.definition, "uuid") or ""


STEPS: dict[str, Callable[[Host, Plan], None]] = {
    steps.DEFINE: _define,
    steps.OPEN: _define_open,
    steps.SET: _set_value,
    steps.UNDEFINE: _undefine,
}
