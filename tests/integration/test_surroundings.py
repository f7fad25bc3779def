"""What VMs need on their host and what has gone: a plan that would start them says so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.one_vm import Host
from support.private_libvirtd import PrivateLibvirtd, PrivateLibvirtdError


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str) -> Host:
    return Host(libvirtd, modules, observer, prefix)


def disk(path: object, form: str = "raw", target: str = "vda", more: str = "") -> str:
    return f"""<disk type="file" device="disk"><driver name="qemu" type="{form}"/>
        <source file="{path}"{more}/><target dev="{target}" bus="virtio"/></disk>"""


def drive(path: object, more: str = "") -> str:
    return f"""<disk type="file" device="cdrom"><driver name="qemu" type="raw"/>
        <source file="{path}"{more}/><target dev="sda" bus="sata"/><readonly/></disk>"""


def image(libvirtd: PrivateLibvirtd, path: Path, *options: str) -> Path:
    """An image at a path of libvirtd, anybody's to write; where it is to this machine."""
    outside = libvirtd.outside(path)
    argv = ["qemu-img", "create", "-q", "-u", *options, str(outside), "4M"]
    subprocess.run(argv, check=True)
    outside.chmod(0o666)
    return outside


DEVICES = {
    "disks.vda.file": disk("{gone}"),
    "disks.vda.device": '<disk type="block"><source dev="{gone}"/><target dev="vda"/></disk>',
    "cdroms.sda.file": drive("{gone}", ' startupPolicy="requisite"'),
    "serial.path": '<serial type="dev"><source path="{gone}"/></serial>',
    "devices/parallel": '<parallel type="file"><source path="{gone}/log"/></parallel>',
    "devices/console": """<console type="pty"><target type="virtio"/><log file="{gone}/log"/>
        </console>""",
    "rng": '<rng model="virtio"><backend model="random">{gone}</backend></rng>',
    "devices/input": '<input type="evdev"><source dev="{gone}"/></input>',
    "devices/filesystem": """<filesystem type="mount" accessmode="mapped"><source dir="{gone}"/>
        <target dir="share"/></filesystem>""",
    "graphics": """<graphics type="egl-headless"><gl rendernode="{gone}"/></graphics>
        <video><model type="virtio"/></video>""",
}
SYSTEM = {
    "boot.kernel": "<kernel>{gone}</kernel>",
    "boot.initrd": "<kernel>/bin/true</kernel><initrd>{gone}</initrd>",
    "os/dtb": "<kernel>/bin/true</kernel><dtb>{gone}</dtb>",
    "os/acpi/table": "<acpi><table type='slic'>{gone}</table></acpi>",
    "firmware": """<loader readonly="yes" type="pflash">/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
        <nvram template="{gone}">{gone}.nvram</nvram>""",
}


@pytest.mark.parametrize("field", [*DEVICES, *SYSTEM])
def test_what_has_gone_is_told_before_a_start(host: Host, images: Path, field: str) -> None:
    gone = f"{images}/gone"
    devices, system = DEVICES.get(field, ""), SYSTEM.get(field, "")
    host.defined(devices=devices.format(gone=gone), system=system.format(gone=gone))
    for state in ("running", "paused"):
        said = host.refused(state=state)
        assert said.startswith(f"vm/{host.name} {field}: ") and gone in said, said
    with pytest.raises(PrivateLibvirtdError):  # nor does libvirt start it
        host.libvirtd.virsh("start", host.name)
    assert not host.modules.run("vm", {"name": host.name, "state": "stopped"})["changed"]


def test_all_that_has_gone_is_told_at_once(host: Host, images: Path) -> None:
    host.defined(devices=disk(f"{images}/a") + disk(f"{images}/b", target="vdb"))
    said = host.refused(state="running")
    assert f"{images}/a is not there" in said and f"{images}/b is not there" in said


