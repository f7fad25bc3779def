"""The least that anybody could do: list the domains, read both XMLs of each, and parse them."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET

import libvirt

conn = libvirt.open(sys.argv[1])
for dom in conn.listAllDomains():
    ET.fromstring(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))
    ET.fromstring(dom.XMLDesc(0))
