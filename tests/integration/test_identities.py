"""What is declared anew, and is there under another name, is told by the plan."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.private_libvirtd import PrivateLibvirtd

SMALL = {"size": "64MiB"}
KINDS = {
    "vm": ("domain", {"memory": SMALL}),
    "vswitch": ("net", {"type": "isolated"}),
    "storage_pool": (
        "pool",
        {"type": "dir", "path": "/var/lib/libvirt/images", "state": "present"},
    ),
}


@pytest.mark.parametrize("module", sorted(KINDS))
def test_another_has_the_uuid_already(
    module: str,
    libvirtd: PrivateLibvirtd,
    modules: ModuleServer,
    observer: Observer,
    prefix: str,
) -> None:
    tag, options = KINDS[module]
    args = {"name": f"{prefix}web", **options}
    made = modules.run(module, args)
    assert made["changed"]
    command = {"domain": ""}.get(tag, f"{tag}-")
    tree = ET.fromstring(libvirtd.virsh(f"{command}dumpxml", args["name"], "--inactive"))
    assert modules.run(module, {"name": args["name"], "state": "absent"})["changed"]
    name = tree.find("name")
    assert name is not None
    name.text = f"{prefix}old"
    text = ET.tostring(tree, encoding="unicode")
    for was, becomes in (("vs-", "vt-"), ("libvirt/images", "libvirt/other")):
        text = text.replace(was, becomes)  # the UUID is all that they have in common
    libvirtd.run(["virsh", f"{command}define", "/dev/stdin"], stdin=text)
    with observer.unchanged():
        said = [modules.run(module, args, check=check) for check in (True, False)]
    uuid = tree.findtext("uuid")
    for one in said:
        assert one["failed"] and one["msg"].startswith(
            f"{module}/{prefix}web name: its UUID {uuid}, which follows from its name, is that of "
            f"{prefix}old: the same one under another name"
        ), one["msg"]


def test_the_old_name_goes_in_the_same_run(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str
) -> None:
    vm = {"name": f"{prefix}web", "memory": SMALL}
    assert modules.run("vm", vm)["changed"]
    libvirtd.virsh("domrename", vm["name"], f"{prefix}old")
    said = modules.run("vm", vm, check=True)
    assert f"rename it back (virsh domrename {prefix}old {prefix}web)" in said["msg"]
    vms = [vm, {"name": f"{prefix}old", "state": "absent"}]
    for check in (True, False):
        done = modules.run("host_config", {"vms": vms}, check=check)
        assert done["changed"] and not done.get("failed"), done