def test_what_an_image_stands_on_is_told_too(host: Host, images: Path) -> None:
    base, overlay = images / "base.qcow2", images / "overlay.qcow2"
    image(host.libvirtd, base, "-f", "qcow2")
    image(host.libvirtd, overlay, "-f", "qcow2", "-b", str(base), "-F", "qcow2")
    host.defined(devices=disk(overlay, "qcow2"))
    host.declare(state="paused")
    host.declare(state="saved")
    host.libvirtd.outside(base).unlink()
    assert f"{base}, on which {overlay} stands, is not there" in host.refused(state="paused")
    assert str(base) in host.refused(state="absent")  # it is woken to be shut down in order
    host.libvirtd.virsh("managedsave-remove", host.name)
    assert f"vm/{host.name} disks.vda: {base}" in host.refused(state="running")


def test_what_starts_without_it_is_not_refused(host: Host, images: Path) -> None:
    host.defined(devices=drive(f"{images}/gone.iso", ' startupPolicy="optional"'))
    assert host.declare(state="paused")["changed"]


def test_a_disk_that_is_stored_only_comes_with_its_image(host: Host, images: Path) -> None:
    host.defined()
    host.declare(state="paused")
    path = images / "later.img"
    file = image(host.libvirtd, path, "-f", "raw")
    declared = {"name": "data", "file": str(path), "bus": "virtio", "format": "raw"}
    host.declare(disks=[declared], apply="next_boot")
    file.unlink()
    said = host.refused(disks=[declared])
    assert f"vm/{host.name} disks.data.file: {path} is not there" in said
    assert str(path) in host.refused(apply="restart")
    file.touch()
    assert host.declare(disks=[declared])["plan"]


def test_a_running_vm_is_not_stopped_for_a_restart_that_fails(host: Host, images: Path) -> None:
    file = image(host.libvirtd, images / "a.img", "-f", "raw")
    host.defined(devices=disk(images / "a.img"))
    host.declare(state="paused")
    file.unlink()
    assert f"{images}/a.img is not there" in host.refused(machine="pc", apply="restart")
    assert host.declare(title="still here")["changed"]


def test_networks_that_are_not_there_are_told_before_a_start(host: Host, prefix: str) -> None:
    switch = {"name": f"{prefix}lan", "type": "isolated", "bridge": f"{prefix}b"}
    host.modules.run("vswitch", switch)
    host.defined(
        devices=f"""<interface type="network"><source network="{prefix}lan"/></interface>
        <interface type="bridge"><source bridge="{prefix}none"/></interface>"""
    )
    host.libvirtd.virsh("net-destroy", f"{prefix}lan")
    done = host.modules.run("vm", {"name": host.name, "state": "running"})
    assert f"the vswitch {prefix}lan is not active" in done["msg"]
    assert f"the bridge {prefix}none is not on the host" in done["msg"]
    seen = host.modules.run("vm", {"name": host.name, "state": "running"}, check=True)
    assert f"the bridge {prefix}none is not on the host" in seen["msg"]


def test_what_the_same_run_makes_is_there(host: Host, prefix: str, images: Path) -> None:
    pool = {"name": f"{prefix}pool", "type": "dir", "path": f"{images}/pool"}
    disk_of_pool = {"name": "root", "pool": pool["name"], "capacity": "4MiB"}
    vm = {"name": host.name, "memory": {"size": "64MiB"}, "disks": [disk_of_pool]}
    fleet = {"storage_pools": [pool], "vms": [{**vm, "state": "paused"}]}
    for check in (True, False):
        done = host.modules.run("host_config", fleet, check=check)
        assert not done.get("failed"), done["msg"]


def sparse(libvirtd: PrivateLibvirtd, path: Path, size: int) -> None:
    """A raw image that is a hole: QEMU writes to such a one in pieces of 4096 bytes."""
    image(libvirtd, path, "-f", "raw").write_bytes(b"")
    os.truncate(libvirtd.outside(path), size)


