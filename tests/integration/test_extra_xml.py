"""extra_xml on a real libvirtd: put in once, found again however libvirt writes it, taken out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.corpus import CORPUS
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

FRAGMENTS = yaml.safe_load(Path(__file__).with_name("extra_xml.yml").read_text())
OTHERS = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os><type machine='q35'>hvm</type></os>
  <features><acpi/><hyperv><spinlocks state='on' retries='8191'/></hyperv></features>
  <devices>
    <input type='tablet' bus='usb'/>
    <sound model='ich6'/>
    {devices}
  </devices>
</domain>
"""
HOST_DEVICE = "<hostdev mode='subsystem' type='pci'><source><address bus='9'/></source></hostdev>"


class Machine:
    """A VM that somebody else made."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, name: str) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.name = name

    def made_by_others(self, devices: str = HOST_DEVICE) -> list[str]:
        text = OTHERS.format(name=self.name, devices=devices)
        self.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text)
        return self.text()

    def run(self, check: bool = False, **options: Any) -> dict[str, Any]:
        return self.modules.run("vm", {"name": self.name, **options}, check)

    def set(self, **options: Any) -> dict[str, Any]:
        """Declare options: check mode says what the run does, and a second one does nothing."""
        predicted = self.run(True, **options)
        assert not predicted.get("failed"), predicted["msg"]
        done = self.run(**options)
        assert not done.get("failed"), done["msg"]
        assert predicted["plan"] == done["plan"]
        again = self.run(**options)
        assert (again["changed"], again["plan"]) == (False, []), again
        return done

    def refused(self, **options: Any) -> str:
        """What is said of options that cannot be, in check mode already."""
        before = self.text()
        done = self.run(True, **options)
        assert done.get("failed"), done["plan"]
        assert self.text() == before
        return str(done["msg"])

    def text(self) -> list[str]:
        return self.libvirtd.virsh("dumpxml", self.name, "--inactive").splitlines()


@pytest.fixture
def vm(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Machine:
    return Machine(libvirtd, modules, f"{prefix}it")


@pytest.mark.parametrize("name", FRAGMENTS)
def test_it_comes_stays_and_goes(vm: Machine, name: str) -> None:
    before = vm.made_by_others()
    assert vm.set(extra_xml=FRAGMENTS[name])["changed"]
    for description in ("else", ""):
        done = vm.run(extra_xml=FRAGMENTS[name], description=description)
        assert [change["field"] for change in done["plan"]] == ["description"]
    vm.set(extra_xml="")
    assert without_controllers(vm.text()) == without_controllers(before)


def without_controllers(lines: list[str]) -> list[str]:
    """The text without controllers: libvirt adds some for devices, and keeps them."""
    text = re.sub(
        r"    <controller [^>]*(/>|[^/]>.*?</controller>)\n", "", "\n".join(lines), flags=re.S
    )
    return text.splitlines()


REFUSED = {
    "an option's": ("<memory unit='GiB'>2</memory>", "the option memory.maximum"),
    "an option's attribute": ("<clock offset='localtime'/>", "the option clock"),
    "unknown": ("<memtune><hard>1</hard></memtune>", "memtune/hard is not as libvirt's schema"),
    "capitals": (
        "<devices><hostdev mode='subsystem' type='usb'><source><vendor id='0X1'/>"
        "<product id='0x2'/></source></hostdev></devices>",
        "devices/hostdev is not as libvirt's schema has it",
    ),
    "number": ("<devices><vsock><cid auto='no' address='0x7'/></vsock></devices>", "devices/vsock"),
    "white space": ("<resource><partition> /a </partition></resource>", "resource/partition"),
    "contradiction": ("<cpu migratable='off'/>", "only allowed for"),
    "undeclared": ("<x:a/>", "unbound prefix"),
    "left out": ("<features><hyperv/></features><memtune/>", "would leave out"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_libvirt_would_not_keep_is_refused(vm: Machine, name: str) -> None:
    text, why = REFUSED[name]
    vm.made_by_others()
    assert why in vm.refused(extra_xml=text)


def test_what_others_have_put_in_stays(vm: Machine) -> None:
    before = vm.made_by_others()
    theirs = "<devices><input type='tablet' bus='usb'/></devices>"
    vm.set(extra_xml=theirs)
    vm.set(extra_xml="")
    assert vm.text() == before
    vm.set(extra_xml=theirs + theirs)
    assert "\n".join(vm.text()).count("<input type='tablet'") == 2
    vm.set(extra_xml=theirs)
    vm.set(extra_xml="")
    assert without_controllers(vm.text()) == without_controllers(before)


def test_it_changes_into_another(vm: Machine) -> None:
    before = vm.made_by_others()
    names = [
        "unit",
        "pins",
        "features merge",
        "features twice",
        "sysinfo",
        "second serial",
        "vsock",
    ]
    for one, other in zip(names, [*names[1:], names[0]]):
        vm.set(extra_xml=FRAGMENTS[one])
        vm.set(extra_xml=FRAGMENTS[one] + FRAGMENTS[other])
        vm.set(extra_xml=FRAGMENTS[other])
    vm.set(extra_xml="")
    assert without_controllers(vm.text()) == without_controllers(before)


@pytest.mark.parametrize("name", ["unit", "hexadecimal address", "two equal", "other prefix"])
def test_a_run_that_ended_in_between_is_taken_up(vm: Machine, name: str) -> None:
    before = vm.made_by_others()
    vm.set(extra_xml=FRAGMENTS[name])
    there = "\n".join(vm.text())
    interrupted = re.sub(
        r"\n *<fleet:made>.*?</fleet:made>|<fleet:made>.*?</fleet:made>", "", there
    )
    assert interrupted != there
    vm.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=interrupted)
    assert not vm.run(extra_xml=FRAGMENTS[name])["changed"]
    vm.set(extra_xml="")
    assert without_controllers(vm.text()) == without_controllers(before)


def test_a_new_vm_has_it(vm: Machine) -> None:
    every = "".join(FRAGMENTS[name] for name in ("unit", "vsock", "sysinfo", "shared memory"))
    vm.set(virt_type="qemu", memory={"size": "64MiB"}, extra_xml=every)
    vm.set(memory={"size": "48MiB"}, extra_xml=every)
    vm.set(extra_xml="")
    left = "\n".join(vm.text())
    assert not re.search("hard_limit|vsock|sysinfo|smbios|shmem|extra", left)


def test_what_runs_has_it_after_a_restart(vm: Machine) -> None:
    vm.made_by_others(devices="")
    vm.libvirtd.virsh("start", vm.name)
    every = FRAGMENTS["graphics"] + FRAGMENTS["sysinfo"] + FRAGMENTS["second serial"]

    def waits(**options: Any) -> list[str]:
        done = vm.set(**options)
        fields = [change["field"] for change in done["pending_restart"]]
        return [field for field in fields if field == "extra_xml"]

    assert waits(extra_xml=every) == ["extra_xml"]
    vm.libvirtd.virsh("destroy", vm.name)
    vm.libvirtd.virsh("start", vm.name)
    assert vm.run(extra_xml=every)["pending_restart"] == []
    assert waits(extra_xml="") == ["extra_xml"]
    assert waits(tags={"a": "b"}) == ["extra_xml"]
    vm.libvirtd.virsh("destroy", vm.name)
    vm.libvirtd.virsh("start", vm.name)
    assert vm.run()["pending_restart"] == []


def test_what_libvirt_let_others_write_is_no_mistake_of_it(vm: Machine) -> None:
    """libvirt defines some things that its own schema does not have."""
    others = (CORPUS / "vm" / "disks-network-of-every-protocol.xml").read_text(encoding="utf-8")
    others = re.sub("<(name|uuid)>.*?</(name|uuid)>", "", others)
    text = others.replace("<domain type='qemu'>", f"<domain type='qemu'><name>{vm.name}</name>")
    vm.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text)
    before = vm.text()
    vm.set(extra_xml=FRAGMENTS["unit"])
    vm.set(extra_xml="")
    assert without_controllers(vm.text()) == without_controllers(before)
