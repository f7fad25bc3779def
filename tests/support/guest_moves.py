"""A guest on one of two hosts, moved by the module and looked at by virsh and qemu-img alone."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import libvirt

from support.ansible_runs import run_module
from support.counting_guest import counted, make_image
from support.leftovers import remove_all
from support.module_process import start_module
from support.observer import Observer
from support.private_libvirtd import IMAGES, wait_until
from support.two_hosts import TwinHost, TwoHosts

WAIT_S = 120.0
DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name>
  <metadata><x:note xmlns:x='urn:example'>kept</x:note></metadata>
  <memory unit='MiB'>{memory_mib}</memory>
  {os}
  <on_poweroff>destroy</on_poweroff>
  <devices>
    {devices}
    <memballoon model='none'/>
    <video><model type='none'/></video>
  </devices>
</domain>
"""
BIOS = "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
DISK = """\
<disk type='file' device='disk'>
  <driver name='qemu' type='{form}' cache='none'/>
  <source file='{path}'/>
  <target dev='{target}' bus='virtio'/>
</disk>
"""


class Moves:
    """One VM and its images on two hosts, whose names begin with a prefix of the test."""

    def __init__(self, hosts: TwoHosts, prefix: str) -> None:
        self.hosts = hosts
        self.source, self.target = hosts.both
        self.name = f"{prefix}web"
        self.pool = f"{prefix}pool"
        self.prefix = prefix
        self.images = IMAGES / f"{prefix}images"

    # ---- before

    def make_pools(self) -> None:
        """A pool on each host, of the same name and path; the files are each host's own."""
        for host in self.hosts.both:
            host.outside(self.images).mkdir(mode=0o711)
            host.virsh("pool-define-as", self.pool, "dir", "--target", str(self.images))
            host.virsh("pool-start", self.pool)

    def clear(self) -> None:
        """Remove all of it from both hosts, whatever a test did."""
        self.hosts.mend()
        for host in self.hosts.both:
            remove_all(host.uri, self.prefix)
            remove_all(host.uri, "kvm-fleet-move-")
            shutil.rmtree(host.outside(self.images))

    def image(self, host: TwinHost, disk: str = "root") -> Path:
        """An image on a host, as it is reached from here."""
        return host.outside(self.images / f"{disk}.qcow2")

    def define(self, *disks: str, os: str = BIOS, more: str = "", memory_mib: int = 32) -> None:
        """The VM at the source, with these disks of its pool."""
        devices = "".join(
            DISK.format(form="qcow2", path=self.images / f"{disk}.qcow2", target=f"vd{'abc'[at]}")
            for at, disk in enumerate(disks)
        )
        self.source.virsh("pool-refresh", self.pool)
        text = DOMAIN.format(name=self.name, os=os, devices=devices + more, memory_mib=memory_mib)
        path = self.source.outside(self.images) / "domain.xml"
        path.write_text(text)
        self.source.virsh("define", str(self.images / "domain.xml"))
        path.unlink()

    def start_counting(self, fill_mib: int = 1, size_mib: int = 8) -> None:
        """The VM at the source, whose guest counts by now."""
        make_image(self.image(self.source), fill_mib, size_mib)
        self.define("root")
        self.source.virsh("start", self.name)
        wait_until(lambda: counted(self.image(self.source)) > 3, WAIT_S, "the guest to count")

    # ---- the module

    def args(self, to: TwinHost, on: TwinHost | None, **options: Any) -> dict[str, Any]:
        """What is given to the module where it runs on one of the hosts, or on neither."""
        reached = {
            host.name: {"uri": "qemu:///system" if host is on else host.tcp_uri}
            for host in self.hosts.both
        }
        network = {} if options.get("mode") == "offline" else {"network": to.data}
        return {"name": self.name, "host": to.name, "hosts": reached, **network, **options}

    def move(
        self, to: TwinHost | None = None, check: bool = False, on: str = "source", **options: Any
    ) -> dict[str, Any]:
        """Run the module on one of the hosts (`source`, `target`), or on `neither`."""
        to = to or self.target
        at = {"source": self.source, "target": self.target, "neither": None}[on]
        args = self.args(to, at, **options)
        return run_module("migration", args, check=check, on=at or self.source)

    def begin(self, **options: Any) -> subprocess.Popen[str]:
        """Start the module at the source, to be disturbed."""
        return start_module(
            "migration", self.args(self.target, self.source, **options), self.source
        )

    # ---- what virsh and files say

    def states(self) -> dict[str, str]:
        """The VM's state on each host that has it."""
        found = {}
        for host in self.hosts.both:
            done = host.try_run(["virsh", "--quiet", "domstate", self.name])
            if done.returncode == 0:
                found[host.name] = done.stdout.strip()
        return found

    def definition(self, host: TwinHost, *options: str) -> str:
        """The definition on a host."""
        return host.virsh("dumpxml", self.name, *options)

    def files(self, host: TwinHost) -> list[str]:
        """The files in the folder of the pool."""
        return sorted(path.name for path in host.outside(self.images).iterdir())

    def processes(self, host: TwinHost) -> list[str]:
        """QEMU and what else runs there for VMs."""
        names = host.run(["bash", "-c", "cat /proc/[0-9]*/comm"]).split()
        return sorted(name for name in names if name.startswith(("qemu", "swtpm")))

    def seen(self, host: TwinHost) -> dict[str, str]:
        """All that is on a host, but what the guest itself writes to the image that it has."""
        with closing(Observer(host, self.prefix)) as observer:
            seen = observer.dump()
        seen["processes"] = " ".join(self.processes(host))
        seen["files"] = " ".join(self.files(host))
        running = self.states().get(host.name) == "running"
        written = ("root.qcow2 stored", "pool files") if running else ()
        return {name: text for name, text in seen.items() if not name.endswith(written)}

    def lives_only_at(self, host: TwinHost, state: str = "running") -> None:
        """The VM is there alone, nothing says any more that it moves, and nothing is half-made."""
        assert self.states() == {host.name: state}
        for options in ([], ["--inactive"]):
            assert "fleet-move" not in self.definition(host, *options)
            assert ">kept</x:note>" in self.definition(host, *options)
        for one in self.hosts.both:
            assert [
                name for name in self.files(one) if name.endswith((".partial", ".moving"))
            ] == []
            assert "kvm-fleet-move" not in one.virsh("pool-list", "--all")
        others = [one for one in self.hosts.both if one is not host]
        assert [self.processes(one) for one in others] == [[]]

    def counts_on(self, host: TwinHost, at_least: int = 0) -> int:
        """The guest has lost nothing, and goes on with what it did."""
        before = counted(self.image(host))
        assert before >= at_least
        wait_until(lambda: counted(self.image(host)) > before + 2, WAIT_S, "the guest to go on")
        return before

    def job(self) -> dict[str, Any]:
        """How far the migration is, as libvirt at the source tells."""
        connection = libvirt.open(self.source.uri)
        try:
            stats: dict[str, Any] = connection.lookupByName(self.name).jobStats()
        except libvirt.libvirtError:
            return {}
        finally:
            connection.close()
        return stats

    def comes_to(self, what: Callable[[dict[str, Any]], bool], process: Any) -> None:
        """Wait until the job is so far; fail if the module ends before that."""
        deadline = time.monotonic() + WAIT_S
        while not what(self.job()):
            if process.poll() is not None:
                raise AssertionError(f"it ended before that: {process.communicate()}")
            assert time.monotonic() < deadline, f"it did not come to that: {self.job()}"
            time.sleep(0.1)
