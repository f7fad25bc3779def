"""Runs that end in the middle: libvirtd is killed, or the module itself. The next run converges."""

from __future__ import annotations

import json
import random
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import libvirt
import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.applier_start import resume, start
from support.leftovers import remove_all
from support.module_process import kill_module, start_module
from support.module_server import ModuleServer
from support.observer import Observer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]
TIMEOUT_S = 600
# A run may come to its end before it is interrupted, where this process waits for a processor.
ATTEMPTS = 10

# Files of libvirt's that show how far a run has come, in the order in which they appear.
POINTS = {
    "the pool is defined": "/etc/libvirt/storage/{prefix}pool.xml",
    "the first volume is claimed": "{images}/.empty.partial",
    "a copy is being made": "{images}/.copy.partial",
    "an upload has begun": "{images}/upload",
    "a clone is made": "{images}/clone",
    "the first vswitch is defined": "/etc/libvirt/qemu/networks/{prefix}a.xml",
    "the second vswitch is defined": "/etc/libvirt/qemu/networks/{prefix}b.xml",
    "the first VM's seed is claimed": "{images}/.{prefix}one-cidata.iso.partial",
    "the first VM's seed is made": "{images}/{prefix}one-cidata.iso",
    "the first VM is defined": "/etc/libvirt/qemu/{prefix}one.xml",
    "the first VM starts": "/run/libvirt/qemu/{prefix}one.pid",
    "the second VM is defined": "/etc/libvirt/qemu/{prefix}two.xml",
}


