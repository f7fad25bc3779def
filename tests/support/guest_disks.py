"""A VM whose disk moves between two pools of one host, looked at by virsh and qemu-img alone."""

from __future__ import annotations

import json
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.counting_guest import counted, make_image
from support.module_process import start_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

WAIT_S = 120.0
COUNTS_MIB = 8  # of its disk; what is beyond has one byte all over
Result = dict[str, Any]


class GuestDisk:
    """A VM with one disk, in the first of two pools of files."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, folder: Path
    ) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.folder = folder
        self.vm = f"{prefix}vm"
        self.ballast_mib = 0
        self.slow, self.fast = f"{prefix}slow", f"{prefix}fast"
        for pool in (self.slow, self.fast):
            self.run("storage_pool", name=pool, type="dir", path=str(folder / pool))

    # ---- before

    def start_counting(self, ballast_mib: int = 0, compressed: bool = False) -> None:
        """The VM, whose guest counts by now, with data beyond that takes its time to be copied."""
        image = self.outside(self.slow, "root.qcow2")
        make_image(image, 1, COUNTS_MIB)
        if ballast_mib:
            self._add_ballast(image, ballast_mib, "write -c" if compressed else "write")
        self.declare(state="running")
        wait_until(lambda: self.counted() > 3, WAIT_S, "the guest to count")

    def _add_ballast(self, image: Path, mib: int, write: str) -> None:
        # What is compressed is written a cluster at a time.
        clusters = range(COUNTS_MIB * 16, (COUNTS_MIB + mib) * 16)
        commands = [f"{write} -P 7 {at * 64}k 64k" for at in clusters]
        resize = ["qemu-img", "resize", str(image), f"{COUNTS_MIB + mib}M"]
        fill = ["qemu-io", "-f", "qcow2", str(image)]
        subprocess.run(resize, check=True, capture_output=True)
        text = "\n".join([*commands, "quit"])
        subprocess.run(fill, check=True, capture_output=True, input=text, text=True)
        self.ballast_mib = mib

    def declare(self, **options: Any) -> Result:
        """Declare the VM with its disk where it is first."""
        return self.run("vm", **self.declared(**options))

    def declared(self, disk: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """The declaration of the VM with its disk."""
        first = {"pool": self.slow, "volume": "root.qcow2", "format": "qcow2"}
        base = {"name": self.vm, "virt_type": "qemu", "machine": "pc"}
        disks = [{"name": "root", **(disk or first)}]
        memory = {"memory": {"size": "32MiB"}, "video": "none"}
        return {**base, **memory, "disks": disks, **options}

    # ---- the module

    def run(self, module: str, check: bool = False, **args: Any) -> Result:
        """A module that has to succeed."""
        done = self.modules.run(module, args, check)
        assert not done.get("failed"), done["msg"]
        return done

    def seen(self) -> tuple[Any, ...]:
        """What check mode has to leave alone."""
        raise NotImplementedError

    def as_planned(self, module: str, *also: str, **args: Any) -> Result:
        """A module that does what it said in check mode, which changed nothing."""
        before = self.seen()
        planned = self.run(module, check=True, **args)
        assert self.seen() == before, "check mode has no effect"
        done = self.run(module, **args)
        for said in ("plan", "diff", "summary", "changed", *also):
            assert planned[said] == done[said], said
        return done

    def args(self, **options: Any) -> dict[str, Any]:
        """What is given to the module."""
        return {"vm": self.vm, "disk": "root", "pool": self.fast, **options}

    def move(self, **options: Any) -> Result:
        """Plan, move, and see that the plan was what happened, and that it is over."""
        args = self.args(**options)
        before = self.definitions(), self.files()
        planned = self.run("storage_migration", check=True, **args)
        assert (self.definitions(), self.files()) == before, "check mode has no effect"
        done = self.run("storage_migration", **args)
        for said in ("plan", "diff", "summary", "disk", "changed"):
            assert planned[said] == done[said], said
        self.is_settled(args)
        return done

    def is_settled(self, args: dict[str, Any]) -> None:
        """A second run finds nothing to do, and nothing says any more that a disk moves."""
        again = self.run("storage_migration", **args)
        assert (again["changed"], again["plan"], again["diff"]) == (False, [], [])
        for definition in self.definitions():
            assert "fleet-disk" not in definition
        assert [name for name in self.files() if name.endswith(".partial")] == []

    def refused(self, check: bool = True, **options: Any) -> str:
        """What is said of what cannot be, and changes nothing."""
        before = self.definitions(), self.files()
        done = self.modules.run("storage_migration", self.args(**options), check)
        assert done.get("failed"), done
        assert (self.definitions(), self.files()) == before
        return str(done["msg"])

    def begin(self, **options: Any) -> subprocess.Popen[str]:
        """Start the module, to be disturbed."""
        return start_module("storage_migration", self.args(**options), self.libvirtd)

    def comes_to(self, what: Callable[[Result], bool], process: Any) -> None:
        """Wait until libvirt's job on the disk is so far; fail if the module ends before that."""
        deadline = time.monotonic() + WAIT_S
        while not what(self.job()):
            if process.poll() is not None:
                raise AssertionError(f"it ended before that: {process.communicate()}")
            assert time.monotonic() < deadline, f"it did not come to that: {self.job()}"
            time.sleep(0.1)

    # ---- QEMU itself

    def monitor(self, command: str, **arguments: Any) -> Any:
        """What it answers to a command."""
        asked = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(self.libvirtd.virsh("qemu-monitor-command", self.vm, asked))["return"]

    def write(self, command: str) -> None:
        """Have it write to the disk under the guest."""
        told = self.monitor("query-block")
        [device] = [one["qdev"] for one in told if one.get("inserted")]
        text = f'qemu-io -d {device} "{command}"'
        said = self.libvirtd.virsh("qemu-monitor-command", self.vm, "--hmp", text)
        assert said.strip() == "", said

    def bitmaps(self) -> list[str]:
        """Those of all disks."""
        nodes = self.monitor("query-named-block-nodes")
        return [one["name"] for node in nodes for one in node.get("dirty-bitmaps", ())]

    # ---- what virsh and files say

    def job(self) -> Result:
        """How far libvirt's job on the disk is, in bytes."""
        done = self.libvirtd.try_run(["virsh", "-q", "blockjob", self.vm, "vda", "--raw"])
        told = (one.strip().split("=", 1) for one in done.stdout.splitlines() if "=" in one)
        return {name.strip(): value for name, value in told}

    def outside(self, pool: str, name: str) -> Path:
        """A volume of a pool, as it is reached from here."""
        return self.libvirtd.outside(self.folder / pool / name)

    def files(self) -> list[str]:
        """The files of both pools."""
        return sorted(
            f"{pool[len(self.vm) - 2 :]}/{path.name}"
            for pool in (self.slow, self.fast)
            for path in self.libvirtd.outside(self.folder / pool).iterdir()
        )

    def definitions(self) -> list[str]:
        """The VM as it runs, or else twice as it is stored."""
        return [self.libvirtd.virsh("dumpxml", self.vm, *flags) for flags in ([], ["--inactive"])]

    def image(self) -> tuple[str, str]:
        """The path and the format of its disk, which has to be the same stored and live."""
        found = []
        for definition in self.definitions():
            [disk] = ET.fromstring(definition).findall("devices/disk[@device='disk']")
            assert disk.find("mirror") is None
            source, driver = disk.find("source"), disk.find("driver")
            assert source is not None and driver is not None
            found.append((source.get("file") or source.get("dev") or "", driver.get("type", "")))
        assert found[0] == found[1], found
        return found[0]

    def lay_out(self, **options: str) -> None:
        """Let its disk be an empty image that is laid out in some way."""
        said = ",".join(f"{name}={value}" for name, value in options.items())
        image = str(self.outside(self.slow, "root.qcow2"))
        make = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", said, image, "8M"]
        subprocess.run(make, check=True)

    def layout(self) -> tuple[str, int, bool, bool]:
        """How the image of its disk is laid out: compat, cluster size, lazy refcounts, extended
        L2."""
        image = str(self.libvirtd.outside(self.image()[0]))
        told = ["qemu-img", "info", "-U", "--output=json", image]
        info = json.loads(subprocess.run(told, check=True, capture_output=True, text=True).stdout)
        more = info["format-specific"]["data"]
        flags = (bool(more.get(name)) for name in ("lazy-refcounts", "extended-l2"))
        return (more["compat"], info["cluster-size"], *flags)  # type: ignore[return-value]

    def counted(self) -> int:
        """How far the guest has counted on the disk that it has."""
        return counted(self.libvirtd.outside(self.image()[0]), COUNTS_MIB)

    def counted_of_old(self) -> int:
        """How far it has counted on its first volume, be it there or not."""
        return counted(self.outside(self.slow, "root.qcow2"), COUNTS_MIB)

    def has_its_ballast(self) -> None:
        """What is beyond what the guest writes to is as it was."""
        path = self.libvirtd.outside(self.image()[0])
        raw = path.with_name(f"{path.name}.seen")
        convert = ["qemu-img", "convert", "-U", "-O", "raw", str(path), str(raw)]
        subprocess.run(convert, check=True, capture_output=True)
        with raw.open("rb") as file:
            file.seek(COUNTS_MIB * 2**20)
            seen = file.read()
        raw.unlink()
        assert seen == b"\7" * len(seen) and len(seen) == self.ballast_mib * 2**20

    def counts_on(self, at_least: int) -> None:
        """The guest has lost nothing, and goes on with what it did, on the disk that it has."""
        before = self.counted()
        assert before >= at_least
        wait_until(lambda: self.counted() > before + 2, WAIT_S, "the guest to go on")
