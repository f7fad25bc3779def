"""Storage beside virsh: many linked clones, many volumes, a disk that moves under its VM.

On one private libvirtd with pools of type dir. Modules run as Ansible runs them on a host, each in
a process of its own; virsh is called by a script, once for each volume, and the peer's module by a
loop in a playbook, of which a part is measured.

    tests/benchmarks/run storage [--clones 200] [--volumes 5000] [--mib 512] [--peer 20]

Prints a table of seconds, the best of three where a turn leaves nothing behind.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / ".ansible" / "collections")]

from measuring import best, must, once, playbook, private_libvirtd  # noqa: E402

from support.ansible_runs import run_module  # noqa: E402
from support.private_libvirtd import PrivateLibvirtd, why_not_here  # noqa: E402

IMAGES = "/var/lib/libvirt/images"
VM = """
<domain type="qemu"><name>mover</name><memory unit="MiB">32</memory>
  <os><type machine="q35">hvm</type></os><features><acpi/></features>
  <devices><video><model type="none"/></video><disk type="volume" device="disk">
    <driver name="qemu" type="raw"/><source pool="slow" volume="disk.raw"/>
    <target dev="vda" bus="virtio"/></disk></devices></domain>
"""


class Host:
    """A host with pools, and what is done on it."""

    def __init__(self, libvirtd: PrivateLibvirtd) -> None:
        self.libvirtd = libvirtd

    def add_pool(self, name: str) -> Path:
        """A pool of files; its folder as it is reached from here."""
        self.libvirtd.run(["mkdir", "-p", f"{IMAGES}/{name}"])
        self.libvirtd.virsh("pool-define-as", name, "dir", "--target", f"{IMAGES}/{name}")
        self.libvirtd.virsh("pool-start", name)
        return self.libvirtd.outside(f"{IMAGES}/{name}")

    def ask(self, module: str, **args: Any) -> dict[str, Any]:
        done = run_module(module, args, on=self.libvirtd)
        if done.get("failed"):
            sys.exit(str(done["msg"]))
        return done

    def script(self, text: str) -> str:
        return self.libvirtd.run(["bash", "-ec", text])


def main() -> None:
    """Measure all three and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clones", type=int, default=200)
    parser.add_argument("--volumes", type=int, default=5000)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--peer", type=int, default=20, metavar="N")
    options = parser.parse_args()
    if reason := why_not_here():
        sys.exit(f"cannot measure: {reason}")
    with private_libvirtd() as libvirtd:
        host = Host(libvirtd)
        show(f"{options.clones} linked clones", clones(host, options.clones, options.peer))
        show(f"a pool of {options.volumes} volumes", many_volumes(host, options.volumes))
        show(f"a disk of {options.mib} MiB moves under its VM", moves(host, options.mib))


def clones(host: Host, count: int, peer: int) -> dict[str, float]:
    """Linked clones of one volume, made and found as they are."""
    host.add_pool("clones")
    host.libvirtd.virsh("vol-create-as", "clones", "base", "1G", "--format", "qcow2")
    volumes = [
        {"pool": "clones", "name": f"ours-{n}", "format": "qcow2", "backing": {"volume": "base"}}
        for n in range(count)
    ]
    backed = "--format qcow2 --backing-vol base --backing-vol-format qcow2"
    by_virsh = "\n".join(f"virsh -q vol-create-as clones its-{n} 1G {backed}" for n in range(count))
    return {
        "host_config, all new": once(lambda: host.ask("host_config", storage_volumes=volumes)),
        "host_config, nothing to change": best(
            lambda _turn: must(not host.ask("host_config", storage_volumes=volumes)["changed"])
        ),
        "virsh vol-create-as in a loop": once(lambda: host.script(by_virsh)),
        "community.libvirt in a loop, by a part": by_the_peer(host, peer) / peer * count,
    }


def by_the_peer(host: Host, count: int) -> float:
    """Linked clones by the peer's module, without what Ansible takes for itself."""
    xml = f"""<volume><name>peer-{{{{ item }}}}</name><capacity unit="GiB">1</capacity>
      <target><format type="qcow2"/></target><backingStore><path>{IMAGES}/clones/base</path>
        <format type="qcow2"/></backingStore></volume>"""
    one = {"uri": host.libvirtd.uri, "pool": "clones", "state": "present", "xml": xml}
    names = list(range(count))
    empty = best(lambda _turn: playbook([{"ansible.builtin.ping": None}]))
    loop = [{"community.libvirt.virt_volume": {**one, "name": "peer-{{ item }}"}, "loop": names}]
    return once(lambda: playbook(loop)) - empty


def many_volumes(host: Host, count: int) -> dict[str, float]:
    """What is told of a pool whose volumes somebody else has made."""
    folder = host.add_pool("many")
    for number in range(count):
        with (folder / f"volume-{number}.raw").open("wb") as file:
            file.truncate(1 << 20)
    refreshed = once(lambda: host.libvirtd.virsh("pool-refresh", "many"))

    def told(_turn: int) -> None:
        [pool] = host.ask("storage_info", pools=["many"], volumes=True)["pools"]
        must(len(pool["volumes"]) == count)

    return {
        "storage_info, volumes with chains and users": best(told),
        "virsh vol-list --details": best(
            lambda _turn: host.libvirtd.virsh("vol-list", "many", "--details")
        ),
        "virsh pool-refresh": refreshed,
    }


def moves(host: Host, mib: int) -> dict[str, float]:
    """A disk that is copied while its VM stands there, by libvirt's block copy either way."""
    slow, _fast = host.add_pool("slow"), host.add_pool("fast")
    with (slow / "disk.raw").open("wb") as file:
        for _mib in range(mib):
            file.write(b"\x07" * (1 << 20))
    host.libvirtd.virsh("pool-refresh", "slow")
    host.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=VM)
    host.libvirtd.virsh("start", "mover", "--paused")
    there = f"{IMAGES}/fast/virsh.raw"
    by_virsh = (
        f"virsh -q blockcopy mover vda --dest {there} --format raw --transient-job --wait --pivot"
    )
    found = {"virsh blockcopy, with its pivot": once(lambda: host.script(by_virsh))}
    host.libvirtd.virsh("destroy", "mover")
    host.libvirtd.virsh("start", "mover", "--paused")
    subprocess.run(["sync"], check=True)
    found["storage_migration"] = once(
        lambda: host.ask("storage_migration", vm="mover", disk="vda", pool="fast")
    )
    return found


def show(title: str, measured: dict[str, float]) -> None:
    print(f"{title}, in seconds")
    for what, seconds in measured.items():
        print(f"  {what:<44} {seconds:8.2f}")
    print(flush=True)


if __name__ == "__main__":
    main()
