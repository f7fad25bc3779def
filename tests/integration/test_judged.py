"""Plans that libvirt would refuse are refused by the plan: the same in check mode and by a run."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.one_vm import SMALL, Host
from support.private_libvirtd import PrivateLibvirtd


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str) -> Host:
    return Host(libvirtd, modules, observer, prefix)


def disk_of_somebody(images: Path, more: str = "", target: str = 'dev="vda" bus="virtio"') -> str:
    return f"""<disk type="file" device="disk"><driver name="qemu" type="raw"{more}/>
        <source file="{images}/a.img"/><target {target}/></disk>"""


# ---- what libvirt says against a definition


def test_what_libvirt_would_not_store_is_refused(host: Host, images: Path) -> None:
    host.defined(devices=disk_of_somebody(images))
    said = host.refused(disks=[{"name": "vda", "bus": "ide"}])
    assert f"vm/{host.name} disks.vda.bus: libvirt would refuse it: " in said
    assert "IDE controllers are unsupported for this QEMU binary or machine type" in said


def test_what_was_for_the_former_bus_is_no_reason_to_refuse(host: Host, images: Path) -> None:
    host.defined(devices=disk_of_somebody(images, ' queues="2"'))
    host.declare(disks=[{"name": "vda", "bus": "sata"}])
    assert "queues" not in host.xml()


def test_every_vm_is_judged_before_the_first_changes(host: Host, prefix: str) -> None:
    vms = [
        {"name": f"{prefix}good", "memory": SMALL},
        {"name": f"{prefix}bad", "memory": SMALL, "cpu": {"count": 5000}},
        {"name": f"{prefix}worse", "memory": SMALL, "cpu": {"count": 6000}},
    ]
    with host.observer.unchanged():
        for check in (True, False):
            done = host.modules.run("host_config", {"vms": vms}, check=check)
            assert done["failed"]
            resources = [error.partition(" ")[0].rstrip(":") for error in done["errors"]]
            assert resources == [f"vm/{prefix}bad", f"vm/{prefix}worse"]
            assert all(": libvirt would refuse it: " in error for error in done["errors"])


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


def test_a_secret_that_is_not_there_is_told(host: Host, images: Path) -> None:
    secret = "<secret type='passphrase' uuid='6dd3e4a5-1d76-44ce-961f-f119f5aad935'/>"
    host.defined(
        devices=f"""<disk type="file" device="disk"><driver name="qemu" type="qcow2"/>
        <source file="{images}/a.qcow2"><encryption format="luks">{secret}</encryption></source>
        <target dev="vda" bus="virtio"/></disk>"""
    )
    assert "no secret with matching uuid" in host.refused(state="running")
    assert "no secret with matching uuid" in str(host.declare(title="changed")["warnings"])


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
        ("", '<controller type="usb" model="none"/>'),
        ("", '<disk type="file" device="disk"><driver name="qemu" type="raw"/><transient/>'
             '<source file="/nowhere"/><target dev="vda" bus="virtio"/></disk>'),
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


# ---- what is said before libvirt says it, or because it does not

CELLS = """<cpu><numa><cell id="0" cpus="0-1" memory="32768" unit="KiB"/>
    <cell id="1" cpus="2-3" memory="32768" unit="KiB"/></numa></cpu>"""


@pytest.mark.parametrize(
    "inside, words",
    [
        (CELLS, "a NUMA cell has vCPU 3"),
        (
            "<cputune><vcpusched vcpus='0-3,^3' scheduler='fifo' priority='1'/></cputune>",
            "vcpusched schedules vCPU 2",
        ),
    ],
)
def test_vcpus_that_are_spoken_of_stay(host: Host, inside: str, words: str) -> None:
    host.defined(inside, vcpus="4")
    said = host.refused(cpu={"maximum": 2})
    assert f"vm/{host.name} cpu.maximum: 2 vCPUs are too few: {words}, counted from 0" in said
    assert host.declare(cpu={"maximum": 5 if inside is not CELLS else 4, "count": 3})["changed"]


def test_vcpus_that_are_pinned_stay(host: Host) -> None:
    host.defined("<cputune><vcpupin vcpu='2' cpuset='0'/></cputune>", vcpus="4")
    said = host.refused(cpu={"maximum": 2})
    words = "vCPU 2 is pinned, counted from 0, and there are 2"
    assert f"vm/{host.name} cpu.pinning.vcpus: {words}" in said
    assert host.declare(cpu={"maximum": 2, "pinning": {"vcpus": {"1": "0"}}})["changed"]


def test_a_kernel_goes_with_what_it_is_given(host: Host) -> None:
    host.defined(system="<kernel>/k</kernel><initrd>/i</initrd><cmdline>quiet</cmdline>")
    assert f"vm/{host.name} boot.initrd: goes with a kernel only" in host.refused(
        boot={"kernel": ""}
    )
    host.declare(boot={"kernel": "", "initrd": "", "cmdline": ""})


def test_vnc_has_no_low_port(host: Host) -> None:
    said = host.refused(memory=SMALL, graphics={"type": "vnc", "port": 80})
    assert f"vm/{host.name} graphics.port: 80 is no port of VNC" in said


def test_what_libvirt_speaks_of_is_named(host: Host) -> None:
    said = host.refused(memory=SMALL, cpu={"count": 5000})
    assert f"vm/{host.name} cpu.maximum: libvirt would refuse it: " in said


def test_what_was_wrong_before_is_no_mistake_of_another_change(host: Host) -> None:
    host.defined("<cpu mode='host-passthrough'/>", system="<cmdline>quiet</cmdline>")
    assert host.declare(title="changed")["changed"]


def test_emulation_is_refused_where_the_cpu_is_the_hosts(host: Host) -> None:
    host.defined()
    said = host.refused(cpu={"mode": "host-passthrough"})
    assert "cpu.mode: the CPU mode host-passthrough is not possible with virt_type qemu" in said


# ---- memory that libvirt adds up


def test_memory_of_numa_cells_is_what_they_have(host: Host) -> None:
    host.defined(CELLS, vcpus="4")
    said = host.refused(memory={"maximum": "128MiB"})
    assert f"vm/{host.name} memory.maximum: cannot be 128MiB: libvirt adds up" in said
    assert "which is 64MiB" in said
    assert f"vm/{host.name} memory.size: cannot be 80MiB" in host.refused(memory={"size": "80MiB"})
    fields = [change["field"] for change in host.declare(memory={"size": "48MiB"})["plan"]]
    assert fields == ["memory.size"]
    host.declare(memory={"size": "64MiB", "maximum": "64MiB"})


def dimm(kib: int) -> str:
    size = f'<size unit="KiB">{kib}</size>'
    return f'<memory model="dimm"><target>{size}<node>0</node></target></memory>'


def test_memory_devices_count(host: Host) -> None:
    slots = '<maxMemory slots="4" unit="MiB">1024</maxMemory>'
    host.defined(slots + CELLS, devices=dimm(128 * 1024), vcpus="4")
    assert "which is 192MiB" in host.refused(memory={"maximum": "64MiB"})
    done = host.declare(extra_xml=f"<devices>{dimm(64 * 1024)}</devices>")
    changes = {change["field"]: change["after"] for change in done["plan"]}
    assert changes["memory.maximum"] == "256MiB"


def test_a_new_vm_has_what_its_cells_have(host: Host) -> None:
    said = host.refused(memory={"size": "96MiB"}, cpu={"count": 4}, extra_xml=CELLS)
    assert f"vm/{host.name} memory.size: cannot be 96MiB" in said
    host.declare(memory={"size": "64MiB"}, cpu={"count": 4}, extra_xml=CELLS)
