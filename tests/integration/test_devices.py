"""Devices as options, on a real libvirtd and a QEMU that runs: virsh tells what became of them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.one_vm import SMALL, Host
from support.private_libvirtd import PrivateLibvirtd


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str) -> Host:
    return Host(libvirtd, modules, observer, prefix)


def named(host: Host, tag: str, say: Callable[[ET.Element], str], *flags: str) -> dict[str, str]:
    """The devices of ours of a tag, as virsh shows them, by their aliases."""
    domain = ET.fromstring(host.libvirtd.virsh("dumpxml", host.name, *flags))
    devices = domain.findall(f"devices/{tag}")
    return {
        alias.get("name", ""): say(device)
        for device in devices
        if (alias := device.find("alias")) is not None and alias.get("name", "").startswith("ua-")
    }


def _rate(rng: ET.Element) -> str:
    rate = rng.find("rate")
    return "" if rate is None else f"{rate.get('bytes')}/{rate.get('period')}"


def _input(device: ET.Element) -> str:
    return f"{device.get('type')} on {device.get('bus')}"


def _place(device: ET.Element) -> str:
    address = device.find("address")
    return "" if address is None else f"{address.get('bus')} {address.get('slot')}"


def test_small_devices_come_to_a_vm_that_runs(host: Host) -> None:
    host.declare(
        state="paused", memory=SMALL, virt_type="qemu", sound="ich9", panic="isa",
        inputs=[{"name": "pointer", "type": "tablet"}], consoles=[{"name": "a"}, {"name": "b"}],
    )  # fmt: skip
    assert named(host, "input", _input) == {"ua-input-pointer": "tablet on usb"}
    done = host.declare(
        rngs=[{"name": "seeds", "rate": {"bytes": 512, "period_ms": 250}}],
        inputs=[
            {"name": "keys", "type": "keyboard", "bus": "virtio"},
            {"name": "mouse", "type": "mouse"},
        ],
        channels=[{"name": "org.example.late"}],  # whose port QEMU has given no console
        sound="usb",
    )
    classes = {row["field"]: row["class"] for row in done["plan"]}
    assert classes.pop("sound") == "restart"
    classes.pop("sound_details", None)
    assert set(classes.values()) == {"hotplug"}
    for flags in ((), ("--inactive",)):
        assert named(host, "rng", _rate, *flags) == {"ua-rng-seeds": "512/250"}
        assert named(host, "input", _input, *flags) == {
            "ua-input-pointer": "tablet on usb",
            "ua-input-keys": "keyboard on virtio",
            "ua-input-mouse": "mouse on usb",
        }
    # A paused guest lets nothing go; it is not there at the next start.
    done = host.declare(inputs=[{"name": "keys", "state": "absent"}], rngs=[{"name": "b"}])
    assert {row["field"]: row["class"] for row in done["plan"]} == {
        "inputs.keys": "restart",
        "rngs.b": "hotplug",
    }
    # Nor is what comes meanwhile stored in its place.
    assert named(host, "rng", _place) == named(host, "rng", _place, "--inactive")


def test_a_device_of_extra_xml_is_no_options(host: Host) -> None:
    extra = "<devices><input type='tablet' bus='usb'/><sound model='ich9'/></devices>"
    host.declare(memory=SMALL, virt_type="qemu", extra_xml=extra)
    told = host.modules.run("vm_info", {"names": [host.name]})["vms"][0]
    assert told["inputs"] == []
    assert "sound" not in told or told["sound"] == "none"
    host.declare(inputs=[{"name": "keys", "type": "keyboard"}], sound="none")
    host.declare(extra_xml="")
    assert named(host, "input", _input) == {"ua-input-keys": "keyboard on usb"}
    assert "<sound" not in host.xml()


def test_vsock_and_panic_of_others(host: Host) -> None:
    """Started it is not: the machine of the tests has no vhost_vsock."""
    host.defined(devices="<vsock><cid auto='no' address='7'/></vsock><panic model='isa'/>")
    assert not host.declare(vsock={"cid": 7}, panic="isa")["changed"]
    host.declare(vsock={"cid": "auto"})
    assert "<cid auto='yes'" in host.xml()
    host.declare(vsock={"cid": "none"}, panic="none")
    assert "<vsock" not in host.xml() and "<panic" not in host.xml()


# ---- devices of the host, which the machine of the tests has none to give away of

GIVEN = """
<hostdev mode='subsystem' type='pci' managed='yes'><driver name='vfio'/><source>
  <address domain='0' bus='0x03' slot='0' function='0'/></source>
  <rom bar='on' file='/srv/gpu.rom'/></hostdev>