def test_a_raw_image_that_ends_within_a_block_is_told(host: Host, images: Path) -> None:
    """QEMU writes to it past the host's cache, and could not write its end."""
    path = images / "odd.img"
    sparse(host.libvirtd, path, 1000)
    odd = disk(path).replace('type="raw"/>', 'type="raw" cache="none"/>')
    host.defined(devices=odd)
    said = host.refused(state="paused")
    assert f"vm/{host.name} disks.vda.cache: {path} has 1000 bytes" in said
    with pytest.raises(PrivateLibvirtdError, match="not a multiple of request alignment"):
        host.libvirtd.virsh("start", host.name)
    sparse(host.libvirtd, path, 4096)
    host.declare(state="paused")


def test_what_qemu_opens_all_the_same_is_not_refused(host: Host, images: Path) -> None:
    path = images / "odd.img"
    sparse(host.libvirtd, path, 1000)
    host.defined(devices=disk(path, more=' index="1"').replace("</disk>", "<readonly/></disk>"))
    host.declare(state="paused")


def test_such_an_image_is_told_where_it_comes(host: Host, prefix: str, images: Path) -> None:
    path = images / "odd.img"
    sparse(host.libvirtd, path, 1000)
    host.defined()
    host.declare(state="paused")
    data = {"name": "data", "bus": "virtio", "cache": "directsync", "format": "raw"}
    assert "has 1000 bytes" in host.refused(disks=[{**data, "file": str(path)}])
    pool = {"name": f"{prefix}pool", "type": "dir", "path": f"{images}/pool"}
    volume = {"pool": pool["name"], "name": "odd", "format": "raw", "image": str(path)}
    vm = {"name": host.name, "disks": [{**data, "pool": pool["name"], "volume": "odd"}]}
    fleet = {"storage_pools": [pool], "storage_volumes": [volume], "vms": [vm]}
    seen = host.modules.run("host_config", fleet, check=True)
    assert "give the volume a capacity of 4KiB" in str(seen["warnings"]), seen
    volume["capacity"] = "4KiB"
    done = host.modules.run("host_config", fleet)
    assert not done.get("failed") and not done.get("warnings"), done


# ---- pools


@pytest.mark.parametrize(
    ("field", "pool"),
    [
        ("path", "<pool type='dir'>{name}<target><path>{images}/gone</path></target></pool>"),
        (
            "source.device",
            """<pool type='fs'>{name}<source><device path='{images}/gone'/></source>
            <target><path>{images}</path></target></pool>""",
        ),
        (
            "source.device",
            """<pool type='disk'>{name}<source><device path='{images}/gone'/></source>
            <target><path>/dev</path></target></pool>""",
        ),
        (
            "source.devices",
            """<pool type='logical'>{name}<source><name>none</name><device path='{images}/gone'/>
            </source></pool>""",
        ),
    ],
)
def test_what_a_pool_stands_on_and_has_gone_is_told(
    host: Host, prefix: str, images: Path, field: str, pool: str
) -> None:
    name = f"{prefix}pool"
    text = pool.format(name=f"<name>{name}</name>", images=images)
    host.libvirtd.run(["virsh", "pool-define", "/dev/stdin"], stdin=text)
    args = {"name": name, "build": field != "path"}
    for check in (True, False):
        done = host.modules.run("storage_pool", args, check=check)
        said = f"storage_pool/{name} {field}: {images}/gone is not there"
        assert str(done["msg"]).startswith(said), done
    with pytest.raises(PrivateLibvirtdError):
        host.libvirtd.virsh("pool-start", name)
    assert not host.modules.run("storage_pool", {"name": name, "state": "present"})["changed"]


def test_a_folder_that_is_built_need_not_be_there(host: Host, prefix: str, images: Path) -> None:
    pool = {"name": f"{prefix}pool", "type": "dir", "path": f"{images}/gone", "state": "inactive"}
    for state in ("inactive", "active"):
        done = host.modules.run("storage_pool", {**pool, "state": state})
        assert not done.get("failed"), done["msg"]
