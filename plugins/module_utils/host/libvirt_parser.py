# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's parser without a host: what it refuses of a definition, and what it makes of it.

Its test driver is a part of the library and runs in this process: what is defined there is nowhere
else, and gone with the connection. It checks against the schema and writes like any other driver,
but knows nothing of QEMU.
"""

from __future__ import annotations

from ..engine import xmltree
from ..engine.errors import FleetError
from ..engine.plan import Plan
from ..engine.xmltree import Element
from .connection import Host, libvirt

NAME = "kvm.fleet"  # test:///default has things of its own, called test, default, default-pool


class Unreadable(Exception):
    """libvirt's schema has no place for something in a definition."""


def is_beyond_schema(domain: Element | None) -> bool:
    """Whether a definition has what the schema does not; libvirt lets others write such things."""
    try:
        return domain is not None and rewritten(domain) is domain
    except Unreadable:
        return True


def rewritten(domain: Element) -> Element | None:
    """A domain as libvirt's parser writes it, or None where that cannot be had.

    Unreadable if the schema does not allow it.
    """
    domain = xmltree.clone(domain)
    xmltree.put(domain, "name", NAME)
    xmltree.put(domain, "uuid", None)
    try:
        conn = libvirt.open("test:///default")
        made = conn.defineXMLFlags(xmltree.serialise(domain), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        return xmltree.parse(made.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_XML_INVALID_SCHEMA:
            raise Unreadable(error.get_error_message()) from error
        return None  # QEMU's driver may have an answer where this one has not


# ---- networks and pools, of which libvirt has no other judgement beforehand


def check(plan: Plan, define: str, host: Host) -> None:
    """FleetError if the parser refuses a definition that is to be stored.

    `define` is libvirt's call for its kind: networkDefineXML, storagePoolDefineXML. A host that is
    a test driver itself would be the one that it is defined on.
    """
    before, after = plan.have.stored, plan.after.stored
    if after is None or after is before or host.driver == "TEST":
        return
    said = _refusal(after, define)
    if said and (before is None or _refusal(before, define) != said):
        raise FleetError(f"libvirt would refuse it: {said}", plan.resource)


def _refusal(definition: Element, define: str) -> str:
    copy = xmltree.clone(definition)
    name = xmltree.get(copy, "name") or ""
    xmltree.put(copy, "name", NAME)
    xmltree.put(copy, "uuid", None)
    try:
        getattr(libvirt.open("test:///default"), define)(xmltree.serialise(copy))
    except libvirt.libvirtError as error:
        return str(error.get_error_message()).replace(NAME, name)
    return ""