class Interrupted:
    """A declaration of a whole host, and runs of it that do not come to their end."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, args: Args) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.args = args

    def start(self) -> subprocess.Popen[str]:
        return start_module("host_config", self.args, self.libvirtd)

    def run(self) -> dict[str, Any]:
        return self.modules.run("host_config", self.args)

    def converges(self) -> None:
        """The next run brings all about, and the one after it finds nothing to do."""
        done = self.run()
        assert not done.get("failed"), done["msg"]
        again = self.run()
        assert (again["changed"], again["plan"]) == (False, []), again


@pytest.fixture
def interrupted(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path, tmp_path: Path
) -> Interrupted:
    image = tmp_path / "image.raw"
    image.write_bytes(random.Random(0).randbytes(24 * 2**20))
    pool = f"{prefix}pool"
    volumes = [
        {"name": "empty", "capacity": "8MiB"},
        {"name": "upload", "image": str(image)},
        {"name": "copy", "copy_of": {"volume": "upload"}, "format": "raw"},
        {"name": "clone", "capacity": "32MiB", "backing": {"volume": "upload"}},
    ]
    args = {
        "storage_pools": [{"name": pool, "type": "dir", "path": str(images)}],
        "storage_volumes": [{"pool": pool, **volume} for volume in volumes],
        "vswitches": [
            {"name": f"{prefix}a", "type": "isolated"},
            {"name": f"{prefix}b", "address": "192.0.2.1/29"},
        ],
        "vms": [_vm(f"{prefix}{name}", pool, f"{prefix}b") for name in ("one", "two")],
    }
    args["vms"][0]["cloud_init"] = {"hostname": "one"}
    return Interrupted(libvirtd, modules, args)


def _vm(name: str, pool: str, vswitch: str) -> Args:
    """A VM that needs no system, since it is started paused."""
    return {
        "name": name,
        "virt_type": "qemu",
        "memory": {"size": "32MiB"},
        "disks": [{"name": "root", "pool": pool, "capacity": "4MiB"}],
        "nics": [{"name": "lan", "vswitch": vswitch}],
        "state": "paused",
    }


def _came_to(path: Path, process: subprocess.Popen[str]) -> None:
    def there() -> bool:
        return path.exists() or process.poll() is not None

    deadline = time.monotonic() + TIMEOUT_S
    while not there():
        assert time.monotonic() < deadline, f"there was no {path} in {TIMEOUT_S} s"
        time.sleep(0.001)


def _said_clearly(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What an interrupted run said: that the connection was lost, unless it was done before."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert "Traceback" not in out + err, out + err
    said: dict[str, Any] = json.loads(out)
    if said.get("failed"):
        told = said["msg"]
        assert "connection to libvirt" in told and "run again" in told, told
    return said


def _is_whole(interrupted: Interrupted, images: Path) -> None:
    """The volumes have their contents, and nothing of the work on them is left."""
    folder = interrupted.libvirtd.outside(images)
    names = {path.name for path in folder.iterdir()}
    assert not [name for name in names if name.endswith(".partial")]
    image = Path(interrupted.args["storage_volumes"][1]["image"]).read_bytes()
    for name in ("upload", "copy"):
        assert (folder / name).read_bytes() == image, f"{name} is not what it was made from"


def _definitions_are_whole(libvirtd: PrivateLibvirtd, prefix: str) -> None:
    with closing(Observer(libvirtd, prefix)) as observer:
        seen = observer.dump()
    for name in ("one", "two"):
        assert "(3, 1," in seen[f"vm/{prefix}{name} facts"]  # paused, active
        assert f"{prefix}{name}-root.qcow2" in seen[f"vm/{prefix}{name} live"]


def _converges_whole(interrupted: Interrupted, prefix: str, images: Path) -> None:
    interrupted.converges()
    _is_whole(interrupted, images)
    _definitions_are_whole(interrupted.libvirtd, prefix)


@pytest.mark.parametrize("point", POINTS)
def test_libvirtd_is_killed(
    point: str, interrupted: Interrupted, libvirtd: PrivateLibvirtd, prefix: str, images: Path
) -> None:
    def kill(process: subprocess.Popen[str]) -> bool:
        libvirtd.kill()
        said = _said_clearly(process)
        libvirtd.start_libvirtd()
        return bool(said.get("failed"))

    path = libvirtd.outside(POINTS[point].format(prefix=prefix, images=images))
    _converges_after(kill, path, interrupted, prefix, images)


@pytest.mark.parametrize("point", list(POINTS)[1::3])
def test_the_module_is_killed(
    point: str, interrupted: Interrupted, libvirtd: PrivateLibvirtd, prefix: str, images: Path
) -> None:
    def kill(process: subprocess.Popen[str]) -> bool:
        kill_module(process)
        return not process.communicate(timeout=TIMEOUT_S)[0]

    path = libvirtd.outside(POINTS[point].format(prefix=prefix, images=images))
    _converges_after(kill, path, interrupted, prefix, images)


def _converges_after(
    interrupt: Callable[[subprocess.Popen[str]], bool],
    path: Path,
    interrupted: Interrupted,
    prefix: str,
    images: Path,
) -> None:
    """Whenever the run was interrupted, the next one converges; once at least it was in time."""
    for _attempt in range(ATTEMPTS):
        process = interrupted.start()
        _came_to(path, process)
        in_time = interrupt(process)
        _converges_whole(interrupted, prefix, images)
        if in_time:
            return
        _begin_anew(interrupted.libvirtd, prefix, images)
    pytest.fail("the run always came to its end before it was interrupted")


def _begin_anew(libvirtd: PrivateLibvirtd, prefix: str, images: Path) -> None:
    remove_all(libvirtd.uri, prefix)
    for file in libvirtd.outside(images).iterdir():
        file.unlink()


def test_a_run_without_libvirtd_says_so(interrupted: Interrupted) -> None:
    interrupted.libvirtd.kill()
    done = interrupted.run()
    assert done["failed"] and "cannot connect to libvirt" in done["msg"]
    assert "see that its daemon runs" in done["msg"]
    interrupted.libvirtd.start_libvirtd()
    interrupted.converges()


def test_libvirtd_is_killed_at_any_time(
    interrupted: Interrupted, libvirtd: PrivateLibvirtd
) -> None:
    """Also between two points, and before anything was changed."""
    for delay in (0.3, 0.5, 0.7):
        process = interrupted.start()
        time.sleep(delay)
        libvirtd.kill()
        out, err = process.communicate(timeout=TIMEOUT_S)
        assert "Traceback" not in out + err, out + err
        libvirtd.start_libvirtd()
    interrupted.converges()


def test_the_bridge_of_an_interrupted_start_goes(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str
) -> None:
    vswitch = {"name": f"{prefix}net", "type": "isolated"}
    modules.run("vswitch", {**vswitch, "state": "inactive"})
    xml = libvirtd.virsh("net-dumpxml", vswitch["name"])
    mac, bridge = (ET.fromstring(xml).find(tag).attrib for tag in ("mac", "bridge"))
    add = ["ip", "link", "add", bridge["name"], "address"]
    libvirtd.run([*add, mac["address"], "type", "bridge"])
    predicted = modules.run("vswitch", vswitch, check=True)
    done = modules.run("vswitch", vswitch)
    assert done["plan"][0]["field"] == "leftovers"
    assert not done.get("failed") and predicted["plan"] == done["plan"]
    assert vswitch["name"] in libvirtd.virsh("net-list", "--name")
    assert modules.run("vswitch", vswitch)["plan"] == []


def test_a_bridge_of_others_stays(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str
) -> None:
    bridge = f"vs-{prefix}net"
    libvirtd.run(["ip", "link", "add", bridge, "type", "bridge"])
    done = modules.run("vswitch", {"name": f"{prefix}net", "type": "isolated"})
    assert done["failed"] and f"the host has an interface {bridge} already" in done["msg"]
    libvirtd.run(["ip", "link", "delete", bridge])


# ---- between the stop and the start of a restart


@pytest.fixture
def restarting(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Interrupted:
    """A VM that runs, and whose restart takes a while: without a system it hears no button."""
    vm = {"name": f"{prefix}vm", "virt_type": "qemu", "memory": {"size": "32MiB"}}
    interrupted = Interrupted(libvirtd, modules, {"vms": [{**vm, "state": "running"}]})
    interrupted.converges()
    # Long enough to be killed in the midst of it, also when the processor has much else to do.
    shutdown = {"timeout_s": 10, "on_timeout": "power_off"}
    restarted = {**vm, "cpu": {"maximum": 3}, "apply": "restart", "shutdown": shutdown}
    return Interrupted(libvirtd, modules, {"vms": [restarted]})


def _state(libvirtd: PrivateLibvirtd, vm: str) -> str:
    return libvirtd.virsh("domstate", vm).strip()


def _is_marked(libvirtd: PrivateLibvirtd, vm: str) -> bool:
    return "<fleet-restart:restart" in libvirtd.virsh("dumpxml", "--inactive", vm)


def test_the_module_is_killed_before_a_restart(
    restarting: Interrupted, libvirtd: PrivateLibvirtd, prefix: str
) -> None:
    vm = f"{prefix}vm"
    process = restarting.start()
    deadline = time.monotonic() + TIMEOUT_S
    while not _is_marked(libvirtd, vm):
        assert time.monotonic() < deadline, f"no restart of the VM was begun in {TIMEOUT_S} s"
    kill_module(process)
    process.communicate(timeout=TIMEOUT_S)
    assert _is_marked(libvirtd, vm) and _state(libvirtd, vm) == "running"
    restarting.converges()
    assert not _is_marked(libvirtd, vm) and _state(libvirtd, vm) == "running"
    assert ET.fromstring(libvirtd.virsh("dumpxml", vm)).findtext("vcpu") == "3"


@pytest.mark.parametrize("state", ["present", "stopped"])
def test_a_vm_that_a_restart_left_off_is_started_unless_it_is_to_be_off(
    state: str, restarting: Interrupted, libvirtd: PrivateLibvirtd, prefix: str
) -> None:
    vm = f"{prefix}vm"
    mark = ["--key", "fleet-restart", "--set", "<restart to='running'/>"]
    libvirtd.virsh("metadata", vm, "urn:kvm.fleet:1:restart", "--config", *mark)
    libvirtd.virsh("destroy", vm)
    restarting.args["vms"][0].update(state=state, apply="live")
    predicted = restarting.modules.run("host_config", restarting.args, check=True)
    done = restarting.run()
    assert predicted["plan"] == done["plan"] and done["changed"], done
    assert _state(libvirtd, vm) == {"present": "running", "stopped": "shut off"}[state]
    assert not _is_marked(libvirtd, vm)
    restarting.converges()


def test_a_vm_that_was_saved_meanwhile_stays_saved(
    restarting: Interrupted, libvirtd: PrivateLibvirtd, prefix: str
) -> None:
    vm = f"{prefix}vm"
    mark = ["--key", "fleet-restart", "--set", "<restart to='running'/>"]
    libvirtd.virsh("metadata", vm, "urn:kvm.fleet:1:restart", "--config", *mark)
    libvirtd.virsh("managedsave", vm)
    restarting.args["vms"][0].update(apply="live")
    restarting.converges()
    assert not _is_marked(libvirtd, vm) and _state(libvirtd, vm) == "shut off"
    assert "Managed save:   yes" in libvirtd.virsh("dominfo", vm)


def test_a_start_that_a_killed_run_began_is_no_fault_of_the_next(
    restarting: Interrupted, libvirtd: PrivateLibvirtd, prefix: str
) -> None:
    """libvirt shows a VM that is starting as paused, so that it runs before it is resumed."""
    with closing(libvirt.open(libvirtd.uri)) as connection:
        dom = connection.lookupByName(f"{prefix}vm")
        resume(dom)
        start(dom)
    assert _state(libvirtd, f"{prefix}vm") == "running"
