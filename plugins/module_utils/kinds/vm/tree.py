# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain's tree: what it says, and how it is edited so that fields which hang together agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.fields import edit, items_of, values_of
from ...engine.hidden import revealed
from ...engine.keys import UNION, Key, Values
from ...engine.mark import put_mark
from ...engine.units import format_size
from ...engine.xmltree import Element
from . import cpu_time, memory, numa_cells
from .derived import derived_uuid
from .table import DISKS, EXTRA_RECORD, ROWS

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


# ---- reading


def restarting(domain: Element) -> str | None:
    """The state that a run was to bring it back to which restarts it, or was interrupted then."""
    return xmltree.get(domain, "metadata/fleet-restart:restart/@to")


def domain_values(domain: Element, *forms: Element) -> Values:
    """All values of a domain, with what libvirt leaves unsaid filled in.

    `forms` of it say by their records which extra_xml to look for; by default it says it itself.
    """
    values = values_of(ROWS, domain)
    if values[("cpu", "count")] is None:
        values[("cpu", "count")] = values[("cpu", "maximum")]
    if xmltree.get(domain, "os/loader/@type") == "pflash":
        values[("firmware",)] = "efi"  # libvirt drops the attribute once it has chosen a firmware
        if values[("secure_boot",)] is None:
            values[("secure_boot",)] = xmltree.get(domain, "os/loader/@secure") == "yes"
    if xmltree.get(domain, "devices/graphics/@autoport") == "yes":
        values[("graphics", "port")] = -1
    cpu_time.read(domain, values)
    numa_cells.read(domain, values)
    if values[memory.HOTPLUG] != "0B":
        values[memory.MAXIMUM] = format_size(memory.boot_of(domain))
    values[memory.HUGE_PAGES] = memory.huge_pages(domain)
    if values[("serial", "type")] == "pty":
        values[("serial", "path")] = ""
    values[("extra_xml",)] = _extra_xml(domain, forms or (domain,))
    return values


def _extra_xml(domain: Element, forms: Iterable[Element]) -> Value:
    """What of extra_xml it has; few have any, and the others import nothing for it."""
    if not any(xmltree.find(form, EXTRA_RECORD) is not None for form in forms):
        return ""
    from . import extra, extra_record

    return extra.found(domain, *map(extra_record.record_of, forms))


def live_values(live: Element, stored: Values, definition: Element) -> Values:
    """The values of what runs, without what libvirt draws anew at each start."""
    values = domain_values(live, definition, live)
    for key, value in stored.items():
        if _drawn_at_start(key) and value in (None, "") and key in values:
            values[key] = value
    _see_through_transient(values, live, stored)
    memory.follow_balloon(values, stored, live)
    return values


def _see_through_transient(values: Values, live: Element, stored: Values) -> None:
    """A transient disk runs on an overlay of libvirt's own, which lasts until the VM stops."""
    for name, disk in items_of(DISKS, live).items():
        source = disk.find("backingStore/source")
        if disk.find("transient") is None or source is None:
            continue
        wanted = stored.get((DISKS.name, name, UNION)) or {}
        path = source.get("file") or source.get("dev")
        if path in (wanted.get("file"), wanted.get("device")):
            for option in (UNION, "format"):
                values[(DISKS.name, name, option)] = stored[(DISKS.name, name, option)]


def _drawn_at_start(key: Key) -> bool:
    """Whether libvirt chooses a value at each start where the definition says none."""
    is_path = key[0] == "channels" and key[-1] == "path"
    return is_path or key in (("graphics", "listen"), ("secure_boot",))


# ---- editing


def edited(domain: Element, want: Mapping[Key, Value], before: Values | None = None) -> Element:
    """A copy of the domain with these values, and what hangs together with them made to agree.

    What is as wanted is not set again: that would write in our way what others wrote in theirs.
    `before` are the values of the domain, where they are known.
    """
    from .agree import agree, agree_with_extra

    after = xmltree.clone(domain)
    if before is None:
        before = domain_values(domain) if domain.find("vcpu") is not None else {}
    changed = {key: value for key, value in want.items() if before.get(key) != value}
    edit(ROWS, after, changed)
    agree(after, before, changed, want)
    edit(ROWS, after, _lost(want, after))
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
