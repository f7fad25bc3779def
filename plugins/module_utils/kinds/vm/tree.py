# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain's tree: how it is made and edited, so that fields which hang together agree."""

from __future__ import annotations

from collections.abc import Container, Mapping

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.fields import edit
from ...engine.hidden import revealed
from ...engine.keys import Key, Values
from ...engine.mark import GROUP, TEMPLATE, put_mark, seal
from ...engine.xmltree import Element
from . import memory, platform
from .definition import domain_values
from .derived import derived_uuid
from .table import EXTRA_RECORD, ROWS

# What is noted for one VM alone.
SEALED = {"group": GROUP, "template": TEMPLATE}

SPARE_PORTS = 4  # PCIe root ports left free, so that devices can be plugged into a running VM


def new_domain(name: str, arch: str) -> Element:
    """A bare domain, to be edited like one that exists."""
    domain = xmltree.Element("domain")
    xmltree.put(domain, "name", name)
    xmltree.put(domain, "uuid", derived_uuid(name))
    put_mark(domain)
    xmltree.put(domain, "os/type", "hvm")
    xmltree.put(domain, "os/type/@arch", arch)
    for feature in ("acpi", "apic") if arch in ("x86_64", "i686") else ():
        xmltree.put(domain, f"features/{feature}", "")
    xmltree.ensure(domain, "devices")
    return domain


# ---- editing


def edited(
    domain: Element,
    want: Mapping[Key, Value],
    before: Values | None = None,
    said: Container[Key] = (),
) -> Element:
    """A copy of the domain with these values, and what hangs together with them made to agree.

    What is as wanted is not set again: that would write in our way what others wrote in theirs.
    `before` are the values of the domain, where they are known; `said` is what a user said himself.
    """
    from .agree import agree, agree_with_extra, devices

    after = xmltree.clone(domain)
    if before is None:
        before = domain_values(domain) if domain.find("vcpu") is not None else {}
    changed = {key: value for key, value in want.items() if before.get(key) != value}
    edit(ROWS, after, changed)
    for option, note in SEALED.items():
        if (option,) in changed:
            seal(after, note)
    agree(after, before, changed, want)
    edit(ROWS, after, _lost(want, after))
    devices.agree_ioapic(after, changed, is_said=platform.IOAPIC in said)
    if ("extra_xml",) in changed:
        from . import extra

        extra.replace(after, revealed(want[("extra_xml",)]))
        agree_with_extra(after, want)
    elif changed and xmltree.find(after, EXTRA_RECORD) is not None:
        from . import extra_record

        extra_record.seal(after)
    memory.agree(after)
    return after


def _lost(want: Mapping[Key, Value], after: Element) -> dict[Key, Value]:
    """What was as wanted, and is no longer now that what it hung on is another."""
    now = domain_values(after)
    return {k: v for k, v in want.items() if k in now and k != ("extra_xml",) and now[k] != v}


def add_spare_ports(domain: Element) -> None:
    """Give a new q35 VM a root port for each of its PCI devices, and some to spare.

    libvirt adds ports as devices need them, and leaves none free for a device that comes later.
    """
    if "q35" not in (xmltree.get(domain, "os/type/@machine") or ""):
        return
    devices = xmltree.ensure(domain, "devices")
    root = xmltree.parse('<controller type="pci" index="0" model="pcie-root"/>')
    devices.append(root)
    for index in range(1, _pci_devices(devices) + SPARE_PORTS + 1):
        port = f'<controller type="pci" index="{index}" model="pcie-root-port"/>'
        devices.append(xmltree.parse(port))


def _pci_devices(devices: Element) -> int:
    disks = sum(xmltree.get(d, "target/@bus") == "virtio" for d in devices.findall("disk"))
    others = sum(
        len(devices.findall(tag)) for tag in ("interface", "rng", "hostdev", "watchdog", "memory")
    )
    balloon = devices.find("memballoon[@model='virtio']") is not None
    controllers = 2 + (devices.find("channel") is not None)  # USB, SATA or SCSI; virtio-serial
    return disks + others + balloon + controllers
