# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's judgement of definitions, as facts: QEMU's driver's, and that of its parser alone.

Its test driver is a part of the library and runs in this process: what is defined there is nowhere
else, and gone with the connection. It checks against the schema and writes like any other driver,
but knows nothing of QEMU.
"""

from __future__ import annotations

from ..engine import xmltree
from .connection import Host, libvirt, said

NAME = "kvm.fleet"  # test:///default has things of its own, called test, default, default-pool
DEFINE = {"vswitch": "networkDefineXML", "storage_pool": "storagePoolDefineXML"}


def refusal(host: Host, definition: str) -> str | None:
    """What libvirt has against a domain, None for nothing. It changes nothing (0.005 s).

    Only QEMU's driver can be asked, by a client that may write.
    """
    if host.driver != "QEMU":
        return None
    with host.errors("", "look at a definition"):
        try:
            host.conn.domainXMLToNative("qemu-argv", definition, 0)
        except libvirt.libvirtError as error:
            if not host.is_alive():
                raise
            cannot = error.get_error_code() in (
                libvirt.VIR_ERR_NO_SUPPORT,
                libvirt.VIR_ERR_ACCESS_DENIED,
                libvirt.VIR_ERR_OPERATION_DENIED,
            )
            return None if cannot else said(error)
    return None


def parsed(definition: str) -> dict[str, str] | None:
    """A domain as libvirt's parser writes it (`xml`), or what its schema says (`schema`).

    None where neither can be had: QEMU's driver may have an answer where this one has not.
    """
    domain = xmltree.parse(definition)
    xmltree.put(domain, "name", NAME)
    xmltree.put(domain, "uuid", None)
    try:
        conn = libvirt.open("test:///default")
        made = conn.defineXMLFlags(xmltree.serialise(domain), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        return {"xml": made.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)}
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_XML_INVALID_SCHEMA:
            return {"schema": said(error)}
        return None


def parser_refusal(kind: str, definition: str) -> str:
    """What the parser has against a network or pool, of which libvirt has no other judgement."""
    copy = xmltree.parse(definition)
    name = xmltree.get(copy, "name") or ""
    xmltree.put(copy, "name", NAME)
    xmltree.put(copy, "uuid", None)
    try:
        getattr(libvirt.open("test:///default"), DEFINE[kind])(xmltree.serialise(copy))
    except libvirt.libvirtError as error:
        return said(error).replace(NAME, name)
    return ""
