"""What libvirt adds for extra_xml goes along with it, whatever else the same run changed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.one_vm import SMALL, Host
from support.private_libvirtd import PrivateLibvirtd

FRAGMENTS = {
    "virtio-serial": """<devices><channel type='pty'><target type='virtio' name='org.x'/></channel>
        </devices>""",
    "ccid": "<devices><smartcard mode='host'/></devices>",
    "pcie-to-pci-bridge": "<devices><sound model='ac97'/></devices>",
    "console": "<devices><console type='pty'><target type='virtio'/></console></devices>",
}
CHANGES: dict[str, dict[str, Any]] = {
    "title": {"title": "with"},
    "cpu": {"cpu": {"maximum": 3}},
    "device": {"watchdog": {"model": "i6300esb"}},
}


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str) -> Host:
    return Host(libvirtd, modules, observer, prefix)


def controllers(host: Host, spare: bool = True) -> list[str]:
    """The controllers of the VM, with its PCI ports or without."""
    lines = [line.strip() for line in host.xml().splitlines() if "<controller" in line]
    return sorted(line for line in lines if spare or "pcie-root-port" not in line)


@pytest.mark.parametrize("fragment", FRAGMENTS)
@pytest.mark.parametrize("change", CHANGES)
def test_controllers_go_with_what_they_serve(host: Host, fragment: str, change: str) -> None:
    host.declare(memory=SMALL)
    before = controllers(host, spare=change == "title")
    host.declare(extra_xml=FRAGMENTS[fragment], **CHANGES[change])
    host.declare(extra_xml="")
    after = controllers(host, spare=change == "title")
    brought = [one for one in after if one not in before]
    assert [one for one in before if one not in after] == []
    # The watchdog is of the older PCI, and has its own use for the bridge.
    assert [one for one in brought if change != "device" or "bridge" not in one] == []


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_they_go_also_where_they_came_with_the_vm(host: Host, fragment: str) -> None:
    host.declare(memory=SMALL)
    plain = controllers(host, spare=False)
    host.declare(state="absent")
    host.declare(memory=SMALL, extra_xml=FRAGMENTS[fragment])
    assert controllers(host, spare=False) != plain
    host.declare(extra_xml="")
    assert controllers(host, spare=False) == plain


def test_what_every_vm_has_stays_in_its_place(host: Host) -> None:
    def usb() -> bytes:
        [controller] = ET.fromstring(host.xml()).findall("devices/controller[@type='usb']")
        return ET.tostring(controller)

    host.declare(memory=SMALL, extra_xml="<devices><input type='tablet' bus='usb'/></devices>")
    before = usb()
    host.declare(extra_xml="", watchdog={"model": "i6300esb"})
    assert usb() == before
