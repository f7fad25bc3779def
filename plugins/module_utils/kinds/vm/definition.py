# SPDX-License-Identifier: GPL-3.0-or-later
"""What the definition of a VM says: the values of its table, with what libvirt leaves unsaid."""

from __future__ import annotations

from collections.abc import Container, Iterable

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.fields import Field, items_of, values_of
from ...engine.keys import UNION, Key, Values, beside, key_of, within
from ...engine.mark import group_of, is_template
from ...engine.units import format_size
from ...engine.xmltree import Element
from . import (
    cpu_time,
    device_rows,
    disk_sources,
    host_device_rows,
    memory,
    numa_cells,
    platform,
    port_rows,
    screen_rows,
)
from .nic_rows import MACVTAP, NICS
from .seeded import NOTE
from .table import DISKS, EXTRA_RECORD, ROWS

# What has a type, and a path that is libvirt's to choose where that is a pty.
PORTS = ("serial", *(row.name for row in (port_rows.SERIALS, port_rows.CONSOLES)))

BARRED = ".restoring"  # at the end of the name of a file that is never there
RESTORE = "metadata/fleet-restore:restore"


def is_barred(domain: Element) -> bool:
    """Whether a VM waits for its disks, as one does while it is restored from a backup.

    By its note alone also one would that somebody gave its disks back by hand, or a clone of it.
    """
    sources = domain.iterfind("devices/disk/source")
    noted = xmltree.get(domain, f"{RESTORE}/@uuid") == xmltree.get(domain, "uuid")
    return noted and any((one.get("file") or "").endswith(BARRED) for one in sources)


def restarting(domain: Element) -> str | None:
    """The state that a run was to bring it back to which restarts it, or was interrupted then."""
    return xmltree.get(domain, "metadata/fleet-restart:restart/@to")


def domain_values(domain: Element, *forms: Element) -> Values:
    """All values of a domain, with what libvirt leaves unsaid filled in.

    `forms` of it say by their records which extra_xml to look for; by default it says it itself.
    """
    values = values_of(ROWS, domain)
    if values[("group",)]:
        values[("group",)] = group_of(domain)
    if values[("template",)]:
        values[("template",)] = is_template(domain)
    if values[("cpu", "count")] is None:
        values[("cpu", "count")] = values[("cpu", "maximum")]
    if xmltree.get(domain, "os/loader/@type") == "pflash":
        values[("firmware",)] = "efi"  # libvirt drops the attribute once it has chosen a firmware
        if values[("secure_boot",)] is None:
            values[("secure_boot",)] = xmltree.get(domain, "os/loader/@secure") == "yes"
    _read_screens(domain, values)
    cpu_time.read(domain, values)
    platform.read(domain, values)
    numa_cells.read(domain, values)
    if values[memory.HOTPLUG] != "0B":
        values[memory.MAXIMUM] = format_size(memory.boot_of(domain))
    values[memory.HUGE_PAGES] = memory.huge_pages(domain)
    _read_ports(values)
    values[("extra_xml",)] = _extra_xml(domain, values, forms or (domain,))
    if xmltree.find(domain, NOTE) is not None:
        from .cloud_init import note

        values.update(note.values_in(domain))
    return values


def _read_screens(domain: Element, values: Values) -> None:
    """A port that libvirt chooses is none, whatever it is at present."""
    if xmltree.get(domain, "devices/graphics/@autoport") == "yes":
        values[("graphics", "port")] = -1
    for name, display in items_of(screen_rows.DISPLAYS, domain).items():
        if display.get("autoport") == "yes":
            values[(screen_rows.DISPLAYS.name, name, "port")] = -1


def _read_ports(values: Values) -> None:
    """So is the path of a pty."""
    for key in [key for key in values if key[0] in PORTS and key[-1] == "type"]:
        if values[key] == "pty":
            values[beside(key, "path")] = ""


def _extra_xml(domain: Element, values: Values, forms: Iterable[Element]) -> Value:
    """What of extra_xml it has, whose devices are no option's; few have any, and the others import
    nothing for it."""
    if not any(xmltree.find(form, EXTRA_RECORD) is not None for form in forms):
        return ""
    from . import extra, extra_record

    records = [extra_record.record_of(form) for form in forms]
    leave_out(values, domain, extra.devices_in(domain, *records))
    return extra.found(domain, *records)


def leave_out(values: Values, domain: Element, devices: Container[int]) -> None:
    """Take out of the values those of some devices that options of a list could be about."""
    for row in device_rows.EVERY:
        for name, item in items_of(row, domain).items():
            if id(item) in devices:
                for key in within(values, (row.name, name)):
                    del values[key]
    for one in device_rows.SINGLE:
        if isinstance(one, Field) and id(xmltree.find(domain, device_rows.place(one))) in devices:
            values[key_of(one.name)] = one.codec.decode(None)


def live_values(live: Element, stored: Values, definition: Element) -> Values:
    """The values of what runs, without what libvirt draws anew at each start."""
    values = domain_values(live, definition, live)
    for key, value in stored.items():
        if _drawn_at_start(key) and value in (None, "") and key in values:
            values[key] = value
    _see_through_transient(values, live, stored)
    host_device_rows.see_through_places(values, stored)
    disk_sources.without_defaults(values, stored)
    _see_through_networks(values, live)
    memory.follow_balloon(values, stored, live)
    # What runs was checked as it started, and says how.
    values[platform.CHECK] = stored.get(platform.CHECK)
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


def _see_through_networks(values: Values, live: Element) -> None:
    """A network without a bridge gives each NIC an interface of the host, as long as it runs."""
    for name, nic in items_of(NICS, live).items():
        network = xmltree.get(nic, "source/@network")
        if nic.get("type") == MACVTAP and network is not None:
            values[(NICS.name, name, UNION)] = {"vswitch": network}


def _drawn_at_start(key: Key) -> bool:
    """Whether libvirt chooses a value at each start where the definition says none."""
    is_path = key[0] == "channels" and key[-1] == "path"
    listens = key[0] in ("graphics", screen_rows.DISPLAYS.name) and key[-1] == "listen"
    return is_path or listens or key == ("secure_boot",)
