"""Plans that libvirt would refuse are refused by the plan: the same in check mode and by a run."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]
Result = dict[str, Any]
SMALL = {"size": "64MiB"}


class Host:
    """A libvirtd, on which a test declares VMs and looks at what became of that."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str
    ) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.observer = observer
        self.name = f"{prefix}vm"

    def defined(
        self, inside: str = "", devices: str = "", vcpus: str = "1", system: str = ""
    ) -> str:
        """A VM that somebody made by hand, with this inside; its XML."""
        self.libvirtd.run(
            ["virsh", "define", "/dev/stdin"],
            stdin=f"""<domain type="qemu"><name>{self.name}</name><memory unit="MiB">64</memory>
            <vcpu>{vcpus}</vcpu><os><type machine="q35">hvm</type>{system}</os>
            <features><acpi/></features>{inside}<devices>{devices}</devices></domain>""",
        )
        return self.xml()

    def xml(self) -> str:
        return self.libvirtd.virsh("dumpxml", self.name, "--inactive", "--security-info")

    def declare(self, **options: Any) -> Result:
        """Declare what can be: check mode says what is done, and a second run does nothing."""
        args = {"name": self.name, **options}
        predicted = self.modules.run("vm", args, check=True)
        done = self.modules.run("vm", args)
        assert not done.get("failed"), done["msg"]
        assert (predicted["plan"], predicted["changed"]) == (done["plan"], done["changed"])
        again = self.modules.run("vm", args)
        assert (again["changed"], again["plan"]) == (False, [])
        return done

    def refused(self, **options: Any) -> str:
        """What is said of what cannot be, in check mode as in a run, neither of which does any."""
        args = {"name": self.name, **options}
        with self.observer.unchanged():
            predicted = self.modules.run("vm", args, check=True)
            done = self.modules.run("vm", args)
        assert predicted.get("failed") and done.get("failed"), (predicted, done)
        assert predicted["errors"] == done["errors"]
        return str(done["msg"])


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str) -> Host:
    return Host(libvirtd, modules, observer, prefix)


def disk_of_somebody(images: Path, more: str = "", target: str = 'dev="vda" bus="virtio"') -> str:
    return f"""<disk type="file" device="disk"><driver name="qemu" type="raw"{more}/>
        <source file="{images}/a.img"/><target {target}/></disk>"""


# ---- what libvirt says against a definition


def test_what_libvirt_would_not_store_is_refused(host: Host, images: Path) -> None:
    host.defined(devices=disk_of_somebody(images, ' queues="2"'))
    said = host.refused(disks=[{"name": "vda", "bus": "sata"}])
    assert f"vm/{host.name} disks.vda.bus: libvirt would refuse it: " in said
    assert "queues attribute in disk driver element is only supported by virtio-blk" in said


def test_every_vm_is_judged_before_the_first_changes(host: Host, prefix: str) -> None:
    odd = "<memtune><hard_limit unit='rods'>1</hard_limit></memtune>"
    vms = [
        {"name": f"{prefix}good", "memory": SMALL},
        {"name": f"{prefix}bad", "memory": SMALL, "extra_xml": odd},
        {"name": f"{prefix}worse", "memory": SMALL, "extra_xml": "<genid>none</genid>"},
    ]
    with host.observer.unchanged():
        for check in (True, False):
            done = host.modules.run("host_config", {"vms": vms}, check=check)
            assert done["failed"]
            assert [error.partition(":")[0] for error in done["errors"]] == [
                f"vm/{prefix}bad", f"vm/{prefix}worse",
            ]  # fmt: skip


FAR_AWAY = "<numatune><memory mode='strict' nodeset='63'/></numatune>"  # no node of this machine


def test_what_does_not_start_is_refused_where_it_is_started(host: Host) -> None:
    said = host.refused(memory=SMALL, extra_xml=FAR_AWAY, state="running")
    assert f"vm/{host.name}: libvirt would refuse to start it: " in said
    assert "NUMA node 63" in said


def test_what_does_not_start_is_stored_with_a_warning(host: Host) -> None:
    done = host.declare(memory=SMALL, extra_xml=FAR_AWAY)
    assert "would refuse to start it" in str(done["warnings"])


def test_what_did_not_start_before_can_be_changed(host: Host) -> None:
    host.defined(FAR_AWAY)
    assert host.declare(title="still on the shelf")["changed"]


# ---- what is no reason to refuse a plan


@pytest.mark.parametrize(
    "inside, devices",
    [
        ("", '<interface type="hostdev" managed="yes"><source><address type="pci" domain="0x0000"'
             ' bus="0x77" slot="0x00" function="0x1"/></source></interface>'),
        ("", '<interface type="hostdev" managed="yes"><driver name="vfio"/><source><address'
             ' type="pci" domain="0" bus="0x77" slot="0" function="1"/></source></interface>'),
        ("", '<hostdev mode="subsystem" type="pci" managed="yes"><source><address domain="0x0000"'
             ' bus="0x77" slot="0x01" function="0x0"/></source></hostdev>'),
        ("", '<hostdev mode="subsystem" type="usb"><source><vendor id="0x1234"/>'
             '<product id="0x4321"/></source></hostdev>'),
        ("", '<disk type="volume" device="disk"><driver name="qemu" type="raw"/>'
             '<source pool="to-come" volume="a"/><target dev="vda" bus="virtio"/></disk>'),
        ("", '<graphics type="vnc"><listen type="network" network="to-come"/></graphics>'),
        ("", '<tpm model="tpm-tis"><backend type="passthrough"><device path="/dev/tpm7"/>'
             "</backend></tpm>"),
        ('<numatune><memory mode="strict" placement="auto"/></numatune>', ""),
    ],
)  # fmt: skip
def test_what_the_host_brings_at_a_start_is_not_looked_for(
    host: Host, inside: str, devices: str
) -> None:
    before = host.defined(inside, devices)
    done = host.declare(title="changed")
    assert done["changed"] and not done.get("warnings")
    after = re.sub(r"\s*<title>changed</title>", "", host.xml())
    assert ET.canonicalize(after) == ET.canonicalize(before)


def test_judging_makes_no_taps_files_or_sockets(host: Host, images: Path, prefix: str) -> None:
    def files() -> list[Path]:
        return sorted(path for path in host.libvirtd.directory.rglob("*") if path.suffix != ".log")

    def index() -> int:
        """The number that the kernel gives to a network device: they are counted."""
        host.libvirtd.run(["ip", "link", "add", "counted", "type", "bridge"])
        told = host.libvirtd.run(["ip", "-oneline", "link", "show", "counted"])
        host.libvirtd.run(["ip", "link", "delete", "counted"])
        return int(told.partition(":")[0])

    vswitch = {"name": f"{prefix}net", "type": "isolated"}
    assert not host.modules.run("vswitch", vswitch).get("failed")
    args = {
        "name": host.name,
        "memory": SMALL,
        "firmware": "efi",
        "tpm": {"model": "tpm-crb"},
        "serial": {"type": "file", "path": f"{images}/serial.log"},
        "nics": [{"name": "lan", "vswitch": vswitch["name"]}],
        "agent": True,
        "graphics": {"type": "vnc"},
        "state": "running",
    }
    there, counted = files(), index()
    with host.observer.unchanged():
        done = host.modules.run("vm", args, check=True)
    assert not done.get("failed"), done["msg"]
    assert (files(), index()) == (there, counted + 1)
