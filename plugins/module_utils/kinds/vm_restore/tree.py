# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of a VM as it is restored: as it was, or as that of another VM."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...engine import xmltree
from ...engine.host import HostFacts
from ...engine.xmltree import Element
from ..vm.definition import BARRED, RESTORE
from ..vm.derived import derived_mac, derived_uuid
from ..vm.state_files import OF_SYSTEM, nvram_of


def put_disks(tree: Element, images: Mapping[str, tuple[str, str]]) -> None:
    """Put disks, by target, onto files of a format, in place. They stand on nothing."""
    for disk in xmltree.find_all(tree, "devices/disk"):
        path, form = images.get(xmltree.get(disk, "target/@dev") or "", ("", ""))
        if not path:
            continue
        for tag in ("backingStore", "mirror", "source"):
            for below in disk.findall(tag):
                disk.remove(below)
        disk.set("type", "file")
        xmltree.put(disk, "source/@file", path)
        xmltree.put(disk, "driver/@type", form)


def bar_disks(tree: Element, targets: Collection[str]) -> None:
    """Let no disk of these be found, in place, so that the VM cannot be started, and note why."""
    xmltree.put(tree, f"{RESTORE}/@uuid", xmltree.get(tree, "uuid"))
    for disk in xmltree.find_all(tree, "devices/disk"):
        source = disk.find("source")
        if source is not None and xmltree.get(disk, "target/@dev") in targets:
            source.set("file", f"{source.get('file', '')}{BARRED}")
            source.attrib.pop("startupPolicy", None)  # libvirt would leave out what is optional


def become_another(tree: Element, name: str, host: HostFacts) -> None:
    """Make it the definition of another VM, in place: what tells VMs apart is its own."""
    before = nvram_of(host, tree)
    xmltree.put(tree, "name", name)
    xmltree.put(tree, "uuid", derived_uuid(name))
    if xmltree.find(tree, "genid") is not None:
        xmltree.remove(tree, xmltree.ensure(tree, "genid"))
    for number, nic in enumerate(xmltree.find_all(tree, "devices/interface")):
        xmltree.put(nic, "mac/@address", derived_mac(name, str(number)))
    if before is not None and xmltree.find(tree, "os/nvram") is not None:
        _put_nvram(xmltree.ensure(tree, "os/nvram"), f"{_nvram_folder(host)}/{name}_VARS.fd")
    for entry in tree.iterfind("sysinfo/system/entry[@name='uuid']"):
        entry.text = derived_uuid(name)  # libvirt refuses one that is not the VM's
    for source in xmltree.find_all(tree, "devices/tpm/backend/source"):
        xmltree.remove(tree, source)


def _put_nvram(nvram: Element, path: str) -> None:
    """Have its NVRAM in a file, whichever it was in."""
    for source in nvram.findall("source"):
        nvram.remove(source)
    nvram.attrib.pop("type", None)
    nvram.text = path


def _nvram_folder(host: HostFacts) -> str:
    return f"{host.state_folder}/qemu/nvram" if host.state_folder else OF_SYSTEM["nvram"]


def without_disks(tree: Element, targets: list[str]) -> None:
    """Take disks away, in place."""
    for disk in xmltree.find_all(tree, "devices/disk"):
        if xmltree.get(disk, "target/@dev") in targets:
            xmltree.remove(tree, disk)
