"""Backups beside virtnbdbackup: whole ones, what was written since, and restores of both.

On one private libvirtd, of a VM whose disk has random bytes. Each tool has a chain of its own, one
after the other: virtnbdbackup begins none beside checkpoints that are not its own.

    tests/benchmarks/run backup [--mib 1024] [--written 64]

Prints a table of seconds. `run` unpacks the peer's Debian packages below .cache.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / ".ansible" / "collections")]

from measuring import once, private_libvirtd  # noqa: E402

from support.ansible_runs import run_module  # noqa: E402
from support.private_libvirtd import PrivateLibvirtd, why_not_here  # noqa: E402

PEER = ROOT / ".cache" / "virtnbdbackup"
IMAGES = "/var/lib/libvirt/images"
BACKUPS = "/var/lib/libvirt/backups"
VM = f"""
<domain type="qemu"><name>ledger</name><memory unit="MiB">32</memory>
  <os><type machine="q35">hvm</type></os><features><acpi/></features>
  <devices><video><model type="none"/></video><disk type="file" device="disk">
    <driver name="qemu" type="qcow2"/><source file="{IMAGES}/ledger.qcow2"/>
    <target dev="vda" bus="virtio"/></disk></devices></domain>
"""


class Host:
    """A host with one VM that runs, and the ways to back it up."""

    def __init__(self, libvirtd: PrivateLibvirtd, mib: int) -> None:
        self.libvirtd = libvirtd
        self.turn = 0
        self._make_vm(mib)

    def _make_vm(self, mib: int) -> None:
        raw, image = f"{IMAGES}/random.raw", f"{IMAGES}/ledger.qcow2"
        self.script(f"mkdir -p {IMAGES} {BACKUPS}; head -c {mib}M /dev/urandom >{raw}")
        self.script(f"qemu-img convert -O qcow2 {raw} {image}; rm {raw}")
        self.libvirtd.virsh("pool-define-as", "images", "dir", "--target", IMAGES)
        self.libvirtd.virsh("pool-start", "images")
        self.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=VM)
        self.libvirtd.virsh("start", "ledger", "--paused")

    def write(self, mib: int) -> None:
        """Have QEMU write to the disk, as a guest would: something else in each turn."""
        self.turn += 1
        asked = json.dumps({"execute": "query-block"})
        told = json.loads(self.libvirtd.virsh("qemu-monitor-command", "ledger", asked))["return"]
        [device] = [one["qdev"] for one in told if one.get("inserted")]
        text = f'qemu-io -d {device} "write -P {self.turn} 0 {mib}M"'
        self.libvirtd.virsh("qemu-monitor-command", "ledger", "--hmp", text)

    def ask(self, module: str, **args: Any) -> None:
        done = run_module(module, args, on=self.libvirtd)
        if done.get("failed") or not done["changed"]:
            sys.exit(f"{module}: {done.get('msg', 'it found nothing to do')}")

    def peer(self, program: str, *args: str) -> None:
        """One of virtnbdbackup's programs, with the libraries that were unpacked beside it."""
        paths = (
            f"PATH={PEER}/usr/bin:{PEER}/usr/sbin:/usr/bin:/usr/sbin:/bin:/sbin",
            f"PYTHONPATH={PEER}/usr/lib/python3/dist-packages",
            f"LD_LIBRARY_PATH={PEER}/usr/lib/x86_64-linux-gnu",
        )
        self.libvirtd.run(["env", *paths, f"{PEER}/usr/bin/{program}", *args])

    def script(self, text: str) -> None:
        self.libvirtd.run(["bash", "-ec", text])


def main() -> None:
    """Measure both and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--written", type=int, default=64)
    options = parser.parse_args()
    if reason := why_not_here():
        sys.exit(f"cannot measure: {reason}")
    if not PEER.is_dir():
        sys.exit("cannot measure: call `tests/benchmarks/run backup`, which brings virtnbdbackup")
    with private_libvirtd() as libvirtd:
        host = Host(libvirtd, options.mib)
        print(f"a disk of {options.mib} MiB, then {options.written} MiB written, in seconds")
        measured = {**theirs(host, options.written), **ours(host, options.written)}
        for what, seconds in measured.items():
            print(f"  {what:<44} {seconds:8.2f}")


def theirs(host: Host, written: int) -> dict[str, float]:
    """A chain of virtnbdbackup, restored; its checkpoints go afterwards."""
    of = ("-d", "ledger", "-o", f"{BACKUPS}/theirs")
    settle()
    found = {"virtnbdbackup, full": once(lambda: host.peer("virtnbdbackup", "-l", "full", *of))}
    host.write(written)
    settle()
    found["virtnbdbackup, inc"] = once(lambda: host.peer("virtnbdbackup", "-l", "inc", *of))
    settle()
    to = ("-i", f"{BACKUPS}/theirs", "-o", f"{BACKUPS}/theirs-restored")
    found["virtnbdrestore, images alone"] = once(lambda: host.peer("virtnbdrestore", *to))
    for checkpoint in host.libvirtd.virsh("checkpoint-list", "ledger", "--name").split():
        host.libvirtd.virsh("checkpoint-delete", "ledger", checkpoint)
    return found


def ours(host: Host, written: int) -> dict[str, float]:
    """A chain of vm_backup, restored as another VM."""
    of = {"vm": "ledger", "directory": f"{BACKUPS}/ours"}
    host.script(f"mkdir {BACKUPS}/ours")
    settle()
    found = {"vm_backup, whole": once(lambda: host.ask("vm_backup", **of))}
    host.write(written)
    settle()
    found["vm_backup, what was written since"] = once(lambda: host.ask("vm_backup", **of))
    settle()
    to = {**of, "name": "other", "pool": "images"}
    found["vm_restore, checked and as another VM"] = once(lambda: host.ask("vm_restore", **to))
    return found


def settle() -> None:
    """Have what the turn before has written on the disk, so that none pays for another."""
    subprocess.run(["sync"], check=True)


if __name__ == "__main__":
    main()