<hostdev mode='subsystem' type='usb' managed='yes'><source guestReset='off'>
  <vendor id='0x046d'/><product id='0x0825'/></source></hostdev>"""


def _source(device: ET.Element) -> str:
    return ET.tostring(device.find("source"), "unicode").translate({10: None, 32: None})


def test_devices_of_the_host_are_defined_as_libvirt_has_them(host: Host) -> None:
    host.declare(
        memory=SMALL,
        virt_type="qemu",
        host_devices=[
            {"name": "gpu", "pci": "03:00.0", "rom": {"bar": True, "file": "/srv/gpu.rom"}},
            {"name": "cam", "usb": "046d:0825", "startup_policy": "optional"},
            {"name": "key", "usb": "001/004"},
            {"name": "vgpu", "mdev": "c2177883-f1bb-47f0-914d-32a22e3a8804"},
        ],
    )
    assert named(host, "hostdev", _source) == {
        "ua-hostdev-gpu": '<source><addressdomain="0x0000"bus="0x03"slot="0x00"function="0x0"/>'
        "</source>",
        "ua-hostdev-cam": '<sourcestartupPolicy="optional"><vendorid="0x046d"/>'
        '<productid="0x0825"/></source>',
        "ua-hostdev-key": '<source><addressbus="1"device="4"/></source>',
        "ua-hostdev-vgpu": '<source><addressuuid="c2177883-f1bb-47f0-914d-32a22e3a8804"/></source>',
    }


def test_devices_of_the_host_that_others_gave_keep_what_no_option_says(host: Host) -> None:
    host.defined(devices=GIVEN)
    given = [
        {"name": "gpu", "pci": "0000:03:00.0", "managed": True},
        {"name": "usb_046d_0825", "usb": "046d:0825"},
    ]
    assert not host.declare(host_devices=given)["changed"]
    host.declare(host_devices=[{"name": "gpu", "pci": "0000:03:00.0", "rom": {"bar": False}}])
    xml = host.xml()
    for kept in ("guestReset='off'", "<driver name='vfio'/>"):
        assert kept in xml
    assert "<rom bar='off' file='/srv/gpu.rom'/>" in xml
    host.declare(host_devices=[{"name": "usb_046d_0825", "state": "absent"}])
    assert host.xml().count("<hostdev") == 1


def test_a_nic_that_was_a_device_of_the_host_has_the_model_that_is_planned(host: Host) -> None:
    """libvirt would choose one."""
    lan, mac = f"{host.name}-lan", "52:54:00:0e:0d:01"
    host.modules.run("vswitch", {"name": lan, "type": "isolated", "state": "inactive"})
    host.defined(
        devices=f"<interface type='hostdev'><mac address='{mac}'/>"
        "<source><address type='pci' bus='0x82' slot='0x10'/></source></interface>"
    )
    assert "<model" not in host.xml().partition(mac)[2].partition("</interface>")[0]
    done = host.declare(nics=[{"name": mac, "vswitch": lan}])
    assert "<model type='virtio'/>" in host.xml().partition(mac)[2].partition("</interface>")[0]
    told = {row["field"]: row["after"] for row in done["plan"]}
    assert told[f"nics.{mac}.model"] == "virtio"


# ---- shared folders, and an IOMMU


def test_folders_are_shared_with_a_vm(host: Host) -> None:
    host.declare(
        memory={**SMALL, "shared": True},
        virt_type="qemu",
        machine="q35",
        shared_folders=[
            {"name": "projects", "path": "/usr/share", "cache": "always"},
            {"name": "logs", "path": "/var/log", "driver": "9p", "read_only": True},
        ],
        iommu={"model": "intel", "intremap": True, "caching_mode": True, "eim": True},
    )
    said = host.libvirtd.virsh("domxml-to-native", "qemu-argv", "--domain", host.name)
    for word in ("memory-backend-memfd", "vhost-user-fs-pci", '"tag":"projects"', "virtio-9p-pci"):
        assert word in said
    assert '"driver":"intel-iommu"' in said and '"caching-mode":true' in said
    host.declare(
        memory={"shared": False},
        shared_folders=[{"name": "projects", "state": "absent"}],
        iommu={"model": "none"},
    )
    xml = host.xml()
    assert "memfd" not in xml and "virtiofs" not in xml and "<iommu" not in xml
    assert "<readonly/>" in xml


SERVERS = [Path("/usr/lib/qemu/virtiofsd"), Path("/usr/libexec/virtiofsd")]


@pytest.mark.skipif(not any(path.exists() for path in SERVERS), reason="needs virtiofsd")
def test_a_folder_is_plugged_into_a_vm_that_runs(host: Host) -> None:
    host.declare(state="paused", memory={**SMALL, "shared": True}, virt_type="qemu", machine="q35")
    done = host.declare(
        shared_folders=[
            {"name": "projects", "path": "/usr/share"},
            {"name": "logs", "path": "/var/log", "driver": "9p"},
        ]
    )
    classes = {row["field"]: row["class"] for row in done["plan"]}
    assert classes == {"shared_folders.projects": "hotplug", "shared_folders.logs": "restart"}
    tags = {"ua-folder-projects": "projects"}
    assert named(host, "filesystem", _tag) == tags
    assert named(host, "filesystem", _tag, "--inactive") == {**tags, "ua-folder-logs": "logs"}


def _tag(device: ET.Element) -> str:
    return str(device.find("target").get("dir"))
