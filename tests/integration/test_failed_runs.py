"""A run that fails tells the truth: what was done of it, what was not, and how things are now."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

Result = dict[str, Any]
SMALL = {"size": "64MiB"}
# A port that only QEMU finds out about.
NOWHERE = {"type": "file", "path": "/proc/serial.log"}


def failed(modules: ModuleServer, module: str, **args: Any) -> Result:
    """A run that fails, though check mode could not see it."""
    assert not modules.run(module, args, check=True).get("failed")
    done = modules.run(module, args)
    assert done.get("failed"), done
    return done


def test_a_vm_that_was_defined_and_did_not_start(modules: ModuleServer, prefix: str) -> None:
    name = f"{prefix}vm"
    done = failed(modules, "vm", name=name, memory=SMALL, serial=NOWHERE, state="running")
    assert done["changed"]
    assert done["vm"]["state"] == "stopped" and done["vm"]["memory"]["size"] == "64MiB"
    assert done["errors"] == [done["msg"]]
    assert done["msg"].startswith(f"vm/{name}: libvirt did not start it: ")
    end = "; it was defined; not done: state; run again when the cause is gone"
    assert done["msg"].endswith(end), done["msg"]


def test_nothing_is_changed_by_a_start_that_fails(modules: ModuleServer, prefix: str) -> None:
    vm = {"name": f"{prefix}vm", "memory": SMALL, "serial": NOWHERE}
    assert modules.run("vm", vm)["changed"]
    done = failed(modules, "vm", **vm, state="running")
    assert not done["changed"] and "run again" not in done["msg"]
    done = failed(modules, "vm", **vm, state="running", title="with this")
    assert done["changed"] and done["vm"]["title"] == "with this"
    assert "; done: title; not done: state; run again" in done["msg"]


def test_a_live_change_that_is_refused(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str
) -> None:
    name, switch = f"{prefix}vm", {"name": f"{prefix}net", "type": "isolated"}
    assert modules.run("vswitch", switch)["changed"]
    vm = {"name": name, "memory": SMALL, "virt_type": "qemu"}
    assert modules.run("vm", {**vm, "state": "running"})["changed"]
    bridge = ET.fromstring(libvirtd.virsh("net-dumpxml", switch["name"])).find("bridge")
    libvirtd.run(["ip", "link", "del", bridge.get("name")])  # libvirt has not seen that
    nics = [{"name": "lan", "vswitch": switch["name"]}]
    done = failed(modules, "host_config", vms=[{**vm, "title": "told", "nics": nics}])
    assert done["changed"]
    assert "libvirt refused to change it on the running VM" in done["msg"]
    assert "; done: title; not done: nics.lan; run again" in done["msg"]
    [told] = [one for one in done["results"] if one["resource"] == f"vm/{name}"]
    assert told["changed"] and told["error"] == done["msg"]
    assert "<title>told</title>" in libvirtd.virsh("dumpxml", name)


def test_a_pool_that_does_not_start(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path
) -> None:
    libvirtd.outside(images / "file").write_text("no folder")
    pool = {"name": f"{prefix}pool", "type": "dir", "path": f"{images}/file/pool"}
    done = failed(modules, "storage_pool", **pool)  # what was made just now is taken away again
    assert not done["changed"] and done["storage_pool"]["state"] == "absent"
    libvirtd.virsh("pool-define-as", pool["name"], "dir", "--target", pool["path"])
    done = failed(modules, "storage_pool", **pool, autostart=True)
    assert done["changed"] and done["storage_pool"]["autostart"] is True
    assert done["storage_pool"]["state"] == "inactive"
    assert "; done: autostart; not done: state; run again" in done["msg"]
