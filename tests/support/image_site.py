"""A pool, and VMs with disks in it, of which some are made by others than the collection."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]
Result = dict[str, Any]


class ImageSite:
    """A pool, and a VM with a disk in it."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, folder: Path
    ) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.vm = f"{prefix}vm"
        self.pool = f"{prefix}pool"
        self.folder = folder / "pool"
        self.base = f"{self.folder}/{self.vm}-root.qcow2"
        self.run("storage_pool", name=self.pool, type="dir", path=str(self.folder))

    def run(self, module: str, check: bool = False, **args: Any) -> Result:
        done = self.modules.run(module, args, check)
        assert not done.get("failed"), done["msg"]
        return done

    def refused(self, module: str = "vm", **args: Any) -> str:
        """What is said in check mode and by a run, which are the same and change nothing."""
        said = [self.modules.run(module, args, check) for check in (True, False)]
        assert all(one.get("failed") for one in said), said
        assert said[0]["msg"] == said[1]["msg"]
        return str(said[1]["msg"])

    def args(self, **options: Any) -> Args:
        disk = {"name": "root", "pool": self.pool, "capacity": "10MiB"}
        base = {"name": self.vm, "virt_type": "qemu", "memory": {"size": "64MiB"}}
        return {**base, "disks": [disk], **options}

    def declare(self, **options: Any) -> Result:
        """Declare the VM: the run does what check mode said, and a second one nothing."""
        args = self.args(**options)
        predicted = self.run("vm", check=True, **args)
        done = self.run("vm", **args)
        assert predicted["plan"] == done["plan"]
        again = self.run("vm", **args)
        assert (again["changed"], again["plan"]) == (False, []), again
        return done

    def remove(self, **options: Any) -> Result:
        """Have the VM absent, as check mode said."""
        how = {"timeout_s": 1, "on_timeout": "power_off"}
        args = {"name": self.vm, "state": "absent", "shutdown": how, **options}
        predicted = self.run("vm", check=True, **args)
        done = self.run("vm", **args)
        assert predicted["plan"] == done["plan"]
        assert not self.run("vm", **args)["changed"]
        return done

    def files(self) -> set[str]:
        return {path.name for path in self.libvirtd.outside(self.folder).iterdir()}

    def virsh(self, *arguments: str) -> str:
        return self.libvirtd.virsh(*arguments)

    def snapshot(self, name: str, *more: str) -> str:
        """Take one as backup tools do, by default with a record in libvirt; the overlay's path."""
        self.virsh("snapshot-create-as", self.vm, name, "--disk-only", *more)
        return f"{self.folder}/{self.vm}-root.{name}"

    def xml(self, *flags: str) -> ET.Element:
        return ET.fromstring(self.virsh("dumpxml", self.vm, *flags))

    def sources(self) -> set[str]:
        """What the disks write to, stored and live."""
        trees = [self.xml(), self.xml("--inactive")]
        return {
            source.get("file", "")
            for tree in trees
            for source in tree.iterfind("devices/disk/source")
        }

    def define(self, *disks: str, name: str = "") -> None:
        """A VM as others make it: without aliases of ours."""
        text = f"""
            <domain type='qemu'><name>{name or self.vm}</name><memory unit='MiB'>64</memory>
            <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
            <devices>{"".join(disks)}</devices></domain>"""
        self.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text)

    def image(self, name: str, *options: str) -> str:
        path = name if name.startswith("/") else f"{self.folder}/{name}"
        self.libvirtd.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, "10M"])
        self.libvirtd.run(["chmod", "666", path])
        self.virsh("pool-refresh", self.pool)
        return path


def disk_xml(path: str, target: str = "vda", form: str = "qcow2", more: str = "") -> str:
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/>"
        f"<source file='{path}'/><target dev='{target}' bus='virtio'/>{more}</disk>"
    )
